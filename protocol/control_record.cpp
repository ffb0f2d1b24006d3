#include "protocol/control_record.hpp"

#include <fmt/format.h>

namespace barnabas::protocol {
namespace {
constexpr std::size_t kKeyBytes = 4;
constexpr std::size_t kMarkerBytes = 6;
}  // namespace

std::array<std::uint8_t, 4> encode_control_key(ControlType type) {
  std::array<std::uint8_t, kKeyBytes> key{};
  store_big_endian(key.data() + 2, static_cast<std::int16_t>(type));
  return key;
}

Result<ControlKey> parse_control_key(ByteView key) {
  if (key.size() < kKeyBytes) {
    return fail(ErrorCode::kInvalidRecord,
                fmt::format("A control record's key of {} bytes is too short", key.size()));
  }
  ControlKey parsed{load_big_endian<std::int16_t>(key.data()),
                    static_cast<ControlType>(load_big_endian<std::int16_t>(key.data() + 2))};
  if (parsed.version < 0) {
    return fail(ErrorCode::kInvalidRecord,
                fmt::format("A control record's key has version {}", parsed.version));
  }
  return parsed;
}

Result<ControlKey> parse_control_key(const RecordView& record) {
  if (!record.key) return fail(ErrorCode::kInvalidRecord, "A control record has no key");
  return parse_control_key(*record.key);
}

std::array<std::uint8_t, 6> encode_end_txn_marker(const EndTxnMarker& marker) {
  std::array<std::uint8_t, kMarkerBytes> value{};
  store_big_endian(value.data() + 2, marker.coordinator_epoch);
  return value;
}

Result<EndTxnMarker> parse_end_txn_marker(ByteView value) {
  if (value.size() < kMarkerBytes) {
    return fail(ErrorCode::kInvalidRecord, fmt::format("A transaction marker of {} bytes is shorter than {}",
                                                       value.size(), kMarkerBytes));
  }
  if (auto version = load_big_endian<std::int16_t>(value.data()); version < 0) {
    return fail(ErrorCode::kInvalidRecord, fmt::format("A transaction marker has version {}", version));
  }
  return EndTxnMarker{load_big_endian<std::int32_t>(value.data() + 2)};
}

Bytes make_control_batch(BatchOptions options, std::int64_t timestamp,
                         std::initializer_list<ControlInput> records) {
  options.is_control = true;
  RecordBatchBuilder builder(options);
  for (const ControlInput& record : records) {
    auto key = encode_control_key(record.type);
    builder.append({.timestamp = timestamp, .key = key, .value = record.value, .headers = {}});
  }
  return builder.build();
}

Bytes make_end_txn_batch(BatchOptions options, std::int64_t timestamp, ControlType type,
                         const EndTxnMarker& marker) {
  options.is_transactional = true;
  options.base_sequence = kNoSequence;
  auto value = encode_end_txn_marker(marker);
  return make_control_batch(options, timestamp, {{type, value}});
}

}  // namespace barnabas::protocol
