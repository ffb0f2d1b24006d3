#include "simulation/nodes/written_record.hpp"

#include <cstring>

#include "protocol/control_record.hpp"

namespace barnabas::simulation {

namespace {
constexpr std::size_t kNumbersBytes = 16;
}

Bytes encode(const WrittenRecord& record, std::size_t padding) {
  Bytes value(kNumbersBytes + padding, 'x');
  protocol::store_big_endian(value.data(), record.producer);
  protocol::store_big_endian(value.data() + 8, record.number);
  return value;
}

WrittenRecord decode(const protocol::RecordView& record) {
  if (!record.value || record.value->size() < kNumbersBytes) return {};
  return {protocol::load_big_endian<std::int64_t>(record.value->data()),
          protocol::load_big_endian<std::int64_t>(record.value->data() + 8)};
}

std::optional<bool> LoggedRecord::marker() const {
  if (!batch.is_control()) return std::nullopt;
  const auto key = protocol::parse_control_key(record);
  if (!key || key->type > protocol::ControlType::kCommit) return std::nullopt;
  return key->type == protocol::ControlType::kCommit;
}

/// Markers of both kinds are told apart, and all else that is nobody's has the same number.
WrittenRecord LoggedRecord::written() const {
  if (const auto committed = marker()) return {-1, *committed ? 1 : 0};
  return batch.is_control() ? WrittenRecord{} : decode(record);
}

Result<Offset> for_each_record(ByteView batches, Offset from,
                               const std::function<void(const LoggedRecord&)>& call) {
  protocol::RecordScratch scratch;
  protocol::BatchCursor cursor(batches);
  Offset end = from;
  while (true) {
    const auto entry = TRY(cursor.next());
    if (!entry) return end;
    const protocol::RecordBatchView batch = entry->batch();
    TRY(batch.check_crc());
    protocol::RecordCursor records(batch, scratch);
    protocol::RecordView record;
    while (TRY(records.next(record)))
      if (record.offset >= from) call({record.offset, batch, record});
    end = batch.next_offset();
  }
}

}  // namespace barnabas::simulation
