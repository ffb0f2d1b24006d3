#include "tools/commands/message_formatter.hpp"

#include <fmt/format.h>

#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kPackage = "org.apache.kafka.tools.consumer.";

void read_flag(const Properties& properties, const char* key, bool& to) {
  const auto found = properties.find(key);
  if (found == properties.end()) return;
  std::string value = found->second;
  value.erase(0, value.find_first_not_of(' '));
  value.erase(value.find_last_not_of(' ') + 1);
  for (char& letter : value) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  to = value == "true";
}

Deserializer read_deserializer(const Properties& properties, const char* key) {
  const std::string name = text_property(properties, key, "");
  if (name.empty()) return nullptr;
  const Deserializer found = find_deserializer(name);
  if (found == nullptr) {
    tool_error("org.apache.kafka.tools.consumer.DefaultMessageFormatter",
               "Unable to instantiate a deserializer from {}", name);
    fmt::print(stderr, "java.lang.ClassNotFoundException: {}\n", name);
  }
  return found;
}

std::string timestamp_text(const ConsumedRecord& consumed) {
  if (consumed.record.timestamp == protocol::kNoTimestamp) return "NO_TIMESTAMP";
  return fmt::format(
      "{}:{}",
      consumed.timestamp_type == protocol::TimestampType::kCreateTime ? "CreateTime" : "LogAppendTime",
      consumed.record.timestamp);
}

class NoOpMessageFormatter final : public MessageFormatter {
 public:
  Result<void> format(const ConsumedRecord&, std::string&) override { return {}; }
};

}  // namespace

std::unique_ptr<MessageFormatter> make_formatter(std::string_view class_name, const Properties& properties) {
  if (!class_name.starts_with(kPackage)) return nullptr;
  const std::string_view name = class_name.substr(kPackage.size());
  // What the logging one adds is below the level that the tools log at.
  if (name == "DefaultMessageFormatter" || name == "LoggingMessageFormatter") {
    return std::make_unique<DefaultMessageFormatter>(properties);
  }
  if (name == "NoOpMessageFormatter") return std::make_unique<NoOpMessageFormatter>();
  return make_internal_formatter(name);
}

DefaultMessageFormatter::DefaultMessageFormatter(const Properties& properties) {
  read_flag(properties, "print.timestamp", print_timestamp_);
  read_flag(properties, "print.key", print_key_);
  read_flag(properties, "print.offset", print_offset_);
  read_flag(properties, "print.epoch", print_epoch_);
  read_flag(properties, "print.partition", print_partition_);
  read_flag(properties, "print.headers", print_headers_);
  read_flag(properties, "print.value", print_value_);
  read_flag(properties, "print.delivery", print_delivery_);
  key_separator_ = text_property(properties, "key.separator", key_separator_);
  line_separator_ = text_property(properties, "line.separator", line_separator_);
  headers_separator_ = text_property(properties, "headers.separator", headers_separator_);
  null_literal_ = text_property(properties, "null.literal", null_literal_);
  key_deserializer_ = read_deserializer(properties, "key.deserializer");
  value_deserializer_ = read_deserializer(properties, "value.deserializer");
  headers_deserializer_ = read_deserializer(properties, "headers.deserializer");
}

Result<void> DefaultMessageFormatter::format(const ConsumedRecord& consumed, std::string& to) {
  const std::size_t begin = to.size();
  const Result<void> done = put(consumed, to);
  if (!done) to.resize(begin);
  return done;
}

Result<void> DefaultMessageFormatter::put(const ConsumedRecord& consumed, std::string& to) const {
  bool is_first = true;
  const auto separate = [&] {
    if (!std::exchange(is_first, false)) to += key_separator_;
  };
  if (print_timestamp_) {
    separate();
    to += timestamp_text(consumed);
  }
  if (print_partition_) {
    separate();
    to += "Partition:" + std::to_string(consumed.partition.partition.value());
  }
  if (print_offset_) {
    separate();
    to += "Offset:" + std::to_string(consumed.record.offset.value());
  }
  if (print_delivery_) {
    separate();
    to += "Delivery:NOT_PRESENT";
  }
  if (print_epoch_) {
    // Kafka's tool loses it on the way.
    separate();
    to += "Epoch:NOT_PRESENT";
  }
  if (print_headers_) {
    separate();
    TRY(put_headers(consumed.record.headers, to));
  }
  if (print_key_) {
    separate();
    TRY(put_field(consumed.record.key, key_deserializer_, to));
  }
  if (print_value_) {
    separate();
    TRY(put_field(consumed.record.value, value_deserializer_, to));
  }
  to += line_separator_;
  return {};
}

Result<void> DefaultMessageFormatter::put_headers(const protocol::RecordHeaders& headers,
                                                  std::string& to) const {
  if (headers.empty()) {
    to += "NO_HEADERS";
    return {};
  }
  bool is_first = true;
  for (const protocol::RecordHeader& header : headers) {
    if (!std::exchange(is_first, false)) to += headers_separator_;
    to += header.key;
    to += ':';
    TRY(put_field(header.value, headers_deserializer_, to));
  }
  return {};
}

/// A null is its literal, which a deserializer then reads like any other bytes.
Result<void> DefaultMessageFormatter::put_field(const std::optional<ByteView>& field,
                                                Deserializer deserializer, std::string& to) const {
  const ByteView bytes = field.value_or(as_bytes(null_literal_));
  if (deserializer != nullptr) return deserializer(bytes, to);
  to += as_text(bytes);
  return {};
}

}  // namespace barnabas::tools
