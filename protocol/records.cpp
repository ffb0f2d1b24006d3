#include "protocol/records.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::protocol {
namespace {

constexpr std::size_t kWindowBytes = 32 * 1024;
/// A window larger than this is not kept for the next batch.
constexpr std::size_t kKeptWindowBytes = std::size_t{4} << 20;
constexpr std::size_t kMaxVarlongBytes = 10;

/// Decodes a zigzag varint of at most `max_bytes` bytes from at..end. Null when it does not end there.
template <std::size_t max_bytes>
const std::uint8_t* decode_zigzag(const std::uint8_t* at, const std::uint8_t* end, std::int64_t& value) {
  if (at != end && *at < 0x80) {  // nearly always
    value = static_cast<std::int64_t>(*at >> 1) ^ -static_cast<std::int64_t>(*at & 1);
    return at + 1;
  }
  std::uint64_t raw = 0;
  for (unsigned shift = 0; shift < max_bytes * 7; shift += 7) {
    if (at == end) return nullptr;
    std::uint8_t byte = *at++;
    raw |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) {
      if constexpr (max_bytes == 5) raw = static_cast<std::uint32_t>(raw);
      value = static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
      return at;
    }
  }
  return nullptr;
}

/// Reads fields from a range in memory; a failure is sticky.
struct FieldReader {
  const std::uint8_t* at;
  const std::uint8_t* end;
  const char* failure = nullptr;

  template <std::size_t max_bytes>
  std::int64_t zigzag() {
    std::int64_t value = 0;
    const std::uint8_t* next = decode_zigzag<max_bytes>(at, end, value);
    if (next == nullptr) {
      fail("a varint that does not end");
      return 0;
    }
    at = next;
    return value;
  }
  std::int64_t varint() { return zigzag<5>(); }
  std::int64_t varlong() { return zigzag<10>(); }
  ByteView take(std::int64_t size) {
    if (size > end - at) {
      fail("a field longer than its record");
      return {};
    }
    ByteView view{at, static_cast<std::size_t>(size)};
    at += size;
    return view;
  }
  std::optional<ByteView> nullable() {
    std::int64_t size = varint();
    if (size < 0) return std::nullopt;
    return take(size);
  }
  /// Walks the headers, so that reading them later cannot fail.
  RecordHeaders headers() {
    std::int64_t count = varint();
    if (count < 0 || count > end - at) {
      fail("an impossible number of record headers");
      return {};
    }
    const std::uint8_t* begin = at;
    for (std::int64_t i = 0; i < count && failure == nullptr; ++i) {
      std::int64_t key_size = varint();
      if (key_size < 0) fail("a record header without key");
      take(std::max<std::int64_t>(key_size, 0));
      (void)nullable();
    }
    return RecordHeaders({begin, at}, static_cast<std::int32_t>(count));
  }
  void fail(const char* what) {
    if (failure == nullptr) failure = what;
    at = end;
  }
};

std::unexpected<Error> malformed(std::string_view what, Offset base_offset, std::int64_t index) {
  return fail(ErrorCode::kInvalidRecord,
              fmt::format("Record {} of the batch at base offset {} is malformed: {}", index,
                          base_offset.value(), what));
}

}  // namespace

void RecordHeaders::Iterator::read() {
  if (left_ == 0) return;
  FieldReader reader{at_, end_};
  header_.key = as_text(reader.take(reader.varint()));
  header_.value = reader.nullable();
  at_ = reader.at;
}

RecordScratch::RecordScratch() = default;
RecordScratch::~RecordScratch() = default;
RecordScratch::RecordScratch(RecordScratch&&) noexcept = default;
RecordScratch& RecordScratch::operator=(RecordScratch&&) noexcept = default;

void RecordScratch::drop_large_window() {
  if (window_.capacity() > kKeptWindowBytes) Bytes().swap(window_);
}

RecordBytes::RecordBytes(Codec codec, ByteView payload, RecordScratch& scratch, const RecordLimits& limits)
    : at_(payload.data()), end_(payload.data() + payload.size()), window_begin_(at_), limits_(limits) {
  if (codec == Codec::kNone) return;
  scratch_ = &scratch;
  Bytes& window = scratch.window();
  scratch.drop_large_window();
  if (window.size() < kWindowBytes) window.resize(kWindowBytes);
  at_ = end_ = window_begin_ = window.data();
  auto started = scratch.decompressor().start(codec, payload);
  if (!started) error_ = std::move(started).error();
}

bool RecordBytes::fail_with(Error error) {
  if (!error_) error_ = std::move(error);
  at_ = end_;
  return false;
}

