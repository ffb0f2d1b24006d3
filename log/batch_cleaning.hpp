// BatchCleaner: what compaction leaves of one entry of a log.
//
// Owned by a cleaning. Thread-compatible, does no I/O. A record stays when it is the last of its key in the
// map, and as a tombstone until its batch's delete horizon; the first cleaning that keeps tombstones, or
// finds a marker whose transaction is gone, sets that horizon (KIP-534). A batch keeps base offset, last
// offset and sequences, and one that is its producer's last, or the last of the round, stays as an empty
// header. Entries of which nothing goes are copied byte for byte. An uncompressed batch whose remaining
// records do not stand in the order of their offsets cannot be written anew: it is kept whole or goes whole.
// Errors: kCorruptMessage for a wrong checksum, those of reading records. Source: KIP-98, KIP-534; measured
// on Kafka 4.3.1.
#pragma once

#include <unordered_map>
#include <vector>

#include "log/cleanable_log.hpp"
#include "log/cleaned_transactions.hpp"
#include "log/offset_map.hpp"
#include "log/segment_scan.hpp"
#include "protocol/compression.hpp"
#include "protocol/records.hpp"

namespace barnabas::log {

/// What holds for a whole round of cleaning.
struct CleaningRound {
  std::int64_t now_ms = 0;
  std::int64_t delete_retention_ms = 0;
  Offset upper_bound;  // first offset above what is cleaned
};

/// What holds for the segment that is read.
struct CleanedSource {
  const LastRecords& last_records;
  /// Of magic 0 and 1, which know no delete horizon.
  bool keeps_legacy_tombstones = true;
};

struct CleaningCounts {
  std::uint64_t records_read = 0;
  std::uint64_t records_kept = 0;
  std::uint64_t keyless_records = 0;  // dropped: they have no business in a compacted log
};

class BatchCleaner {
 public:
  BatchCleaner(const OffsetMap& map, const CleaningRound& round) : map_(map), round_(round) {}

  /// Appends what stays of `entry` to `into`. Entries come in the order of the log.
  Result<void> clean(const protocol::LogEntry& entry, const CleanedSource& source, Bytes& into);
  [[nodiscard]] CleanedTransactions& transactions() { return transactions_; }
  [[nodiscard]] const CleaningCounts& counts() const { return counts_; }

 private:
  /// What decides about a record; its key's slot of the map is on its way.
  struct Candidate {
    Offset offset;
    bool has_key = false;
    bool has_value = false;
    KeyDigest key;  // where the map is asked
  };
  /// Which records stay, and what that takes.
  struct Verdict {
    std::vector<bool> stays;  // by record
    std::size_t kept = 0;
    bool keeps_tombstone = false;
    bool in_order = true;  // offsets grow and are the batch's
    [[nodiscard]] bool keeps_all() const { return kept == stays.size(); }
  };

  Result<void> clean_batch(const protocol::RecordBatchView& batch, const CleanedSource& source, Bytes& into);
  Result<void> clean_legacy(const protocol::LogEntry& entry, const CleanedSource& source, Bytes& into);
  [[nodiscard]] bool is_kept_empty(const protocol::RecordBatchView& batch, const LastRecords& last) const;
  [[nodiscard]] Candidate candidate(const protocol::RecordView& record) const;
  [[nodiscard]] bool stays(const Candidate& record, bool keeps_tombstones);
  Result<Verdict> judge(const protocol::RecordBatchView& batch);
  Result<void> rebuild(const protocol::RecordBatchView& batch, const Verdict& verdict,
                       std::optional<std::int64_t> delete_horizon_ms, Bytes& into);

  const OffsetMap& map_;
  CleaningRound round_;
  CleanedTransactions transactions_;
  CleaningCounts counts_;
  protocol::RecordScratch scratch_;
  protocol::Compressor compressor_;
};

}  // namespace barnabas::log
