#include "log/segment_repair.hpp"

#include <fmt/format.h>

#include <utility>

#include "log/segment.hpp"

namespace barnabas::log {

SegmentRepair::SegmentRepair(FileSystem& files, std::string directory, SourceSegment source,
                             std::shared_ptr<Segment> target,
                             std::shared_ptr<const std::atomic<bool>> aborted)
    : files_(files),
      directory_(std::move(directory)),
      source_(std::move(source)),
      target_(std::move(target)),
      aborted_(std::move(aborted)),
      next_(source_.base) {}

Result<void> SegmentRepair::append(ByteView batches) {
  protocol::BatchCursor cursor(batches);
  std::vector<EntryInfo> entries;
  std::size_t taken = 0;
  while (auto entry = TRY(cursor.next())) {
    const EntryInfo info = entry_info(entry->bytes(), 0);
    if (info.base_offset >= source_.end) {  // Compaction left nothing before.
      next_ = source_.end;
      break;
    }
    if (info.base_offset < next_ || info.last_offset < info.base_offset || info.last_offset >= source_.end)
      return fail(ErrorCode::kOffsetOutOfRange,
                  fmt::format("a batch of offsets {} to {} was brought where {} to {} are wanted",
                              info.base_offset.value(), info.last_offset.value(), next_.value(),
                              source_.end.value() - 1));
    if (!checksum_matches(*entry))
      return fail(
          ErrorCode::kCorruptMessage,
          fmt::format("the other replica's batch at {} has a wrong checksum", info.base_offset.value()));
    entries.push_back(info);
    next_ = info.last_offset + 1;
    taken = cursor.position();
  }
  if (entries.empty()) return {};
  return target_->append(batches.first(taken), entries);
}

Result<void> SegmentRepair::finish() {
  TRY(target_->seal());
  TRY(target_->sync_files(true));
  return files_.sync_directory(directory_);
}

}  // namespace barnabas::log
