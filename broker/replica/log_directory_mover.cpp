#include "broker/replica/log_directory_mover.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::string_view kComponent = "kafka.server.ReplicaManager";
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;
/// How long a move waits that found the disk full, or whose partition is not there yet.
constexpr nanoseconds kBackoff = std::chrono::seconds(1);
/// How far copies may run ahead of the configured rate before a wait is worth it.
constexpr nanoseconds kBurst = milliseconds(100);

/// What the future log is to hold next.
struct Piece {
  Offset log_start;
  Offset keep_to;  // what it has from here on is not in the current log
  log::ReadResult read;
};

/// Where the future log leaves the current one. A crash may have taken from either what it had not synced: by
/// the leader epochs is seen which of its records are those of the current log.
Offset end_in_common(const log::PartitionLog& current, const log::PartitionLog& future) {
  if (future.latest_epoch() == kNoLeaderEpoch)
    return std::min(future.log_end_offset(), current.log_end_offset());
  const log::EpochEndOffset end = current.end_offset_for_epoch(future.latest_epoch());
  if (end.epoch == kNoLeaderEpoch) return current.log_start_offset();
  Offset common = std::min({end.end_offset, future.log_end_offset(), current.log_end_offset()});
  // Epochs that the current log never had.
  if (end.epoch != future.latest_epoch())
    common = std::min(common, future.end_offset_for_epoch(end.epoch).end_offset);
  return common;
}

/// Requires both logs' mutexes.
Result<Piece> next_piece(log::PartitionLog& current, const log::PartitionLog& future) {
  Piece piece{current.log_start_offset(), end_in_common(current, future), {}};
  log::ReadOptions options;
  options.from = std::max(piece.keep_to, piece.log_start);
  options.up_to = current.log_end_offset();
  options.max_bytes = kPieceBytes;
  options.at_least_one_batch = true;
  piece.read = TRY(current.read(options));
  return piece;
}

Result<Bytes> bytes_of(const log::ReadResult& read) {
  Bytes bytes;
  for (const log::FileSlice& slice : read.slices) {
    const std::size_t at = bytes.size();
    bytes.resize(at + slice.size);
    const std::size_t got = TRY(slice.file->read_at(slice.position, MutableByteView(bytes).subspan(at)));
    if (got != slice.size)
      return fail(ErrorCode::kKafkaStorageError, "a segment is shorter than its index says");
  }
  return bytes;
}

/// The number of bytes copied. Requires the future log's mutex. `rolled` is set when a segment was closed.
Result<std::uint64_t> append_piece(const Piece& piece, log::PartitionLog& future, bool& rolled) {
  if (future.log_end_offset() < piece.log_start || piece.keep_to < piece.log_start)
    TRY(future.truncate_fully_and_start_at(piece.log_start));
  else if (piece.keep_to < future.log_end_offset())
    TRY(future.truncate_to(piece.keep_to));
  const Bytes bytes = TRY(bytes_of(piece.read));
  if (!bytes.empty()) rolled = TRY(future.append_as_follower(bytes)).rolled;
  future.set_high_watermark(future.log_end_offset());
  if (future.log_start_offset() < piece.log_start) (void)TRY(future.delete_records_before(piece.log_start));
  return bytes.size();
}

}  // namespace

LogDirectoryMover::LogDirectoryMover(const Clock& clock, ReplicaManager& replicas, MetricsRegistry& metrics,
                                     LogDirectoryMoverOptions options)
    : clock_(clock), replicas_(replicas), options_(std::move(options)) {
  replicas_.on_moves_changed([this] { wake(); });
  metrics.add_collector(collecting_, [this](MetricsPage& page) { tell_metrics(page); });
}

LogDirectoryMover::~LogDirectoryMover() {
  stop();
  replicas_.on_moves_changed([] {});
}

void LogDirectoryMover::start() {
  for (std::int32_t i = 0; i < std::max(options_.threads, 1); ++i)
    threads_.emplace_back([this, i] { run(i); });
}

void LogDirectoryMover::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void LogDirectoryMover::wake() {
  {
    std::lock_guard lock(mutex_);
    ++changes_;
    waiting_.clear();
  }
  wake_.notify_all();
}

void LogDirectoryMover::run(std::int32_t index) {
  pthread_setname_np(pthread_self(), ("log-mover-" + std::to_string(index)).c_str());
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::uint64_t seen = changes_;
    lock.unlock();
    const bool did_something = run_once();
    lock.lock();
    if (did_something) continue;
    const auto something = [&] { return stopping_ || changes_ != seen; };
    if (waiting_.empty())
      wake_.wait(lock, something);
    else
      wake_.wait_for(lock, kBackoff, something);
  }
}

/// Requires mutex_.
bool LogDirectoryMover::waits(const TopicPartition& tp) {
  const auto found = waiting_.find(tp);
  if (found == waiting_.end()) return false;
  if (found->second.future.lock() == replicas_.logs().find_future(tp) &&
      clock_.monotonic() < found->second.until)
    return true;
  waiting_.erase(found);
  return false;
}

std::optional<TopicPartition> LogDirectoryMover::grab() {
  const std::vector<TopicPartition> moving = replicas_.logs().moving();
  std::lock_guard lock(mutex_);
  for (const TopicPartition& tp : moving) {
    if (stopping_ || in_progress_.contains(tp) || waits(tp)) continue;
    in_progress_.insert(tp);
    return tp;
  }
  return std::nullopt;
}

