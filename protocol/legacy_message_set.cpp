#include "protocol/legacy_message_set.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/crc32c.hpp"

namespace barnabas::protocol {
namespace {

constexpr std::size_t kCrcAt = 12;
constexpr std::size_t kMagicAt = 16;
constexpr std::size_t kTimestampAt = 18;

std::size_t key_position(std::int8_t magic) {
  return kTimestampAt + (magic > 0 ? 8 : 0);
}

std::unexpected<Error> malformed(const LegacyMessageView& message, std::string_view what) {
  return fail(ErrorCode::kInvalidRecord, fmt::format("The message of magic {} at offset {} is malformed: {}",
                                                     message.magic(), message.offset().value(), what));
}

/// A length-prefixed field at the start of `rest`, which loses it. False when it is longer than that.
bool take_field(ByteView& rest, std::optional<ByteView>& field) {
  if (rest.size() < 4) return false;
  auto size = load_big_endian<std::int32_t>(rest.data());
  rest = rest.subspan(4);
  field.reset();
  if (size < 0) return true;
  if (static_cast<std::size_t>(size) > rest.size()) return false;
  field = rest.first(static_cast<std::size_t>(size));
  rest = rest.subspan(static_cast<std::size_t>(size));
  return true;
}

}  // namespace

std::uint32_t LegacyMessageView::computed_crc() const {
  return crc32_ieee(bytes_.subspan(kMagicAt));
}

Result<void> LegacyMessageView::check_crc() const {
  std::uint32_t computed = computed_crc();
  if (computed == crc()) return {};
  return fail(ErrorCode::kCorruptMessage,
              fmt::format("Message at offset {} is corrupt: its CRC is {}, that of its bytes is {}",
                          offset().value(), crc(), computed));
}

Result<LegacyMessageView::Fields> LegacyMessageView::fields() const {
  ByteView rest = bytes_.subspan(key_position(magic()));
  Fields fields;
  if (take_field(rest, fields.key) && take_field(rest, fields.value) && rest.empty()) return fields;
  return fail(ErrorCode::kCorruptMessage,
              fmt::format("Key and value of the message at offset {} do not fill it", offset().value()));
}

LegacyCursor::LegacyCursor(const LegacyMessageView& message, RecordScratch& scratch,
                           const RecordLimits& limits)
    : message_(message) {
  if (!message.is_compressed()) return;
  auto opened = open_wrapper(scratch, limits);
  if (!opened) error_ = std::move(opened).error();
}

Result<void> LegacyCursor::open_wrapper(RecordScratch& scratch, const RecordLimits& limits) {
  auto fields = TRY(message_.fields());
  if (!fields.value) return malformed(message_, "a compressed set without value");
  if (message_.codec() > Codec::kLz4) return malformed(message_, "a codec that its magic does not have");
  scratch.drop_large_window();
  Bytes& window = scratch.window();
  window.clear();
  auto header = message_.magic() == 0 ? Lz4Header::kMagic0 : Lz4Header::kStandard;
  TRY(scratch.decompressor().decompress(message_.codec(), *fields.value, limits.max_record_bytes, window,
                                        header));
  inner_ = window;
  std::optional<Offset> last;
  BatchCursor entries(inner_, BatchCursor::Tail::kWhole);
  while (auto entry = TRY(entries.next())) {
    if (entry->magic() != message_.magic()) return malformed(message_, "a message of another magic inside");
    LegacyMessageView inner(entry->bytes());
    if (inner.is_compressed()) return malformed(message_, "a compressed message inside");
    TRY(inner.check_crc());
    last = inner.offset();
  }
  if (!last) return malformed(message_, "a compressed set without messages");
  // A difference below zero means offsets that some old client left absolute: those stay.
  if (message_.magic() > 0) {
    absolute_base_ = static_cast<std::int64_t>(static_cast<std::uint64_t>(message_.offset().value()) -
                                               static_cast<std::uint64_t>(last->value()));
  }
  return {};
}

Result<bool> LegacyCursor::next(RecordView& record) {
  if (error_) return std::unexpected(*error_);
  if (done_) return false;
  if (!message_.is_compressed()) {
    done_ = true;
    TRY(fill(message_, record));
    return true;
  }
  BatchCursor entries(inner_, BatchCursor::Tail::kWhole);
  auto entry = TRY(entries.next());
  if (!entry) {
    done_ = true;
    return false;
  }
  inner_ = inner_.subspan(entries.position());
  TRY(fill(LegacyMessageView(entry->bytes()), record));
  return true;
}

Result<void> LegacyCursor::fill(const LegacyMessageView& message, RecordView& record) {
  auto fields = TRY(message.fields());
  record = RecordView{};
  crc_ = message.crc();
  record.attributes = message.attributes();
  record.key = fields.key;
  record.value = fields.value;
  record.offset = message.offset();
  if (absolute_base_ >= 0) {
    record.offset = Offset(static_cast<std::int64_t>(static_cast<std::uint64_t>(absolute_base_) +
                                                     static_cast<std::uint64_t>(message.offset().value())));
  }
  // A wrapper's append time is that of all its messages.
  bool appended = message_.timestamp_type() == TimestampType::kLogAppendTime;
  record.timestamp = appended ? message_.timestamp() : message.timestamp();
  record.size_bytes = message.bytes().size();
  return {};
}

Result<void> check_crc(const LogEntry& entry) {
  return entry.is_legacy() ? LegacyMessageView(entry.bytes()).check_crc() : entry.batch().check_crc();
}

std::int64_t max_timestamp(const LogEntry& entry) {
  return entry.is_legacy() ? LegacyMessageView(entry.bytes()).timestamp() : entry.batch().max_timestamp();
}

Result<Offset> base_offset(const LogEntry& entry, RecordScratch& scratch, const RecordLimits& limits) {
  if (!entry.is_legacy()) return entry.batch().base_offset();
  LegacyMessageView message(entry.bytes());
  if (!message.is_compressed()) return message.offset();
  RecordView first;
  LegacyCursor cursor(message, scratch, limits);
  if (!TRY(cursor.next(first))) return message.offset();
  return first.offset;
}

void LegacySetBuilder::write(const Message& message, Bytes& to) const {
  std::size_t begin = to.size();
  std::size_t key_at = key_position(options_.magic);
  std::size_t key_size = message.key ? message.key->size() : 0;
  std::size_t value_size = message.value ? message.value->size() : 0;
  to.resize(begin + key_at + 8 + key_size + value_size);
  std::uint8_t* at = to.data() + begin;
  store_big_endian(at, message.offset.value());
  store_big_endian(at + 8, static_cast<std::int32_t>(to.size() - begin - kLogOverheadBytes));
  at[kMagicAt] = static_cast<std::uint8_t>(options_.magic);
  at[kMagicAt + 1] = static_cast<std::uint8_t>(message.attributes);
  if (options_.magic > 0) store_big_endian(at + kTimestampAt, message.timestamp);
  std::uint8_t* field = at + key_at;
  auto put = [&field](const std::optional<ByteView>& bytes) {
    store_big_endian(field, bytes ? static_cast<std::int32_t>(bytes->size()) : -1);
    field += 4;
    if (bytes) field = std::copy(bytes->begin(), bytes->end(), field);
  };
  put(message.key);
  put(message.value);
  store_big_endian(at + kCrcAt, crc32_ieee(ByteView(to).subspan(begin + kMagicAt)));
}

void LegacySetBuilder::append(Offset offset, std::int64_t timestamp, std::optional<ByteView> key,
                              std::optional<ByteView> value) {
  CHECK(!base_offset_ || offset > last_offset_, "offsets of a set grow");
  if (!base_offset_) base_offset_ = offset;
  last_offset_ = offset;
  max_timestamp_ = std::max(max_timestamp_, timestamp);
  bool compressed = options_.codec != Codec::kNone;
  bool appended = options_.magic > 0 && options_.timestamp_type == TimestampType::kLogAppendTime;
  Offset written = compressed && options_.magic > 0 ? Offset(offset - *base_offset_) : offset;
  write({written, appended ? options_.append_timestamp : timestamp,
         appended ? batch_attributes::kLogAppendTime : 0, key, value},
        set_);
}

Bytes LegacySetBuilder::build(Compressor& compressor) {
  Bytes set = std::move(set_);
  set_.clear();
  if (options_.codec != Codec::kNone && base_offset_) {
    CHECK(options_.codec <= Codec::kLz4, "old messages know gzip, snappy and lz4");
    Bytes value;
    auto header = options_.magic == 0 ? Lz4Header::kMagic0 : Lz4Header::kStandard;
    compressor.compress(options_.codec, options_.level, set, value, header);
    bool appended = options_.magic > 0 && options_.timestamp_type == TimestampType::kLogAppendTime;
    int attributes = static_cast<int>(options_.codec) | (appended ? batch_attributes::kLogAppendTime : 0);
    set.clear();
    write({last_offset_, appended ? options_.append_timestamp : max_timestamp_, attributes, std::nullopt,
           value},
          set);
  }
  base_offset_.reset();
  max_timestamp_ = kNoTimestamp;
  return set;
}

}  // namespace barnabas::protocol
