// What the records of a simulated producer look like on the wire. Pure functions.
#pragma once

#include <functional>

#include "protocol/record_batch_builder.hpp"
#include "simulation/cluster_checks.hpp"

namespace barnabas::simulation {

/// `padding` bytes follow the numbers.
[[nodiscard]] Bytes encode(const WrittenRecord& record, std::size_t padding);
[[nodiscard]] WrittenRecord decode(const protocol::RecordView& record);

/// Every record of the batches from `from` on, in their order; the number of the offset behind the last
/// batch, or what is wrong with the bytes. A last batch that is cut is left out.
[[nodiscard]] Result<Offset> for_each_record(ByteView batches, Offset from,
                                             const std::function<void(Offset, const WrittenRecord&)>& call);

}  // namespace barnabas::simulation
