// CleanableLog: what a Cleaner (cleaner.hpp) asks of a log that it compacts.
//
// Implemented by PartitionLog. Thread safety: the partition's mutex is held for every call; between them the
// cleaning reads closed segments by themselves, which do not change. One cleaning of a log at a time.
// A truncation, a policy that no longer compacts, a failed disk, the removal or the close of the log abort
// the cleaning: its flag says so and the calls give nothing. Meanwhile retention leaves segments alone.
// Units: bytes, milliseconds.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/file_system.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::log {

class Segment;

struct AbortedTransaction {
  ProducerId producer_id;
  Offset first_offset;
  Offset last_offset;
  Offset last_stable_offset;
};

/// How much there is to clean. [first_dirty, first_uncleanable) is the section whose keys are looked at.
struct CleaningOutlook {
  Offset first_dirty;
  Offset
      first_uncleanable;  // base of the active segment or of one above the last stable offset, or too young
  std::uint64_t clean_bytes = 0;
  std::uint64_t cleanable_bytes = 0;
  bool is_overdue = false;  // older than max.compaction.lag.ms
  double min_ratio = 0;     // min.cleanable.dirty.ratio

  [[nodiscard]] double ratio() const {
    std::uint64_t total = clean_bytes + cleanable_bytes;
    return total == 0 ? 0 : static_cast<double>(cleanable_bytes) / static_cast<double>(total);
  }
  [[nodiscard]] bool is_due() const { return cleanable_bytes > 0 && (is_overdue || ratio() > min_ratio); }
};

/// A closed segment as it was when the cleaning began.
struct SourceSegment {
  std::shared_ptr<const Segment> identity;
  std::shared_ptr<const File> file;
  Offset base;
  Offset end;  // base of the next segment
  std::uint64_t size = 0;
  std::uint64_t offset_index_bytes = 0;
  std::uint64_t time_index_bytes = 0;
  std::int64_t modified_ms = 0;
  std::string path;  // of the .log file, for messages
};

/// What a producer appended last: the batch that carries it stays.
struct LastRecord {
  std::optional<Offset> data_offset;  // nothing when it is a marker
  ProducerEpoch epoch;
};
using LastRecords = std::unordered_map<ProducerId, LastRecord>;

struct CleaningPlan {
  CleaningOutlook outlook;
  std::vector<SourceSegment> segments;            // all below first_uncleanable
  std::vector<AbortedTransaction> dirty_aborted;  // those that meet the dirty section
  std::shared_ptr<const std::atomic<bool>> aborted;
  std::int32_t segment_bytes = 0;
  std::int32_t segment_index_bytes = 0;
  std::int64_t delete_retention_ms = 0;
};

/// Segments that become one.
struct CleaningGroup {
  std::shared_ptr<Segment> target;  // empty; its files end in .cleaned
  LastRecords last_records;
  std::vector<std::vector<AbortedTransaction>> aborted;  // of each source segment
};

class CleanableLog {
 public:
  virtual ~CleanableLog() = default;

  /// Keys are unique below; kNoOffset in a log that was never cleaned.
  [[nodiscard]] virtual Offset cleaned_to() const = 0;
  virtual Result<CleaningOutlook> cleaning_outlook(std::int64_t now_ms) = 0;
  /// Nothing when the log is being cleaned or closed. Until end_cleaning() retention waits.
  virtual Result<std::optional<CleaningPlan>> begin_cleaning(std::int64_t now_ms) = 0;
  /// Nothing when the cleaning was aborted.
  virtual Result<std::optional<CleaningGroup>> begin_group(std::span<const SourceSegment> sources) = 0;
  /// Puts the synced target in the place of its sources, whose files become .deleted; false, and nothing
  /// changed, when the cleaning was aborted.
  virtual Result<bool> swap_in(std::span<const SourceSegment> sources,
                               const std::shared_ptr<Segment>& target) = 0;
  /// Removes a target that was not swapped in.
  virtual void drop_target(Segment& target) = 0;
  /// `cleaned_to`: where the next cleaning begins; kNoOffset leaves it as it was.
  virtual void end_cleaning(Offset cleaned_to) = 0;
};

}  // namespace barnabas::log
