// What the generated message code is made of: fields of every shape, for Reader, Writer and SizeCounter
// alike.
//
// Included by generated .cpp files only. A struct's own get() and put() are generated, static, in this
// namespace. `v` is the message's version, `c` whether the compact (flexible) encoding is used. Errors are
// sticky in the Reader and Writer. Stateless, so thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::protocol {

/// Has the calls of Writer and only counts bytes.
class SizeCounter {
 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  void fail(const char*) {}
  void boolean(bool) { size_ += 1; }
  void int8(std::int8_t) { size_ += 1; }
  void int16(std::int16_t) { size_ += 2; }
  void uint16(std::uint16_t) { size_ += 2; }
  void int32(std::int32_t) { size_ += 4; }
  void uint32(std::uint32_t) { size_ += 4; }
  void int64(std::int64_t) { size_ += 8; }
  void float64(double) { size_ += 8; }
  void uuid(const Uuid&) { size_ += 16; }
  void uvarint(std::uint32_t value) { size_ += value < 0x80 ? 1 : (38 - std::countl_zero(value)) / 7; }
  void string(std::string_view value, bool c) {
    c ? uvarint(static_cast<std::uint32_t>(value.size() + 1)) : int16(0);
    size_ += value.size();
  }
  void null_string(bool c) { size_ += c ? 1 : 2; }
  void bytes(ByteView value, bool c) {
    array_length(static_cast<std::int64_t>(value.size()), c);
    size_ += value.size();
  }
  void records(const Records& value, bool c) {
    array_length(static_cast<std::int64_t>(value.size()), c);
    size_ += value.size();
  }
  void null_bytes(bool c) { size_ += c ? 1 : 4; }
  void array_length(std::int64_t count, bool c) {
    c ? uvarint(static_cast<std::uint32_t>(count + 1)) : int32(0);
  }
  void add(std::size_t size) { size_ += size; }

 private:
  std::size_t size_ = 0;
};

// Elements of arrays.
inline void get(Reader& r, std::int16_t, bool, bool& to) {
  to = r.boolean();
}
inline void get(Reader& r, std::int16_t, bool, std::int8_t& to) {
  to = r.int8();
}
inline void get(Reader& r, std::int16_t, bool, std::int16_t& to) {
  to = r.int16();
}
inline void get(Reader& r, std::int16_t, bool, std::uint16_t& to) {
  to = r.uint16();
}
inline void get(Reader& r, std::int16_t, bool, std::int32_t& to) {
  to = r.int32();
}
inline void get(Reader& r, std::int16_t, bool, std::uint32_t& to) {
  to = r.uint32();
}
inline void get(Reader& r, std::int16_t, bool, std::int64_t& to) {
  to = r.int64();
}
inline void get(Reader& r, std::int16_t, bool, double& to) {
  to = r.float64();
}
inline void get(Reader& r, std::int16_t, bool, Uuid& to) {
  to = r.uuid();
}
inline void get(Reader& r, std::int16_t, bool c, std::string& to) {
  to = r.string(c);
}
inline void get(Reader& r, std::int16_t, bool c, ByteView& to) {
  to = r.bytes(c);
}

template <class W>
void put(W& w, std::int16_t, bool, std::int8_t value) {
  w.int8(value);
}
template <class W>
void put(W& w, std::int16_t, bool, std::int16_t value) {
  w.int16(value);
}
template <class W>
void put(W& w, std::int16_t, bool, std::int32_t value) {
  w.int32(value);
}
template <class W>
void put(W& w, std::int16_t, bool, std::int64_t value) {
  w.int64(value);
}
template <class W>
void put(W& w, std::int16_t, bool, const Uuid& value) {
  w.uuid(value);
}
template <class W>
void put(W& w, std::int16_t, bool c, const std::string& value) {
  w.string(value, c);
}
template <class W>
void put(W& w, std::int16_t, bool c, const ByteView& value) {
  w.bytes(value, c);
}

inline Records get_records(Reader& r, bool c) {
  Records records;
  records.bytes = r.bytes(c);
  return records;
}
inline std::optional<Records> get_nullable_records(Reader& r, bool c) {
  std::optional<ByteView> bytes = r.nullable_bytes(c);
  if (!bytes) return std::nullopt;
  Records records;
  records.bytes = *bytes;
  return records;
}

