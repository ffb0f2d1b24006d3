#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::protocol {

std::uint32_t Reader::uvarint() {
  std::uint32_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    auto byte = fixed<std::uint8_t>();
    value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail("a varint of more than five bytes");
  return 0;
}

std::uint64_t Reader::uvarlong() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    auto byte = fixed<std::uint8_t>();
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  fail("a varlong of more than ten bytes");
  return 0;
}

std::int64_t Reader::length(bool compact, bool short_form) {
  if (compact) return static_cast<std::int64_t>(uvarint()) - 1;
  return short_form ? int16() : int32();
}

std::string Reader::string(bool compact) {
  std::int64_t size = length(compact, true);
  if (size < 0) {
    fail("a string that may not be null is null");
    return {};
  }
  return std::string(as_text(take(static_cast<std::size_t>(size))));
}

std::optional<std::string> Reader::nullable_string(bool compact) {
  std::int64_t size = length(compact, true);
  if (size < 0) return std::nullopt;
  return std::string(as_text(take(static_cast<std::size_t>(size))));
}

ByteView Reader::bytes(bool compact) {
  std::int64_t size = length(compact, false);
  if (size < 0) {
    fail("bytes that may not be null are null");
    return {};
  }
  return take(static_cast<std::size_t>(size));
}

std::optional<ByteView> Reader::nullable_bytes(bool compact) {
  std::int64_t size = length(compact, false);
  if (size < 0) return std::nullopt;
  return take(static_cast<std::size_t>(size));
}

std::int32_t Reader::array_length(bool compact, std::size_t min_element_size) {
  std::int64_t count = length(compact, false);
  if (count < 0) return -1;
  if (static_cast<std::uint64_t>(count) * (min_element_size == 0 ? 1 : min_element_size) > remaining()) {
    fail("an array longer than the message");
    return 0;
  }
  return static_cast<std::int32_t>(count);
}

void Writer::string(std::string_view value, bool compact) {
  if (compact) {
    uvarint(static_cast<std::uint32_t>(value.size() + 1));
  } else {
    if (value.size() > INT16_MAX) return fail("a string longer than 32767 bytes");
    int16(static_cast<std::int16_t>(value.size()));
  }
  raw(as_bytes(value));
}

}  // namespace barnabas::protocol
