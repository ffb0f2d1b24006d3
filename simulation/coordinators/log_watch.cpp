#include "simulation/coordinators/log_watch.hpp"

#include "base/crc32c.hpp"
#include "broker/coordinator/group_records.hpp"
#include "broker/drivers/internal_topics.hpp"

namespace barnabas::simulation {

void LogWatch::saw(const TopicPartition& partition, const LoggedRecord& record) {
  Offset& next = seen_[partition];
  if (record.offset < next) return;
  next = record.offset + 1;
  if (partition.topic == output_) return saw_output(partition, record);
  if (partition.topic == broker::kGroupTopic) saw_offsets(partition.partition.value(), record);
}

void LogWatch::saw_output(const TopicPartition& partition, const LoggedRecord& record) {
  const ProducerId producer = record.batch.producer_id();
  if (const auto committed = record.marker())
    checks_.transactions.marker(partition, record.offset, producer, *committed);
  else
    checks_.transactions.record(partition, record.offset, producer, record.written());
}

void LogWatch::saw_offsets(std::int32_t log, const LoggedRecord& record) {
  const ProducerId producer = record.batch.producer_id();
  if (const auto committed = record.marker()) return checks_.groups.marker(log, producer, *committed);
  if (!record.record.key || !record.record.value) return;
  const auto key = broker::parse_group_record_key(*record.record.key);
  if (!key || key->offset.partition < 0) return;
  const auto value = broker::parse_offset_value(*record.record.value);
  if (!value) return;
  const GroupPartition partition{key->offset.group,
                                 {key->offset.topic, PartitionIndex(key->offset.partition)}};
  if (record.batch.is_transactional())
    checks_.groups.transactional_offset_record(log, producer, partition, Offset(value->offset));
  else
    checks_.groups.offset_record(log, partition, Offset(value->offset));
}

WrittenRecord LogWatch::digest_of(const LoggedRecord& record) {
  const auto sum = [](const std::optional<ByteView>& bytes) {
    return bytes ? static_cast<std::int64_t>(crc32c(*bytes)) : 0;
  };
  return {-1, sum(record.record.key) * 31 + sum(record.record.value)};
}

}  // namespace barnabas::simulation
