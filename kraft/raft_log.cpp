#include "kraft/raft_log.hpp"

#include <algorithm>

#include "log/log_manager.hpp"
#include "log/partition_log.hpp"

namespace barnabas::kraft {

namespace {
constexpr std::int32_t kMaxBatchBytes = 64 << 20;
constexpr std::uint64_t kReadBytes = std::uint64_t{1} << 20;
}  // namespace

Result<std::unique_ptr<RaftLog>> RaftLog::open(FileSystem& files, const Clock& clock,
                                               const RaftLogOptions& options) {
  log::OpenLogOptions open;
  open.directory = options.directory;
  open.topic_partition = {"__cluster_metadata", PartitionIndex(0)};
  open.topic_id = TopicId(kMetadataTopicUuid);
  open.is_always_recovered = true;
  open.config.segment_bytes = options.segment_bytes;
  open.config.segment_ms = options.segment_ms;
  open.config.retention_ms = -1;  // only what a snapshot contains is deleted
  open.config.retention_bytes = -1;
  open.config.max_message_bytes = kMaxBatchBytes;
  auto log = TRY(log::open_log(files, clock, open));
  return std::unique_ptr<RaftLog>(new RaftLog(std::move(log)));
}

RaftLog::RaftLog(std::unique_ptr<log::PartitionLog> log)
    : log_(std::move(log)), synced_end_(log_->log_end_offset()) {}
RaftLog::~RaftLog() = default;

Offset RaftLog::start() const {
  return log_->log_start_offset();
}
LogPosition RaftLog::position() const {
  return {log_->log_end_offset(), log_->latest_epoch()};
}
std::uint64_t RaftLog::size_bytes() const {
  return log_->size_bytes();
}

LogPosition RaftLog::end_of_epoch(LeaderEpoch epoch) const {
  const LogPosition last = position();
  if (last.last_epoch == kNoLeaderEpoch || epoch >= last.last_epoch) return last;
  const log::EpochEndOffset known = log_->end_offset_for_epoch(epoch);
  // For an epoch before all others the log says where the first of them begins.
  if (known.end_offset <= start()) return {start(), kNoLeaderEpoch};
  return {known.end_offset, known.epoch};
}

LeaderEpoch RaftLog::epoch_of(Offset offset) const {
  return log_->epoch_of(offset);
}

Result<void> RaftLog::append(Bytes batch, LeaderEpoch epoch) {
  log::AppendOptions options;
  options.origin = log::AppendOrigin::kRaft;
  options.leader_epoch = epoch;
  auto appended = log_->append_as_leader(batch, options);
  if (!appended) return std::unexpected(std::move(appended).error().error);
  return {};
}

Result<void> RaftLog::append_received(ByteView batches) {
  TRY(log_->append_as_follower(batches));
  return {};
}

Result<void> RaftLog::truncate(Offset end) {
  TRY(log_->truncate_to(end));
  synced_end_ = std::min(synced_end_, end);
  return {};
}

Result<void> RaftLog::sync() {
  const Offset end = log_->log_end_offset();
  TRY(log_->sync());
  synced_end_ = end;
  return {};
}

Result<Bytes> RaftLog::read(Offset from, std::uint64_t max_bytes) {
  return log_->read_bytes({from, log_->log_end_offset(), max_bytes, true});
}

Result<void> RaftLog::visit(Offset from, Offset to, const LogVisitor& visitor) {
  while (from < to) {
    const Bytes bytes = TRY(log_->read_bytes({from, to, kReadBytes, true}));
    const Offset next = TRY(visit_batches(bytes, from, visitor));
    if (next <= from)
      return fail(ErrorCode::kCorruptMessage, log_->directory() + ": nothing at offset " +
                                                  std::to_string(from.value()) + ", though the log goes on");
    from = next;
  }
  return {};
}

Result<void> RaftLog::start_at(Offset offset) {
  TRY(log_->truncate_fully_and_start_at(offset));
  synced_end_ = offset;
  return {};
}

Result<void> RaftLog::delete_before(Offset offset, std::int64_t now_ms) {
  if (offset <= log_->log_start_offset()) return {};
  TRY(log_->delete_records_before(offset));
  (void)TRY(log_->apply_retention(now_ms));
  return {};
}

void RaftLog::set_high_watermark(Offset offset) {
  log_->set_high_watermark(offset);
}
Result<void> RaftLog::close() {
  return log_->close();
}

}  // namespace barnabas::kraft
