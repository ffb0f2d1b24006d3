// Reader: decodes the protocol's primitives from bytes it does not own.
//
// Invariants
//  1. After the first failure every call returns a zero value and moves nothing: check ok() once at the end.
//  2. No length is believed: strings and bytes end within the buffer, and array_length() never exceeds what
//  the
//     remaining bytes can hold, so a container reserved by it is bounded by the frame.
// Views that it returns live as long as the buffer. Not thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "base/bytes.hpp"
#include "base/uuid.hpp"

namespace barnabas::protocol {

class Reader {
 public:
  explicit Reader(ByteView bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool ok() const { return failure_ == nullptr; }
  /// What was wrong first, a static text; null while ok.
  [[nodiscard]] const char* failure() const { return failure_; }
  [[nodiscard]] std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] ByteView rest() const { return {at_, remaining()}; }
  void fail(const char* what) {
    if (ok()) failure_ = what;
    at_ = end_;
  }

  bool boolean() { return fixed<std::uint8_t>() != 0; }
  std::int8_t int8() { return fixed<std::int8_t>(); }
  std::int16_t int16() { return fixed<std::int16_t>(); }
  std::uint16_t uint16() { return fixed<std::uint16_t>(); }
  std::int32_t int32() { return fixed<std::int32_t>(); }
  std::uint32_t uint32() { return fixed<std::uint32_t>(); }
  std::int64_t int64() { return fixed<std::int64_t>(); }
  double float64() { return std::bit_cast<double>(fixed<std::uint64_t>()); }
  Uuid uuid() {
    Uuid value;
    ByteView from = take(16);
    if (ok()) std::memcpy(value.bytes.data(), from.data(), 16);
    return value;
  }

  /// Unsigned LEB128 of at most 5 bytes (10 for the long forms).
  std::uint32_t uvarint();
  std::uint64_t uvarlong();
  /// Zigzag.
  std::int32_t varint() {
    std::uint32_t raw = uvarint();
    return static_cast<std::int32_t>(raw >> 1) ^ -static_cast<std::int32_t>(raw & 1);
  }
  std::int64_t varlong() {
    std::uint64_t raw = uvarlong();
    return static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
  }

  ByteView take(std::size_t size) {
    if (size > remaining()) {
      fail("more bytes announced than there are");
      return {};
    }
    ByteView view{at_, size};
    at_ += size;
    return view;
  }
  void skip(std::size_t size) { (void)take(size); }

  // `compact` chooses the flexible encoding (unsigned varint of length + 1).
  // The non-nullable forms fail on null.
  std::string string(bool compact);
  std::optional<std::string> nullable_string(bool compact);
  ByteView bytes(bool compact);
  std::optional<ByteView> nullable_bytes(bool compact);
  /// Number of elements, each at least `min_element_size` bytes on the wire; -1 for null.
  std::int32_t array_length(bool compact, std::size_t min_element_size);

 private:
  template <class T>
  T fixed() {
    if (sizeof(T) > remaining()) {
      fail("the message ends inside a field");
      return T{};
    }
    T value;
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    if constexpr (sizeof(T) > 1) value = std::byteswap(value);
    return value;
  }
  std::int64_t length(bool compact, bool short_form);

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const char* failure_ = nullptr;
};

}  // namespace barnabas::protocol
