// Batches of the metadata log and of snapshots: building and walking them.
//
// Free functions; thread safety: none needed. Batches are magic 2, uncompressed, without producer; values are
// framed metadata records (metadata_record.hpp), control batches carry raft's own records.
// Errors: CORRUPT_MESSAGE for bytes that are not such batches.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

struct BatchPlace {
  Offset base_offset;
  LeaderEpoch epoch;
  std::int64_t timestamp_ms = -1;
};
[[nodiscard]] Bytes make_data_batch(const BatchPlace& place, std::span<const Bytes> values);

/// The marks that open and close a snapshot.
struct SnapshotHeaderControl {
  std::int64_t last_contained_timestamp_ms = 0;
};
struct SnapshotFooterControl {};
using ControlValue = std::variant<LeaderChangeControl, KraftVersionControl, VotersControl,
                                  SnapshotHeaderControl, SnapshotFooterControl>;
[[nodiscard]] Bytes make_control_batch(const BatchPlace& place, std::span<const ControlValue> records);
[[nodiscard]] ControlValue to_control_value(const RaftControlRecord& record);

/// One record as it lies; `value` is valid during the visit.
struct LogRecordView {
  Offset offset;
  LeaderEpoch epoch;
  std::int64_t timestamp_ms = -1;
  ByteView value;
};
struct LogVisitor {
  std::function<Result<void>(const LogRecordView&)> data;
  /// Control records of types that are not known are passed over.
  std::function<Result<void>(const LogRecordView&, const ControlValue&)> control;
};
/// Visits the records of whole batches from offset `from` on, checking CRCs. Returns the offset after the
/// last whole batch (`from` when there is none).
Result<Offset> visit_batches(ByteView batches, Offset from, const LogVisitor& visitor);

}  // namespace barnabas::kraft
