#include "broker/drivers/log_scrub.hpp"

#include <pthread.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kComponent = "barnabas.LogScrub";
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

}  // namespace

LogScrub::LogScrub(const Clock& clock, ReplicaManager& replicas, MetricsRegistry& metrics,
                   const Options& options)
    : clock_(clock),
      replicas_(replicas),
      options_(options),
      bytes_(metrics.counter("barnabas_log_scrub_bytes_total")),
      passes_(metrics.counter("barnabas_log_scrub_passes_total")),
      corrupt_places_(metrics.gauge("barnabas_log_scrub_corrupt_places")),
      last_pass_(metrics.gauge("barnabas_log_scrub_last_pass_timestamp_seconds")) {}

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
    segment_.reset();
    return kPieceBytes;
  }
  bytes_.add(piece->bytes_read);
  if (piece->broken_at) {
    const auto look = [&](log::PartitionLog& log) { return log.is_broken(*segment_, *piece->broken_at); };
    if (partition.with_log(look)) ++found_;
  }
  position_ = piece->next;
  if (position_ < segment_->size) return piece->bytes_read;
  const auto check = [&](log::PartitionLog& log) { return log.check_transactions(*segment_); };
  const auto checked = partition.with_log(check);
  if (!checked && checked.error().code == ErrorCode::kCorruptMessage) ++found_;
  segment_.reset();
  return piece->bytes_read;
}

}  // namespace barnabas::broker
