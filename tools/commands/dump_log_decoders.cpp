// kafka-dump-log's decoders: what keys and values are taken for.
#include <fmt/format.h>

#include "protocol/json/message_json.hpp"
#include "tools/commands/dump_log.hpp"
#include "tools/records/record_json.hpp"

namespace barnabas::tools {
namespace {

using protocol::RecordView;

/// What the members of a consumer group keep as bytes of their own protocol, as far as it can be read.
void open_member_field(boost::json::object& member, const char* field, const std::string& message_name) {
  Bytes bytes;
  if (!protocol::parse_base64(std::string_view(member[field].as_string()), bytes)) return;
  const auto opened = parse_coordinator_value(message_name, bytes);
  if (opened) member[field] = opened->data;
}

void open_members(boost::json::object& group) {
  const auto* type = group["protocolType"].if_string();
  if (type == nullptr || *type != "consumer") return;
  for (auto& member : group["members"].as_array()) {
    open_member_field(member.as_object(), "subscription", "ConsumerProtocolSubscription");
    open_member_field(member.as_object(), "assignment", "ConsumerProtocolAssignment");
  }
}

class CoordinatorPrinter final : public RecordPrinter {
 public:
  explicit CoordinatorPrinter(CoordinatorTopic topic) : topic_(topic) {}

  Result<Text> text_of(const RecordView& record) override {
    if (!record.key)
      return fail(ErrorCode::kInvalidRecord,
                  fmt::format("Failed to decode message at offset {} using the specified "
                              "decoder (message had a missing key)",
                              record.offset.value()));
    const auto key = parse_coordinator_key(topic_, *record.key);
    if (!key)
      return Text{fmt::format("{} at offset {}, skipping.", key.error().detail, record.offset.value()),
                  std::nullopt};
    Text text;
    text.key = json_text(boost::json::object{{"type", std::to_string(key->type)}, {"data", key->data}});
    text.payload = record.value ? TRY(payload_of(*key, *record.value)) : "<DELETE>";
    return text;
  }

 private:
  static Result<std::string> payload_of(const CoordinatorKey& key, ByteView value) {
    auto message = TRY(parse_coordinator_value(key.message_name, value));
    if (key.message_name == "GroupMetadataValue") open_members(message.data.as_object());
    return json_text(
        boost::json::object{{"version", std::to_string(message.version)}, {"data", message.data}});
  }

  CoordinatorTopic topic_;
};

class FramedPrinter final : public RecordPrinter {
 public:
  explicit FramedPrinter(FramedTopic topic) : topic_(topic) {}

  Result<Text> text_of(const RecordView& record) override {
    const auto json = framed_record_json(topic_, record.value.value_or(ByteView{}));
    if (json) return Text{std::nullopt, json_text(*json)};
    return Text{std::nullopt,
                fmt::format("Error at {}{}, skipping. {}", topic_ == FramedTopic::kMetadata ? "" : "offset ",
                            record.offset.value(), json.error().detail)};
  }

 private:
  FramedTopic topic_;
};

using Decode = Result<std::string> (*)(ByteView);

Result<std::string> decode_text(ByteView bytes) {
  return std::string(as_text(bytes));
}

template <class Number>
Result<std::string> decode_number(ByteView bytes) {
  if (bytes.size() < sizeof(Number))
    return fail(ErrorCode::kInvalidRecord,
                fmt::format("a number of {} bytes in {} bytes", sizeof(Number), bytes.size()));
  return std::to_string(protocol::load_big_endian<Number>(bytes.data()));
}

Result<Decode> decoder_of(const std::string& class_name) {
  std::string_view name = class_name;
  for (const std::string_view package : {"org.apache.kafka.tools.api.", "kafka.serializer."})
    if (name.starts_with(package)) name.remove_prefix(package.size());
  if (name == "StringDecoder" || name == "DefaultDecoder") return decode_text;
  if (name == "IntegerDecoder") return decode_number<std::int32_t>;
  if (name == "LongDecoder") return decode_number<std::int64_t>;
  return fail(
      ErrorCode::kInvalidRequest,
      fmt::format(
          "Failed to load decoder class {}: there are StringDecoder, DefaultDecoder, IntegerDecoder and "
          "LongDecoder of org.apache.kafka.tools.api",
          class_name));
}

class PlainPrinter final : public RecordPrinter {
 public:
  PlainPrinter(Decode key, Decode value) : key_(key), value_(value) {}

  Result<Text> text_of(const RecordView& record) override {
    Text text;
    if (record.key) text.key = TRY(key_(*record.key));
    if (record.value) text.payload = TRY(value_(*record.value));
    return text;
  }

 private:
  Decode key_;
  Decode value_;
};

}  // namespace

std::unique_ptr<RecordPrinter> make_printer(Decoder decoder) {
  switch (decoder) {
    case Decoder::kGroup:
      return std::make_unique<CoordinatorPrinter>(CoordinatorTopic::kGroup);
    case Decoder::kTransaction:
      return std::make_unique<CoordinatorPrinter>(CoordinatorTopic::kTransaction);
    case Decoder::kShare:
      return std::make_unique<CoordinatorPrinter>(CoordinatorTopic::kShare);
    case Decoder::kMetadata:
      return std::make_unique<FramedPrinter>(FramedTopic::kMetadata);
    case Decoder::kRemoteLog:
      break;
  }
  return std::make_unique<FramedPrinter>(FramedTopic::kRemoteLog);
}

Result<std::unique_ptr<RecordPrinter>> make_printer(const std::string& key_class,
                                                    const std::string& value_class) {
  return std::make_unique<PlainPrinter>(TRY(decoder_of(key_class)), TRY(decoder_of(value_class)));
}

}  // namespace barnabas::tools