bool RecordBytes::refill(std::size_t size) {
  if (scratch_ == nullptr || error_) return false;
  Bytes& window = scratch_->window();
  std::size_t kept = available();
  window_position_ = position();
  if (size > limits_.max_record_bytes) {
    return fail_with(
        {ErrorCode::kInvalidRecord, fmt::format("A record of {} bytes is over the limit", size)});
  }
  if (size > window.size()) {
    Bytes larger(std::max(size, std::min(window.size() * 2, limits_.max_record_bytes)));
    std::copy(at_, end_, larger.begin());
    window.swap(larger);
  } else {
    std::copy(at_, end_, window.begin());
  }
  at_ = window_begin_ = window.data();
  end_ = at_ + kept;
  if (window_position_ + kept > limits_.max_batch_bytes) {
    return fail_with({ErrorCode::kInvalidRecord,
                      fmt::format("The batch decompresses to more than {} bytes", limits_.max_batch_bytes)});
  }
  auto read = scratch_->decompressor().read(MutableByteView(window).subspan(kept));
  if (!read) return fail_with(std::move(read).error());
  end_ += *read;
  return available() >= size;
}

bool RecordBytes::skip(std::size_t size) {
  while (size > available()) {
    size -= available();
    at_ = end_;
    if (!need(1)) return false;
  }
  at_ += size;
  return true;
}

RecordCursor::RecordCursor(const RecordBatchView& batch, RecordScratch& scratch, const RecordLimits& limits)
    : bytes_(batch.codec(), batch.payload(), scratch, limits),
      base_offset_(batch.base_offset()),
      base_timestamp_(batch.base_timestamp()),
      left_(batch.count()) {
  if (batch.timestamp_type() == TimestampType::kLogAppendTime) append_timestamp_ = batch.max_timestamp();
}

std::unexpected<Error> RecordCursor::ended() const {
  if (bytes_.error()) return std::unexpected(*bytes_.error());
  return fail(ErrorCode::kInvalidRecord,
              fmt::format("The batch at base offset {} ends before its last record", base_offset_.value()));
}

Result<bool> RecordCursor::next(RecordView& record) {
  if (left_ <= 0) {
    if (left_ < 0) return malformed("its count is negative", base_offset_, left_);
    // An empty batch may be a compressed one without any stream.
    if (bytes_.position() == 0 && !bytes_.error()) return false;
    if (bytes_.need(1)) return malformed("bytes remain after the last record", base_offset_, 0);
    if (bytes_.error()) return std::unexpected(*bytes_.error());
    return false;
  }
  TRY(read(record));
  --left_;
  return true;
}

Result<void> RecordCursor::read(RecordView& record) {
  bytes_.need(kMaxVarlongBytes / 2);  // fewer is fine at the end
  std::int64_t size = 0;
  const std::uint8_t* body = decode_zigzag<5>(bytes_.at(), bytes_.at() + bytes_.available(), size);
  if (body == nullptr) return ended();
  auto size_of_size = static_cast<std::size_t>(body - bytes_.at());
  if (size < 0) return malformed("its length is negative", base_offset_, left_);
  record.size_bytes = size_of_size + static_cast<std::size_t>(size);
  if (!bytes_.need(record.size_bytes)) return ended();
  body = bytes_.at() + size_of_size;
  FieldReader reader{body, body + size};
  record.attributes = static_cast<std::int8_t>(reader.take(1).empty() ? 0 : *body);
  // Deltas may be anything: sums wrap as Java's do.
  auto timestamp_delta = static_cast<std::uint64_t>(reader.varlong());
  record.timestamp = append_timestamp_.value_or(
      static_cast<std::int64_t>(static_cast<std::uint64_t>(base_timestamp_) + timestamp_delta));
  record.offset = Offset(static_cast<std::int64_t>(static_cast<std::uint64_t>(base_offset_.value()) +
                                                   static_cast<std::uint64_t>(reader.varint())));
  record.key = reader.nullable();
  record.value = reader.nullable();
  record.headers = reader.headers();
  if (reader.failure == nullptr && reader.at != reader.end)
    reader.fail("its length is not that of its fields");
  if (reader.failure != nullptr) return malformed(reader.failure, base_offset_, left_);
  bytes_.advance(record.size_bytes);
  return {};
}

namespace {

/// One walk of validate_records().
class FramingCheck {
 public:
  FramingCheck(const RecordBatchView& batch, const RecordRules& rules, RecordScratch& scratch)
      : bytes_(batch.codec(), batch.payload(), scratch, rules.limits),
        batch_(batch),
        rules_(rules),
        checks_time_(batch.timestamp_type() == TimestampType::kCreateTime) {}

