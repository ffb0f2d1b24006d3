#include "tools/commands/deserializers.hpp"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "protocol/record_batch.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kPackage = "org.apache.kafka.common.serialization.";

Result<void> expect_size(ByteView bytes, std::size_t size, std::string_view name) {
  if (bytes.size() == size) return {};
  return fail(ErrorCode::kInvalidRecord, fmt::format("Size of data received by {} is not {}", name, size));
}

template <class Number>
Result<void> put_integer(ByteView bytes, std::string_view name, std::string& to) {
  TRY(expect_size(bytes, sizeof(Number), name));
  to += std::to_string(protocol::load_big_endian<Number>(bytes.data()));
  return {};
}

/// As Java's toString: at least one digit after the point, an exponent outside 10^-3 to 10^7.
template <class Number>
void put_java_number(Number number, std::string& to) {
  if (std::isnan(number)) {
    to += "NaN";
  } else if (std::isinf(number)) {
    to += number < 0 ? "-Infinity" : "Infinity";
  } else if (const Number size = std::abs(number);
             size != 0 && (size < Number(1e-3) || size >= Number(1e7))) {
    // The shortest digits that read back as the same number, from "1.5e-07" to "1.5E-7".
    std::string text = fmt::format("{:e}", number);
    for (int digits = 0; digits < 17; ++digits) {
      text = fmt::format("{:.{}e}", number, digits);
      if (static_cast<Number>(std::stod(text)) == number) break;
    }
    const std::size_t exponent = text.find('e');
    std::string mantissa = text.substr(0, exponent);
    if (mantissa.find('.') == std::string::npos) mantissa += ".0";
    to += fmt::format("{}E{}", mantissa, std::stoi(text.substr(exponent + 1)));
  } else {
    std::string text = fmt::format("{}", number);
    if (text.find('.') == std::string::npos) text += ".0";
    to += text;
  }
}

template <class Bits, class Number>
Result<void> put_floating(ByteView bytes, std::string& to) {
  TRY(expect_size(bytes, sizeof(Bits), "Deserializer"));
  put_java_number(std::bit_cast<Number>(protocol::load_big_endian<Bits>(bytes.data())), to);
  return {};
}

Result<void> put_text(ByteView bytes, std::string& to) {
  to += as_text(bytes);
  return {};
}
Result<void> put_boolean(ByteView bytes, std::string& to) {
  TRY(expect_size(bytes, 1, "BooleanDeserializer"));
  if (bytes[0] > 1) {
    return fail(ErrorCode::kInvalidRecord, fmt::format("Unexpected byte received by BooleanDeserializer: {}",
                                                       static_cast<int>(static_cast<std::int8_t>(bytes[0]))));
  }
  to += bytes[0] == 1 ? "true" : "false";
  return {};
}

/// Groups of hexadecimal digits, which may lack leading zeros.
Result<void> put_uuid(ByteView bytes, std::string& to) {
  constexpr std::size_t kWidths[] = {8, 4, 4, 4, 12};
  std::string_view text = as_text(bytes);
  std::string uuid;
  for (const std::size_t width : kWidths) {
    const std::size_t dash = width == 12 ? text.size() : text.find('-');
    const std::string_view group = text.substr(0, dash);
    const bool is_group = dash != std::string_view::npos && !group.empty() && group.size() <= width &&
                          group.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
    if (!is_group) return fail(ErrorCode::kInvalidRecord, "Error parsing data into UUID");
    if (!uuid.empty()) uuid += '-';
    uuid.append(width - group.size(), '0');
    for (const char digit : group) uuid += static_cast<char>(std::tolower(static_cast<unsigned char>(digit)));
    text.remove_prefix(std::min(text.size(), dash + 1));
  }
  to += uuid;
  return {};
}

/// Kafka's Bytes: what cannot be printed, and the backslash, as \xNN.
Result<void> put_bytes(ByteView bytes, std::string& to) {
  for (const std::uint8_t byte : bytes) {
    if (byte >= ' ' && byte <= '~' && byte != '\\') {
      to += static_cast<char>(byte);
    } else {
      to += fmt::format("\\x{:02X}", byte);
    }
  }
  return {};
}
Result<void> put_byte_buffer(ByteView bytes, std::string& to) {
  to += fmt::format("java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]", bytes.size());
  return {};
}
Result<void> refuse(ByteView, std::string&) {
  return fail(ErrorCode::kInvalidRecord, "Data should be null for a VoidDeserializer.");
}
Result<void> put_int16(ByteView bytes, std::string& to) {
  return put_integer<std::int16_t>(bytes, "ShortDeserializer", to);
}
Result<void> put_int32(ByteView bytes, std::string& to) {
  return put_integer<std::int32_t>(bytes, "IntegerDeserializer", to);
}
Result<void> put_int64(ByteView bytes, std::string& to) {
  return put_integer<std::int64_t>(bytes, "LongDeserializer", to);
}

constexpr std::pair<std::string_view, Deserializer> kDeserializers[] = {
    {"StringDeserializer", put_text},
    // Java prints an object's address here, which helps nobody.
    {"ByteArrayDeserializer", put_text},
    {"BytesDeserializer", put_bytes},
    {"ByteBufferDeserializer", put_byte_buffer},
    {"ShortDeserializer", put_int16},
    {"IntegerDeserializer", put_int32},
    {"LongDeserializer", put_int64},
    {"FloatDeserializer", put_floating<std::uint32_t, float>},
    {"DoubleDeserializer", put_floating<std::uint64_t, double>},
    {"BooleanDeserializer", put_boolean},
    {"UUIDDeserializer", put_uuid},
    {"VoidDeserializer", refuse},
};

}  // namespace

Deserializer find_deserializer(std::string_view class_name) {
  if (!class_name.starts_with(kPackage)) return nullptr;
  class_name.remove_prefix(kPackage.size());
  for (const auto& [name, deserializer] : kDeserializers) {
    if (name == class_name) return deserializer;
  }
  return nullptr;
}

}  // namespace barnabas::tools
