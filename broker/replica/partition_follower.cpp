// A partition as follower: what is fetched from the leader, and where the log is cut to be the leader's.
#include <fmt/format.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/replica/partition.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "kafka.server.ReplicaFetcherThread";

Offset base_offset_of(const protocol::LogEntry& entry) {
  return entry.is_legacy() ? entry.last_offset() : entry.batch().base_offset();
}

}  // namespace

Result<void> Partition::check_following(LeaderEpoch epoch) const {
  if (offline_) return fail(ErrorCode::kKafkaStorageError, "the log directory is offline");
  if (leader_ || epoch != leader_epoch_)
    return fail(ErrorCode::kNotLeaderOrFollower, fmt::format("{} is no follower in leader epoch {}",
                                                             to_string(topic_partition_), epoch.value()));
  return {};
}

FollowerPosition Partition::position() const {
  return {log_->log_end_offset(), log_->latest_epoch(), log_->log_start_offset()};
}

Result<FollowerPosition> Partition::begin_following(LeaderEpoch epoch) {
  Hold hold(*this);
  TRY(check_following(epoch));
  if (log_->latest_epoch() == kNoLeaderEpoch && log_->high_watermark() < log_->log_end_offset())
    return truncated_to(log_->high_watermark());
  return position();
}

Result<FollowerPosition> Partition::append_as_follower(const FetchedFromLeader& fetched) {
  Hold hold(*this);
  TRY(check_following(fetched.leader_epoch));
  if (log_->log_end_offset() != fetched.from)
    return fail(ErrorCode::kOffsetOutOfRange,
                fmt::format("{} ends at {}, but {} was fetched", to_string(topic_partition_),
                            log_->log_end_offset().value(), fetched.from.value()));
  if (!fetched.records.empty()) closed_segment_ |= TRY(append_fetched(fetched.records)).rolled;
  log_->set_high_watermark(fetched.high_watermark);
  // Only once all below it is committed here too: a log begins with what its leader has.
  if (fetched.log_start > log_->log_start_offset() && fetched.log_start <= log_->high_watermark())
    (void)TRY(log_->delete_records_before(fetched.log_start));
  return position();
}

/// An empty log may begin in the middle of the leader's first batch, after its records were deleted up to
/// there: it then begins with that batch.
Result<log::AppendResult> Partition::append_fetched(ByteView records) {
  protocol::BatchCursor cursor(records);
  const auto first = TRY(cursor.next());
  if (!first) return log::AppendResult{};  // less than a batch
  const Offset end = log_->log_end_offset();
  if (log_->log_start_offset() == end && base_offset_of(*first) < end && first->last_offset() >= end) {
    log_info(kComponent, "{} begins with the batch at {}, below its start {}", to_string(topic_partition_),
             base_offset_of(*first).value(), end.value());
    TRY(log_->truncate_fully_and_start_at(base_offset_of(*first)));
  }
  return log_->append_as_follower(records);
}

Result<FollowerPosition> Partition::truncated_to(Offset offset) {
  if (offset < log_->log_end_offset())
    log_info(kComponent, "Truncating partition {} to offset {} (end {}, high watermark {})",
             to_string(topic_partition_), offset.value(), log_->log_end_offset().value(),
             log_->high_watermark().value());
  if (offset < log_->high_watermark())
    log_warn(kComponent, "Truncating {} to offset {} below high watermark {}", to_string(topic_partition_),
             offset.value(), log_->high_watermark().value());
  TRY(log_->truncate_to(offset));
  return position();
}

Result<FollowerPosition> Partition::truncate_to_leader(LeaderEpoch epoch, log::EpochEndOffset leader) {
  Hold hold(*this);
  TRY(check_following(epoch));
  if (leader.end_offset < Offset(0)) return position();  // it does not know
  Offset end = log_->log_end_offset();
  const log::EpochEndOffset own = log_->end_offset_for_epoch(leader.epoch);
  // An epoch of the leader's that this log never had: what is behind the one before it is not the leader's.
  if (own.epoch != kNoLeaderEpoch) end = std::min(end, own.end_offset);
  if (own.epoch == kNoLeaderEpoch || own.epoch == leader.epoch) end = std::min(end, leader.end_offset);
  return truncated_to(end);
}

Result<FollowerPosition> Partition::follow_range(LeaderEpoch epoch, Offset start, Offset end) {
  Hold hold(*this);
  TRY(check_following(epoch));
  if (end < log_->log_end_offset()) return truncated_to(end);
  if (start <= log_->log_end_offset()) return position();
  log_warn(kComponent, "{} ends at {}, before the leader's log start {}: it begins anew there",
           to_string(topic_partition_), log_->log_end_offset().value(), start.value());
  TRY(log_->truncate_fully_and_start_at(start));
  return position();
}

}  // namespace barnabas::broker