/// `min_size`: the fewest bytes of an element on the wire.
template <class T>
void get_elements(Reader& r, std::int16_t v, bool c, std::int32_t count, std::vector<T>& to) {
  to.clear();
  // A count is believed only so far: elements may be many times larger here than on the wire.
  to.reserve(static_cast<std::size_t>(std::min(count, 1024)));
  for (std::int32_t i = 0; i < count && r.ok(); ++i) get(r, v, c, to.emplace_back());
}
template <class T>
void get_array(Reader& r, std::int16_t v, bool c, std::size_t min_size, std::vector<T>& to) {
  std::int32_t count = r.array_length(c, min_size);
  if (count < 0) return r.fail("an array that may not be null is null");
  get_elements(r, v, c, count, to);
}
template <class T>
void get_array(Reader& r, std::int16_t v, bool c, std::size_t min_size, std::optional<std::vector<T>>& to) {
  get_array(r, v, c, min_size, to.emplace());
}
template <class T>
void get_nullable_array(Reader& r, std::int16_t v, bool c, std::size_t min_size,
                        std::optional<std::vector<T>>& to) {
  std::int32_t count = r.array_length(c, min_size);
  if (count < 0) return to.reset();
  get_elements(r, v, c, count, to.emplace());
}
/// A struct that may be null has a byte before it, in a tagged field a varint.
template <class T>
void get_nullable_struct(Reader& r, std::int16_t v, bool tagged, std::optional<T>& to) {
  bool null = tagged ? r.uvarint() == 0 : r.int8() < 0;
  if (null) return to.reset();
  // Not to.emplace(): clang judges T's default constructor while the class around T is still incomplete.
  T value{};
  get(r, v, false, value);
  to = std::move(value);
}

template <class W, class T>
void put_array(W& w, std::int16_t v, bool c, const std::vector<T>& from) {
  w.array_length(static_cast<std::int64_t>(from.size()), c);
  for (const T& element : from) put(w, v, c, element);
}
template <class W, class T>
void put_array(W& w, std::int16_t v, bool c, const std::optional<std::vector<T>>& from) {
  from ? put_array(w, v, c, *from) : w.array_length(-1, c);
}
template <class W>
void put_string(W& w, bool c, const std::string& from) {
  w.string(from, c);
}
template <class W>
void put_string(W& w, bool c, const std::optional<std::string>& from) {
  from ? w.string(*from, c) : w.null_string(c);
}
template <class W>
void put_bytes(W& w, bool c, ByteView from) {
  w.bytes(from, c);
}
template <class W>
void put_bytes(W& w, bool c, const std::optional<ByteView>& from) {
  from ? w.bytes(*from, c) : w.null_bytes(c);
}
template <class W>
void put_records(W& w, bool c, const Records& from) {
  w.records(from, c);
}
template <class W>
void put_records(W& w, bool c, const std::optional<Records>& from) {
  from ? w.records(*from, c) : w.null_bytes(c);
}
template <class W, class T>
void put_nullable_struct(W& w, std::int16_t v, bool tagged, const std::optional<T>& from) {
  tagged ? w.uvarint(from ? 1 : 0) : w.int8(from ? 1 : -1);
  if (from) put(w, v, false, *from);
}

/// A tagged field being read: its bytes apart, so that it can neither overrun nor fall short unnoticed.
class TaggedField {
 public:
  explicit TaggedField(Reader& from) : from_(from), tag_(from.uvarint()), body(from.take(from.uvarint())) {}
  [[nodiscard]] std::uint32_t tag() const { return tag_; }
  /// Call after a known field.
  void finish() {
    if (!body.ok()) return from_.fail(body.failure());
    if (body.remaining() != 0) from_.fail("a tagged field longer than its value");
  }

 private:
  Reader& from_;
  std::uint32_t tag_;

 public:
  Reader body;
};

inline void skip_tagged_fields(Reader& r) {
  for (std::uint32_t count = r.uvarint(); count > 0 && r.ok(); --count) TaggedField skipped(r);
}

/// Writes tag and size, then the value: `value` is called with a SizeCounter and with the writer.
template <class W, class F>
void put_tagged(W& w, std::uint32_t tag, const F& value) {
  SizeCounter counter;
  value(counter);
  w.uvarint(tag);
  w.uvarint(static_cast<std::uint32_t>(counter.size()));
  if constexpr (std::is_same_v<W, SizeCounter>) {
    w.add(counter.size());
  } else {
    value(w);
  }
}

// Equality of content, views included.
template <class T>
bool same(const T& a, const T& b) {
  return a == b;
}
inline bool same(ByteView a, ByteView b) {
  return std::ranges::equal(a, b);
}
inline bool same(const Records& a, const Records& b) {
  return same(a.bytes, b.bytes) && a.external_size == b.external_size &&
         (a.external_size < 0 || a.external_id == b.external_id);
}
template <class T>
bool same(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}
template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const T& x, const T& y) { return same(x, y); });
}

}  // namespace barnabas::protocol