bool LogDirectoryMover::run_once() {
  const std::optional<TopicPartition> tp = grab();
  if (!tp) return false;
  const auto partition = replicas_.find(tp->topic, tp->partition);
  const Log future = replicas_.logs().find_future(*tp);
  if (future != nullptr && partition == nullptr) {
    set_aside(*tp, future, {ErrorCode::kUnknownTopicOrPartition, {}});
  } else if (future != nullptr) {
    if (const auto moved = move_on(*partition, future); !moved) set_aside(*tp, future, moved.error());
  }
  std::lock_guard lock(mutex_);
  in_progress_.erase(*tp);
  return true;
}

/// Whether the move has come to its end.
Result<bool> LogDirectoryMover::move_on(Partition& partition, const Log& future) {
  if (TRY(copy_piece(partition, future)) >= kPieceBytes) return false;
  // Most of it is on the disk before the partition's mutex is held for the rest.
  TRY(future->sync());
  if (TRY(copy_piece(partition, future)) >= kPieceBytes) return false;
  return take_over(partition, future);
}

Result<std::uint64_t> LogDirectoryMover::copy_piece(Partition& partition, const Log& future) {
  bool rolled = false;
  std::uint64_t copied = 0;
  {
    const auto hold = partition.hold_move();
    const Piece piece =
        TRY(partition.with_log([&](log::PartitionLog& current) { return next_piece(current, *future); }));
    copied = TRY(append_piece(piece, *future, rolled));
  }
  // Beside the others' calls, as a sync may be, and bit by bit instead of all at the end.
  if (rolled) TRY(future->sync());
  pace(copied);
  return copied;
}

Result<bool> LogDirectoryMover::take_over(Partition& partition, const Log& future) {
  const TopicPartition& tp = partition.topic_partition();
  std::string from;
  std::string to;
  const auto hold = partition.hold_move();
  const auto replacement = [&](log::PartitionLog& current) -> Result<Log> {
    bool rolled = false;
    const Piece piece = TRY(next_piece(current, *future));
    (void)TRY(append_piece(piece, *future, rolled));
    if (future->log_end_offset() != current.log_end_offset()) return Log();
    from = current.directory();
    Log next = TRY(replicas_.logs().replace_with_future(tp));
    to = next->directory();
    return next;
  };
  const bool moved = TRY(partition.replace_log(replacement));
  if (!moved) return false;
  log_info(kComponent, "{} was moved from {} to {}", to_string(tp), from, to);
  replicas_.tell_place(partition);
  return true;
}

void LogDirectoryMover::set_aside(const TopicPartition& tp, const Log& future, const Error& error) {
  if (replicas_.logs().find_future(tp) != future) return;  // cancelled, sent elsewhere or deleted meanwhile
  const bool passes = error.code == ErrorCode::kUnknownTopicOrPartition || is_disk_full(error);
  if (is_disk_full(error))
    log_warn(kComponent, "The move of {} to {} waits for room: {}", to_string(tp), future->directory(),
             error.detail);
  else if (!passes)
    log_error(kComponent,
              "The move of {} to {} failed: {}; the records are where they were. Ask for it again, or give "
              "it up by naming the directory that the partition is in",
              to_string(tp), future->directory(), error.detail);
  std::lock_guard lock(mutex_);
  waiting_[tp] = {future, passes ? clock_.monotonic() + kBackoff : nanoseconds::max()};
}

/// Waits in steps, so that a rate that is changed meanwhile holds at once.
void LogDirectoryMover::pace(std::uint64_t bytes) {
  if (!options_.max_bytes_per_second) return;
  std::unique_lock lock(mutex_);
  owed_bytes_ += static_cast<double>(bytes);
  while (!stopping_) {
    const double rate = options_.max_bytes_per_second();
    const nanoseconds now = clock_.monotonic();
    owed_bytes_ -= rate * std::chrono::duration<double>(now - std::exchange(paid_at_, now)).count();
    const nanoseconds ahead(rate <= 0 ? 0 : static_cast<std::int64_t>(owed_bytes_ / rate * 1e9));
    if (ahead < kBurst || threads_.empty()) break;
    wake_.wait_for(lock, std::min<nanoseconds>(ahead, kBackoff), [&] { return stopping_; });
  }
  owed_bytes_ = std::max(owed_bytes_, 0.0);
}

void LogDirectoryMover::tell_metrics(MetricsPage& page) {
  const MetricLabels client = {{"clientId", "ReplicaAlterLogDirs"}};
  std::int64_t max_lag = 0;
  for (const TopicPartition& tp : replicas_.logs().moving()) {
    const Log current = replicas_.logs().find(tp);
    const Log future = replicas_.logs().find_future(tp);
    if (current != nullptr && future != nullptr)
      max_lag = std::max(max_lag, current->log_end_offset() - future->log_end_offset());
  }
  std::size_t failed = 0;
  {
    std::lock_guard lock(mutex_);
    failed = static_cast<std::size_t>(std::ranges::count_if(
        waiting_, [](const auto& entry) { return entry.second.until == nanoseconds::max(); }));
  }
  page.gauge("kafka_server_replicaalterlogdirsmanager_maxlag", client, static_cast<double>(max_lag));
  page.gauge("kafka_server_replicaalterlogdirsmanager_failedpartitionscount", client,
             static_cast<double>(failed));
  // They end when the node does.
  page.gauge("kafka_server_replicaalterlogdirsmanager_deadthreadcount", client, 0);
}

}  // namespace barnabas::broker
