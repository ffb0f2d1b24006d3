// For tests: a shard's log as the log cleaner leaves it.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "broker/coordinator/shard_fixture.hpp"
#include "protocol/control_record.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"

namespace barnabas::broker::testing {

/// Calls `take(batch, record)` for every record of the log, in order.
template <class Take>
void for_each_record(const MemoryShardLog& log, Take&& take) {
  protocol::RecordScratch scratch;
  for (const Bytes& bytes : log.batches()) {
    const protocol::RecordBatchView batch(bytes);
    protocol::RecordCursor records(batch, scratch);
    protocol::RecordView record;
    for (auto more = records.next(record); more.value(); more = records.next(record)) take(batch, record);
  }
}

/// What transactions have left in a log.
struct EndedTransactions {
  std::set<Offset> aborted;          // records
  std::optional<Offset> first_open;  // of the first transaction that goes on

  explicit EndedTransactions(const MemoryShardLog& log) {
    std::map<ProducerId, std::vector<Offset>> open;
    for_each_record(log, [&](const protocol::RecordBatchView& batch, const protocol::RecordView& record) {
      if (!batch.is_transactional()) return;
      if (!batch.is_control()) return open[batch.producer_id()].push_back(record.offset);
      const bool was_aborted =
          protocol::parse_control_key(record).value().type == protocol::ControlType::kAbort;
      const auto ended = open.extract(batch.producer_id());
      if (was_aborted && !ended.empty()) aborted.insert(ended.mapped().begin(), ended.mapped().end());
    });
    for (const auto& [producer, offsets] : open)
      first_open = std::min(first_open.value_or(offsets.front()), offsets.front());
  }
};

/// Below `to`, and below the first open transaction, each key has its last record only and what was aborted
/// is gone; so are tombstones, unless they are young enough to be kept. Markers stay.
inline std::shared_ptr<MemoryShardLog> compacted(const MemoryShardLog& log, Offset to,
                                                 bool keeps_tombstones) {
  const EndedTransactions transactions(log);
  to = std::min(to, transactions.first_open.value_or(to));
  std::map<Bytes, Offset> last;
  const auto is_of_interest = [&](const protocol::RecordBatchView& batch,
                                  const protocol::RecordView& record) {
    return record.offset < to && !batch.is_control() && !transactions.aborted.contains(record.offset);
  };
  for_each_record(log, [&](const protocol::RecordBatchView& batch, const protocol::RecordView& record) {
    if (is_of_interest(batch, record)) last[Bytes(record.key->begin(), record.key->end())] = record.offset;
  });
  std::vector<Bytes> batches;
  for_each_record(log, [&](const protocol::RecordBatchView& batch, const protocol::RecordView& record) {
    if (record.offset < to && !batch.is_control()) {
      if (!is_of_interest(batch, record)) return;
      if (last.at(Bytes(record.key->begin(), record.key->end())) != record.offset) return;
      if (!record.value && !keeps_tombstones) return;
    }
    protocol::BatchOptions options = protocol::options_of(batch);
    options.base_offset = record.offset;
    protocol::RecordBatchBuilder builder(options);
    builder.append_copy(record);
    batches.push_back(builder.build());
  });
  return std::make_shared<MemoryShardLog>(std::move(batches), log.end_offset());
}

}  // namespace barnabas::broker::testing
