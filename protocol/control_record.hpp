// Control records: what brokers write between a partition's records - the ends of transactions, and the
// metadata quorum's own marks.
//
// Values 2 to 6 are generated messages (LeaderChangeMessage, SnapshotHeaderRecord, ...): their bytes pass
// through here as they are. Pure functions, safe from any thread. Errors: kInvalidRecord for keys and values
// too short or of a negative version, as Kafka 4.3.1 answers. Source: KIP-98, KIP-595, KIP-630, KIP-853;
// EndTxnMarker schema.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::protocol {

enum class ControlType : std::int16_t {
  kAbort = 0,
  kCommit = 1,
  kLeaderChange = 2,
  kSnapshotHeader = 3,
  kSnapshotFooter = 4,
  kKRaftVersion = 5,
  kKRaftVoters = 6,
};

struct ControlKey {
  std::int16_t version = 0;
  /// May be a value without a name: readers pass over those.
  ControlType type = ControlType::kAbort;
};

[[nodiscard]] std::array<std::uint8_t, 4> encode_control_key(ControlType type);
Result<ControlKey> parse_control_key(ByteView key);
/// Of a control record; kInvalidRecord without key.
Result<ControlKey> parse_control_key(const RecordView& record);
[[nodiscard]] inline bool is_known(ControlType type) {
  return type >= ControlType::kAbort && type <= ControlType::kKRaftVoters;
}

/// The value of kAbort and kCommit.
struct EndTxnMarker {
  std::int32_t coordinator_epoch = 0;
};
[[nodiscard]] std::array<std::uint8_t, 6> encode_end_txn_marker(const EndTxnMarker& marker);
/// Longer values of later versions are fine.
Result<EndTxnMarker> parse_end_txn_marker(ByteView value);

struct ControlInput {
  ControlType type;
  ByteView value;
};
/// One control batch of these records at consecutive offsets. `options` say the rest; is_control is set here.
[[nodiscard]] Bytes make_control_batch(BatchOptions options, std::int64_t timestamp,
                                       std::initializer_list<ControlInput> records);
/// A transaction's marker as the coordinator has it written: transactional, without sequence, one record.
/// `type` is kAbort or kCommit; `options` carry offset, epoch and producer.
[[nodiscard]] Bytes make_end_txn_batch(BatchOptions options, std::int64_t timestamp, ControlType type,
                                       const EndTxnMarker& marker);

}  // namespace barnabas::protocol
