#include "broker/drivers/log_scrub.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/logging.hpp"
#include "broker/drivers/segment_source.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kComponent = "barnabas.LogScrub";
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

}  // namespace

LogScrub::LogScrub(const Clock& clock, ReplicaManager& replicas, MetricsRegistry& metrics,
                   const Options& options, SegmentSource* source)
    : clock_(clock),
      replicas_(replicas),
      options_(options),
      bytes_(metrics.counter("barnabas_log_scrub_bytes_total")),
      passes_(metrics.counter("barnabas_log_scrub_passes_total")),
      corrupt_places_(metrics.gauge("barnabas_log_scrub_corrupt_places")),
      last_pass_(metrics.gauge("barnabas_log_scrub_last_pass_timestamp_seconds")),
      repaired_(metrics.counter("barnabas_log_repaired_segments_total")),
      source_(source) {}

LogScrub::~LogScrub() {
  stop();
}

void LogScrub::start() {
  if (options_.bytes_per_second > 0) thread_ = std::thread([this] { run(); });
}

void LogScrub::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  if (source_ != nullptr) source_->give_up();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LogScrub::run() {
  pthread_setname_np(pthread_self(), "log-scrub");
  for (nanoseconds rest{0};; rest = step()) {
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, rest, [this] { return stopping_; })) return;
  }
}

nanoseconds LogScrub::step() {
  if (!is_passing_) {
    const nanoseconds left = next_pass_ - clock_.monotonic();
    if (left > nanoseconds(0)) return left;
    begin_pass();
  }
  if (!segment_ && !take_segment()) {
    end_pass();
    return std::max(next_pass_ - clock_.monotonic(), nanoseconds(0));
  }
  const double seconds = static_cast<double>(read_piece()) /
                         static_cast<double>(std::max<std::uint64_t>(options_.bytes_per_second, 1));
  return nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

void LogScrub::begin_pass() {
  is_passing_ = true;
  next_pass_ = clock_.monotonic() + options_.interval;
  found_ = 0;
  left_ = replicas_.all();
  from_ = Offset(0);
}

void LogScrub::end_pass() {
  is_passing_ = false;
  passes_.add();
  corrupt_places_.set(found_);
  last_pass_.set(clock_.wall_ms() / 1000);
  if (found_ > 0)
    log_error(kComponent, "The last pass over all closed segments found {} broken places", found_);
}

/// The next segment of the pass; false at its end.
bool LogScrub::take_segment() {
  for (; !left_.empty(); left_.pop_back(), from_ = Offset(0)) {
    segment_ = left_.back()->with_log([&](log::PartitionLog& log) { return log.closed_segment_from(from_); });
    if (!segment_) continue;
    from_ = segment_->end;
    position_ = 0;
    return true;
  }
  return false;
}

/// Returns how many bytes were read.
std::uint64_t LogScrub::read_piece() {
  Partition& partition = *left_.back();
  const auto piece = log::scrub_piece(*segment_, position_, kPieceBytes);
  if (!piece) {
    log_error(kComponent, "{}: {}", to_string(partition.topic_partition()), piece.error().detail);
    found_ += std::exchange(found_in_segment_, 0);
    segment_.reset();
    return kPieceBytes;
  }
  bytes_.add(piece->bytes_read);
  if (piece->broken_at) {
    const auto look = [&](log::PartitionLog& log) { return log.is_broken(*segment_, *piece->broken_at); };
    if (partition.with_log(look)) ++found_in_segment_;
  }
  position_ = piece->next;
  if (position_ < segment_->size) return piece->bytes_read;
  const auto check = [&](log::PartitionLog& log) { return log.check_transactions(*segment_); };
  const auto checked = partition.with_log(check);
  if (!checked && checked.error().code == ErrorCode::kCorruptMessage) ++found_in_segment_;
  end_segment();
  return piece->bytes_read;
}

void LogScrub::end_segment() {
  Partition& partition = *left_.back();
  if (found_in_segment_ > 0 && source_ != nullptr) {
    const auto repaired = repair(partition);
    if (!repaired)
      log_error(kComponent, "{}: the segment at {} could not be repaired from another replica: {}",
                to_string(partition.topic_partition()), segment_->base.value(), repaired.error().detail);
    if (repaired && *repaired) {
      log_info(kComponent, "{}: the segment at {} was written anew from another replica",
               to_string(partition.topic_partition()), segment_->base.value());
      repaired_.add();
      found_in_segment_ = 0;
    }
  }
  found_ += std::exchange(found_in_segment_, 0);
  segment_.reset();
}

bool LogScrub::is_stopping() {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

/// False when the segment was cut, compacted or deleted meanwhile, or is not all committed.
Result<bool> LogScrub::repair(Partition& partition) {
  auto repair = TRY(partition.with_log([&](log::PartitionLog& log) { return log.begin_repair(*segment_); }));
  if (!repair) return false;
  const auto filled = fill(partition, *repair);
  const auto swapped =
      partition.with_log([&](log::PartitionLog& log) { return log.end_repair(*repair, filled.has_value()); });
  if (!filled) return std::unexpected(filled.error());
  return swapped;
}

Result<void> LogScrub::fill(const Partition& partition, log::SegmentRepair& repair) {
  while (!repair.is_whole()) {
    if (is_stopping() || !repair.is_wanted())
      return fail(ErrorCode::kOperationNotAttempted, "it was given up");
    const Offset from = repair.next();
    const Bytes batches = TRY(source_->batches(partition.topic_partition(), partition.topic_id(), from));
    TRY(repair.append(batches));
    if (repair.next() == from)
      return fail(ErrorCode::kOffsetNotAvailable, "the other replica does not have all of it yet");
  }
  return repair.finish();
}

}  // namespace barnabas::broker