  Result<RecordsSummary> run() {
    if (batch_.count() < 0) return malformed("the batch's count is negative", batch_.base_offset(), 0);
    for (std::int32_t i = 0; i < batch_.count(); ++i) {
      const char* failure = record(i);
      if (bytes_.error()) return std::unexpected(*bytes_.error());
      if (failure != nullptr) return malformed(failure, batch_.base_offset(), i);
    }
    if (bytes_.need(1)) return malformed("bytes remain after the last record", batch_.base_offset(), 0);
    if (bytes_.error()) return std::unexpected(*bytes_.error());
    summary_.count = batch_.count();
    summary_.size_bytes = bytes_.position();
    return std::move(summary_);
  }

 private:
  static constexpr const char* kEndsEarly = "the batch ends before it does";

  template <std::size_t max_bytes>
  bool zigzag(std::int64_t& value) {
    bytes_.need(max_bytes);  // fewer is fine at the end
    const std::uint8_t* next = decode_zigzag<max_bytes>(bytes_.at(), bytes_.at() + bytes_.available(), value);
    if (next == nullptr) return false;
    bytes_.advance(static_cast<std::size_t>(next - bytes_.at()));
    return true;
  }
  /// A length-prefixed field; the length goes to `size`, negative for null.
  bool field(std::int64_t& size) {
    return zigzag<5>(size) && (size <= 0 || bytes_.skip(static_cast<std::size_t>(size)));
  }

  const char* record(std::int32_t index) {
    std::int64_t length = 0;
    if (!zigzag<5>(length)) return kEndsEarly;
    if (length < 0) return "its length is negative";
    std::uint64_t body = bytes_.position();
    std::int64_t timestamp_delta = 0;
    std::int64_t offset_delta = 0;
    std::int64_t key = 0;
    std::int64_t value = 0;
    if (!bytes_.skip(1) || !zigzag<10>(timestamp_delta) || !zigzag<5>(offset_delta) || !field(key) ||
        !field(value)) {
      return kEndsEarly;
    }
    if (const char* failure = headers(body + static_cast<std::uint64_t>(length))) return failure;
    if (bytes_.position() - body != static_cast<std::uint64_t>(length)) {
      return "its length is not that of its fields";
    }
    judge(index, timestamp_delta, offset_delta, key < 0);
    return nullptr;
  }

  const char* headers(std::uint64_t record_end) {
    std::int64_t count = 0;
    if (!zigzag<5>(count)) return kEndsEarly;
    if (count == 0) return nullptr;
    std::uint64_t at = bytes_.position();
    if (count < 0 || at > record_end || static_cast<std::uint64_t>(count) > record_end - at) {
      return "an impossible number of record headers";
    }
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t key = 0;
      std::int64_t value = 0;
      if (!field(key)) return kEndsEarly;
      if (key < 0) return "a record header without key";
      if (!field(value)) return kEndsEarly;
    }
    return nullptr;
  }

  void judge(std::int32_t index, std::int64_t timestamp_delta, std::int64_t offset_delta, bool no_key) {
    auto timestamp = static_cast<std::int64_t>(static_cast<std::uint64_t>(batch_.base_timestamp()) +
                                               static_cast<std::uint64_t>(timestamp_delta));
    summary_.deltas_are_consecutive &= offset_delta == index;
    if (timestamp > summary_.max_timestamp) {
      summary_.max_timestamp = timestamp;
      summary_.offset_delta_of_max_timestamp = static_cast<std::int32_t>(offset_delta);
    }
    if (no_key && rules_.require_keys) {
      note({index, RecordFault::kNoKey, timestamp});
    } else if (checks_time_ && timestamp != kNoTimestamp &&
               (timestamp < rules_.min_timestamp || timestamp > rules_.max_timestamp)) {
      note({index, RecordFault::kTimestamp, timestamp});
    }
  }

  void note(const RecordProblem& problem) {
    ++summary_.problem_count;
    if (summary_.problems.size() < rules_.max_problems) summary_.problems.push_back(problem);
  }

  RecordBytes bytes_;
  const RecordBatchView& batch_;
  const RecordRules& rules_;
  bool checks_time_;
  RecordsSummary summary_;
};

}  // namespace

Result<RecordsSummary> validate_records(const RecordBatchView& batch, const RecordRules& rules,
                                        RecordScratch& scratch) {
  return FramingCheck(batch, rules, scratch).run();
}

}  // namespace barnabas::protocol
