// Writer: encodes the protocol's primitives into a growing buffer that it owns.
//
// A `records` field may lie outside (a file range the transport sends): external() leaves a gap that counts
// in sizes but holds no bytes here. Failures are sticky (a field that a version cannot carry). Not
// thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/uuid.hpp"

namespace barnabas::protocol {

/// A `records` field: bytes in memory, or `external_size` bytes that the transport supplies (then `bytes` is
/// empty).
struct Records {
  ByteView bytes;
  std::uint32_t external_id = 0;
  std::int32_t external_size = -1;  // -1: in memory
  [[nodiscard]] std::size_t size() const {
    return external_size < 0 ? bytes.size() : static_cast<std::size_t>(external_size);
  }
};

class Writer {
 public:
  /// `size` bytes belonging to `id` stand between buffer()[position-1] and buffer()[position].
  struct Gap {
    std::size_t position;
    std::uint32_t id;
    std::uint32_t size;
  };

  Writer() = default;
  explicit Writer(std::size_t capacity) { buffer_.reserve(capacity); }

  [[nodiscard]] bool ok() const { return failure_ == nullptr; }
  [[nodiscard]] const char* failure() const { return failure_; }
  void fail(const char* what) {
    if (ok()) failure_ = what;
  }
  [[nodiscard]] const Bytes& buffer() const { return buffer_; }
  [[nodiscard]] Bytes take() { return std::move(buffer_); }
  [[nodiscard]] const std::vector<Gap>& gaps() const { return gaps_; }
  /// Bytes written, gaps included.
  [[nodiscard]] std::size_t size() const { return buffer_.size() + gap_bytes_; }

  void boolean(bool value) { int8(value ? 1 : 0); }
  void int8(std::int8_t value) { buffer_.push_back(static_cast<std::uint8_t>(value)); }
  void int16(std::int16_t value) { fixed(value); }
  void uint16(std::uint16_t value) { fixed(value); }
  void int32(std::int32_t value) { fixed(value); }
  void uint32(std::uint32_t value) { fixed(value); }
  void int64(std::int64_t value) { fixed(value); }
  void float64(double value) { fixed(std::bit_cast<std::uint64_t>(value)); }
  void uuid(const Uuid& value) { raw(value.bytes); }
  void uvarint(std::uint32_t value) { uvarlong(value); }
  void uvarlong(std::uint64_t value) {
    while (value >= 0x80) {
      buffer_.push_back(static_cast<std::uint8_t>(value | 0x80));
      value >>= 7;
    }
    buffer_.push_back(static_cast<std::uint8_t>(value));
  }
  void varint(std::int32_t value) {
    uvarint((static_cast<std::uint32_t>(value) << 1) ^ static_cast<std::uint32_t>(value >> 31));
  }
  void varlong(std::int64_t value) {
    uvarlong((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void raw(ByteView bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }
  void external(const Records& records) {
    gaps_.push_back({buffer_.size(), records.external_id, static_cast<std::uint32_t>(records.external_size)});
    gap_bytes_ += records.size();
  }

  void string(std::string_view value, bool compact);
  void null_string(bool compact) { compact ? uvarint(0) : int16(-1); }
  void bytes(ByteView value, bool compact) {
    array_length(static_cast<std::int64_t>(value.size()), compact);
    raw(value);
  }
  void records(const Records& value, bool compact) {
    array_length(static_cast<std::int64_t>(value.size()), compact);
    value.external_size < 0 ? raw(value.bytes) : external(value);
  }
  void null_bytes(bool compact) { array_length(-1, compact); }
  /// Element count, -1 for null; also the length of bytes and records.
  void array_length(std::int64_t count, bool compact) {
    compact ? uvarint(static_cast<std::uint32_t>(count + 1)) : int32(static_cast<std::int32_t>(count));
  }

  /// Overwrites four bytes already written (frame sizes, CRCs).
  void patch_int32(std::size_t position, std::int32_t value) {
    value = std::byteswap(value);
    std::memcpy(buffer_.data() + position, &value, sizeof value);
  }

 private:
  template <class T>
  void fixed(T value) {
    value = std::byteswap(value);
    const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
    buffer_.insert(buffer_.end(), from, from + sizeof value);
  }

  Bytes buffer_;
  std::vector<Gap> gaps_;
  std::size_t gap_bytes_ = 0;
  const char* failure_ = nullptr;
};

}  // namespace barnabas::protocol
