#include "tools/records/record_json.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cctype>
#include <cmath>

#include "protocol/json/message_json.hpp"
#include "protocol/message_registry.hpp"
#include "protocol/reader.hpp"

namespace barnabas::tools {
namespace {

using protocol::MessageKind;

CoordinatorTopic topic_of(std::string_view message_name) {
  if (message_name.starts_with("TransactionLog")) return CoordinatorTopic::kTransaction;
  if (message_name.starts_with("ShareSnapshot") || message_name.starts_with("ShareUpdate"))
    return CoordinatorTopic::kShare;
  return CoordinatorTopic::kGroup;
}

bool is_remote(std::string_view message_name) {
  return message_name.starts_with("Remote");
}

template <class Fits>
const protocol::MessageType* find_message(MessageKind kind, std::int64_t key, Fits fits) {
  const auto all = protocol::all_messages();
  const auto found = std::ranges::find_if(all, [&](const auto& message) {
    return message.kind == kind && message.key == key && fits(message.name);
  });
  return found == all.end() ? nullptr : &*found;
}

/// Offsets were first kept under the key type 0, in the same form.
const protocol::MessageType* find_coordinator_message(MessageKind kind, CoordinatorTopic topic,
                                                      std::int16_t type) {
  return find_message(kind, type, [topic](std::string_view name) { return topic_of(name) == topic; });
}

/// Without what stands behind the message; all of it where it does not parse.
ByteView message_part(const protocol::MessageType& type, std::int16_t version, ByteView bytes) {
  const protocol::Recoded recoded = type.recode(version, bytes);
  return recoded.decoded ? bytes.first(recoded.consumed) : bytes;
}

/// "FEATURE_LEVEL_RECORD" of "FeatureLevelRecord".
std::string type_name(std::string_view message_name) {
  std::string name;
  for (const char c : message_name) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !name.empty()) name += '_';
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return name;
}

/// Decimals between a thousandth and ten millions, else an exponent; always with a fraction.
std::string java_double(double number) {
  const double size = std::abs(number);
  if (number == 0 || (size >= 1e-3 && size < 1e7)) {
    std::string text = fmt::format("{}", number);
    return text.find('.') == std::string::npos ? text + ".0" : text;
  }
  if (!std::isfinite(number)) return std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity";
  std::string digits;
  // The shortest digits that read back as the number, one before the point.
  for (int precision = 1; precision <= 17; ++precision) {
    digits = fmt::format("{:.{}e}", number, precision);
    if (std::stod(digits) == number) break;
  }
  const auto e = digits.find('e');
  return fmt::format("{}E{}", digits.substr(0, e), std::stoi(digits.substr(e + 1)));
}

void write_json(const boost::json::value& value, std::string& to) {
  const auto write_all = [&to](const auto& elements, const auto& write_one) {
    const char* separator = "";
    for (const auto& element : elements) {
      to += separator;
      separator = ",";
      write_one(element);
    }
  };
  if (const auto* object = value.if_object()) {
    to += '{';
    write_all(*object, [&to](const auto& member) {
      to += boost::json::serialize(boost::json::string(member.key())) + ':';
      write_json(member.value(), to);
    });
    to += '}';
  } else if (const auto* array = value.if_array()) {
    to += '[';
    write_all(*array, [&to](const auto& element) { write_json(element, to); });
    to += ']';
  } else if (const auto* number = value.if_double()) {
    to += java_double(*number);
  } else {
    to += boost::json::serialize(value);
  }
}

}  // namespace

std::string json_text(const boost::json::value& value) {
  std::string text;
  write_json(value, text);
  return text;
}

Result<boost::json::value> message_json(const std::string& message_name, std::int16_t version,
                                        ByteView bytes) {
  const auto* type = protocol::find_message(message_name);
  if (type == nullptr || version < type->min_version || version > type->max_version)
    return fail(ErrorCode::kInvalidRecord, fmt::format("{} has no version {}", message_name, version));
  protocol::JsonContext context;
  auto json = protocol::find_message_json(message_name)->to_json(context, version, bytes);
  if (!context.ok()) return fail(ErrorCode::kInvalidRecord, context.failure());
  return json;
}

bool is_coordinator_type(CoordinatorTopic topic, std::int16_t type) {
  return find_coordinator_message(MessageKind::kCoordinatorKey, topic, type) != nullptr &&
         find_coordinator_message(MessageKind::kCoordinatorValue, topic, type) != nullptr;
}

Result<CoordinatorKey> parse_coordinator_key(CoordinatorTopic topic, ByteView key) {
  protocol::Reader reader(key);
  CoordinatorKey parsed;
  parsed.type = reader.int16();
  if (!reader.ok() || !is_coordinator_type(topic, parsed.type))
    return fail(ErrorCode::kInvalidRecord, fmt::format("Unknown record type {}", parsed.type));
  parsed.message_name = find_coordinator_message(MessageKind::kCoordinatorValue, topic, parsed.type)->name;
  const auto* type = find_coordinator_message(MessageKind::kCoordinatorKey, topic, parsed.type);
  parsed.data = TRY(message_json(type->name, 0, message_part(*type, 0, reader.rest())));
  return parsed;
}

Result<VersionedMessage> parse_coordinator_value(const std::string& message_name, ByteView value) {
  protocol::Reader reader(value);
  VersionedMessage parsed;
  parsed.version = reader.int16();
  if (!reader.ok()) return fail(ErrorCode::kInvalidRecord, "a value without version");
  const auto* type = protocol::find_message(message_name);
  const bool is_known =
      type != nullptr && parsed.version >= type->min_version && parsed.version <= type->max_version;
  const ByteView message = is_known ? message_part(*type, parsed.version, reader.rest()) : reader.rest();
  parsed.data = TRY(message_json(message_name, parsed.version, message));
  return parsed;
}

Result<boost::json::object> framed_record_json(FramedTopic topic, ByteView value) {
  constexpr std::uint32_t kFrameVersion = 1;
  protocol::Reader reader(value);
  const std::uint32_t frame_version = reader.uvarint();
  const std::uint32_t key = reader.uvarint();
  const auto version = static_cast<std::int16_t>(reader.uvarint());
  const auto fits = [topic](std::string_view name) {
    return is_remote(name) == (topic == FramedTopic::kRemoteLog);
  };
  const auto* type = find_message(MessageKind::kMetadata, key, fits);
  if (!reader.ok() || frame_version != kFrameVersion || type == nullptr)
    return fail(ErrorCode::kInvalidRecord, fmt::format("Unknown metadata id {}", key));
  boost::json::object record;
  record["type"] = type_name(type->name);
  record["version"] = version;
  record["data"] = TRY(message_json(type->name, version, reader.rest()));
  return record;
}

}  // namespace barnabas::tools
