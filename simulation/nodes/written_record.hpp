// What the records of a simulated producer look like on the wire. Pure functions.
#pragma once

#include <functional>
#include <optional>

#include "protocol/record_batch_builder.hpp"
#include "simulation/nodes/cluster_checks.hpp"

namespace barnabas::simulation {

/// `padding` bytes follow the numbers.
[[nodiscard]] Bytes encode(const WrittenRecord& record, std::size_t padding);
[[nodiscard]] WrittenRecord decode(const protocol::RecordView& record);

/// A record as it lies in the log, with the batch that it is in.
struct LoggedRecord {
  Offset offset;
  const protocol::RecordBatchView& batch;
  const protocol::RecordView& record;

  /// Of a transaction's end: committed; nothing for another record.
  [[nodiscard]] std::optional<bool> marker() const;
  [[nodiscard]] WrittenRecord written() const;
};

/// Every record of the batches from `from` on, in their order; the number of the offset behind the last
/// batch, or what is wrong with the bytes. A last batch that is cut is left out.
[[nodiscard]] Result<Offset> for_each_record(ByteView batches, Offset from,
                                             const std::function<void(const LoggedRecord&)>& call);

}  // namespace barnabas::simulation
