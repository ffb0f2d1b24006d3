#include "kraft/metadata_batch.hpp"

#include <fmt/core.h>

#include "protocol/control_record.hpp"
#include "protocol/messages/data_kraft_version_record.hpp"
#include "protocol/messages/data_leader_change_message.hpp"
#include "protocol/messages/data_snapshot_footer_record.hpp"
#include "protocol/messages/data_snapshot_header_record.hpp"
#include "protocol/messages/data_voters_record.hpp"
#include "protocol/reader.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/writer.hpp"

namespace barnabas::kraft {

using protocol::ControlType;

namespace {

protocol::BatchOptions options_for(const BatchPlace& place, bool control) {
  protocol::BatchOptions options;
  options.base_offset = place.base_offset;
  options.leader_epoch = place.epoch;
  options.is_control = control;
  return options;
}

struct EncodedControl {
  ControlType type;
  Bytes value;
};
template <class Message>
EncodedControl encoded(ControlType type, const Message& message) {
  protocol::Writer writer;
  message.write(writer, 0);  // 4.3.1 writes version 0 of all of them
  return {type, writer.take()};
}

EncodedControl encode_control(const LeaderChangeControl& control) {
  protocol::LeaderChangeMessage message;
  message.leader_id = control.leader.value();
  for (BrokerId id : control.voters) message.voters.emplace_back().voter_id = id.value();
  for (BrokerId id : control.granting_voters) message.granting_voters.emplace_back().voter_id = id.value();
  return encoded(ControlType::kLeaderChange, message);
}
EncodedControl encode_control(const KraftVersionControl& control) {
  protocol::KRaftVersionRecord message;
  message.kraft_version = control.version;
  return encoded(ControlType::kKRaftVersion, message);
}
EncodedControl encode_control(const VotersControl& control) {
  protocol::VotersRecord message;
  for (const Voter& voter : control.voters.voters) {
    auto& to = message.voters.emplace_back();
    to.voter_id = voter.key.id.value();
    to.voter_directory_id = voter.key.directory.value();
    for (const VoterEndpoint& endpoint : voter.endpoints) {
      auto& at = to.endpoints.emplace_back();
      at.name = endpoint.listener;
      at.host = endpoint.endpoint.host;
      at.port = endpoint.endpoint.port;
    }
    to.kraft_version_feature.min_supported_version = voter.min_kraft_version;
    to.kraft_version_feature.max_supported_version = voter.max_kraft_version;
  }
  return encoded(ControlType::kKRaftVoters, message);
}
EncodedControl encode_control(const SnapshotHeaderControl& control) {
  protocol::SnapshotHeaderRecord message;
  message.last_contained_log_timestamp = control.last_contained_timestamp_ms;
  return encoded(ControlType::kSnapshotHeader, message);
}
EncodedControl encode_control(const SnapshotFooterControl&) {
  return encoded(ControlType::kSnapshotFooter, protocol::SnapshotFooterRecord());
}

template <class Message>
Result<Message> read_control(ByteView value) {
  protocol::Reader reader(value);
  Message message;
  message.read(reader, 0);
  if (!reader.ok())
    return fail(ErrorCode::kCorruptMessage, fmt::format("{}: {}", Message::kName, reader.failure()));
  return message;
}

Result<ControlValue> decode_leader_change(ByteView value) {
  const auto message = TRY(read_control<protocol::LeaderChangeMessage>(value));
  LeaderChangeControl control;
  control.leader = BrokerId(message.leader_id);
  for (const auto& voter : message.voters) control.voters.emplace_back(voter.voter_id);
  for (const auto& voter : message.granting_voters) control.granting_voters.emplace_back(voter.voter_id);
  return control;
}
Result<ControlValue> decode_voters(ByteView value) {
  const auto message = TRY(read_control<protocol::VotersRecord>(value));
  VotersControl control;
  for (const auto& from : message.voters) {
    Voter& voter = control.voters.voters.emplace_back();
    voter.key = {BrokerId(from.voter_id), DirectoryId(from.voter_directory_id)};
    for (const auto& at : from.endpoints) voter.endpoints.push_back({at.name, {at.host, at.port}});
    voter.min_kraft_version = from.kraft_version_feature.min_supported_version;
    voter.max_kraft_version = from.kraft_version_feature.max_supported_version;
  }
  return control;
}

/// Nothing for types that this software does not know.
Result<std::optional<ControlValue>> decode_control(ControlType type, ByteView value) {
  switch (type) {
    case ControlType::kLeaderChange: {
      // Version 1 only adds fields at the end of its voters; nobody here reads them.
      if (value.size() >= 2 && value[1] != 0) return std::nullopt;
      return TRY(decode_leader_change(value));
    }
    case ControlType::kKRaftVersion:
      return KraftVersionControl{TRY(read_control<protocol::KRaftVersionRecord>(value)).kraft_version};
    case ControlType::kKRaftVoters:
      return TRY(decode_voters(value));
    case ControlType::kSnapshotHeader: {
      const auto message = TRY(read_control<protocol::SnapshotHeaderRecord>(value));
      return SnapshotHeaderControl{message.last_contained_log_timestamp};
    }
    case ControlType::kSnapshotFooter:
      return SnapshotFooterControl{};
    default:
      return std::nullopt;
  }
}

Result<void> visit_record(const protocol::RecordBatchView& batch, const protocol::RecordView& record,
                          const LogVisitor& visitor) {
  const LogRecordView view{record.offset, batch.leader_epoch(), record.timestamp,
                           record.value.value_or(ByteView())};
  if (!batch.is_control()) {
    if (!record.value)
      return fail(ErrorCode::kCorruptMessage,
                  fmt::format("metadata record at offset {} has no value", record.offset.value()));
    return visitor.data(view);
  }
  const protocol::ControlKey key = TRY(protocol::parse_control_key(record));
  const auto control = TRY(decode_control(key.type, view.value));
  if (control && visitor.control) return visitor.control(view, *control);
  return {};
}

}  // namespace

Bytes make_data_batch(const BatchPlace& place, std::span<const Bytes> values) {
  protocol::RecordBatchBuilder builder(options_for(place, false));
  for (const Bytes& value : values) {
    protocol::RecordInput record;
    record.timestamp = place.timestamp_ms;
    record.value = ByteView(value);
    builder.append(record);
  }
  return builder.build();
}

Bytes make_control_batch(const BatchPlace& place, std::span<const ControlValue> records) {
  protocol::RecordBatchBuilder builder(options_for(place, true));
  for (const ControlValue& control : records) {
    const EncodedControl bytes = std::visit([](const auto& c) { return encode_control(c); }, control);
    const auto key = protocol::encode_control_key(bytes.type);
    protocol::RecordInput record;
    record.timestamp = place.timestamp_ms;
    record.key = ByteView(key);
    record.value = ByteView(bytes.value);
    builder.append(record);
  }
  return builder.build();
}

ControlValue to_control_value(const RaftControlRecord& record) {
  return std::visit([](const auto& control) -> ControlValue { return control; }, record);
}

Result<Offset> visit_batches(ByteView batches, Offset from, const LogVisitor& visitor) {
  protocol::BatchCursor cursor(batches);
  protocol::RecordScratch scratch;
  Offset next = from;
  while (true) {
    const auto entry = TRY(cursor.next());
    if (!entry) return next;
    if (entry->is_legacy()) return fail(ErrorCode::kCorruptMessage, "a metadata batch of an old format");
    const protocol::RecordBatchView batch = entry->batch();
    TRY(batch.check_crc());
    protocol::RecordCursor records(batch, scratch);
    protocol::RecordView record;
    while (TRY(records.next(record)))
      if (record.offset >= from) TRY(visit_record(batch, record, visitor));
    next = std::max(next, batch.next_offset());
  }
}

}  // namespace barnabas::kraft
