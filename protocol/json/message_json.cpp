#include "protocol/json/message_json.hpp"

#include <algorithm>
#include <array>

#include "protocol/json/message_json_codec.hpp"

namespace barnabas::protocol {

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string wrong_type(const char* name, const char* expected) {
  return std::string(name) + ": expected " + expected;
}

}  // namespace

std::string base64(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) group = group << 8 | (j < count ? bytes[i + j] : 0U);
    for (std::size_t j = 0; j < 4; ++j) {
      text += j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
    }
  }
  return text;
}

bool parse_base64(std::string_view text, Bytes& to) {
  to.clear();
  if (text.size() % 4 != 0) return false;
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool pad = i >= text.size() - padding;
    std::size_t digit = pad ? 0 : kAlphabet.find(text[i]);
    if (digit == std::string_view::npos) return false;
    group = group << 6 | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(group >> shift));
  }
  to.resize(to.size() - padding);
  return true;
}

const MessageJson* find_message_json(std::string_view name) {
  std::span<const MessageJson> all = all_message_jsons();
  auto found =
      std::ranges::lower_bound(all, name, {}, [](const MessageJson& m) { return std::string_view(m.name); });
  return found != all.end() && name == found->name ? &*found : nullptr;
}

JsonValue json_of(std::int16_t, const std::string& x) {
  return boost::json::string(x);
}
JsonValue json_of(std::int16_t, const Uuid& x) {
  return boost::json::string(x.to_string());
}
JsonValue json_of(std::int16_t, const ByteView& x) {
  return boost::json::string(base64(x));
}
JsonValue json_of(std::int16_t v, const Records& x) {
  return json_of(v, x.bytes);
}

std::int64_t integer_of(JsonContext& context, const char* name, const JsonValue& from, std::int64_t low,
                        std::int64_t high) {
  boost::json::error_code error;
  auto value = from.to_number<std::int64_t>(error);
  if (error) {
    context.fail(wrong_type(name, "an integer"));
    return 0;
  }
  if (value < low || value > high) {
    context.fail(std::string(name) + ": " + std::to_string(value) + " is out of range");
    return 0;
  }
  return value;
}

void from_value(JsonContext& context, std::int16_t, const char* name, const JsonValue& from, bool& to) {
  if (!from.is_bool()) return context.fail(wrong_type(name, "a boolean"));
  to = from.get_bool();
}

void from_value(JsonContext& context, std::int16_t, const char* name, const JsonValue& from, double& to) {
  if (!from.is_number()) return context.fail(wrong_type(name, "a number"));
  to = from.to_number<double>();
}

void from_value(JsonContext& context, std::int16_t, const char* name, const JsonValue& from,
                std::string& to) {
  if (!from.is_string()) return context.fail(wrong_type(name, "a string"));
  to.assign(from.get_string().data(), from.get_string().size());
}

void from_value(JsonContext& context, std::int16_t, const char* name, const JsonValue& from, Uuid& to) {
  if (!from.is_string()) return context.fail(wrong_type(name, "a uuid"));
  std::optional<Uuid> parsed = Uuid::parse({from.get_string().data(), from.get_string().size()});
  if (!parsed) return context.fail(wrong_type(name, "a uuid"));
  to = *parsed;
}

void from_value(JsonContext& context, std::int16_t, const char* name, const JsonValue& from, ByteView& to) {
  Bytes bytes;
  if (!from.is_string() || !parse_base64({from.get_string().data(), from.get_string().size()}, bytes)) {
    return context.fail(wrong_type(name, "base64"));
  }
  to = context.keep(std::move(bytes));
}

void from_value(JsonContext& context, std::int16_t v, const char* name, const JsonValue& from, Records& to) {
  to = {};
  from_value(context, v, name, from, to.bytes);
}

const JsonObject* object_of(JsonContext& context, const char* name, const JsonValue& from) {
  if (!from.is_object()) context.fail(wrong_type(name, "an object"));
  return from.if_object();
}

const boost::json::array* array_of(JsonContext& context, const char* name, const JsonValue& from) {
  if (!from.is_array()) context.fail(wrong_type(name, "an array"));
  return from.if_array();
}

const JsonValue* find_field(JsonContext& context, const JsonObject& object, const char* name,
                            bool mandatory) {
  const JsonValue* found = object.if_contains(name);
  if (found == nullptr && mandatory) context.fail(std::string(name) + " is missing");
  return found;
}

}  // namespace barnabas::protocol
