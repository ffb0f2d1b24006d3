#include "bench/wirebench/requests.hpp"

#include <chrono>
#include <random>
#include <stdexcept>

#include "protocol/record_batch.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/writer.hpp"

namespace barnabas::wirebench {
namespace {

using protocol::Reader;
using protocol::Writer;

constexpr bool kCompact = false;

void expect_no_error(int code, const char* what) {
  if (code != 0) throw std::runtime_error(what + std::string(" error ") + std::to_string(code));
}

void expect_whole(const Reader& answer) {
  if (!answer.ok())
    throw std::runtime_error(std::string("an answer that cannot be read: ") + answer.failure());
}

protocol::Codec codec_named(std::string_view name) {
  for (std::size_t number = 0; number < protocol::kCodecCount; ++number) {
    const auto codec = static_cast<protocol::Codec>(number);
    if (protocol::codec_name(codec) == name) return codec;
  }
  throw std::runtime_error("no codec is called " + std::string(name));
}

void skip_string(Reader& answer) {
  const std::int16_t size = answer.int16();
  if (size > 0) answer.skip(static_cast<std::size_t>(size));
}

/// The offset behind the last whole batch of `records`, `offset` if there is none.
std::int64_t offset_behind(ByteView records, std::int64_t offset) {
  while (records.size() >= protocol::kBatchHeaderBytes) {
    const protocol::RecordBatchHeader batch(records.data());
    if (batch.size_bytes() < static_cast<std::int64_t>(protocol::kBatchHeaderBytes)) break;
    const auto size = static_cast<std::size_t>(batch.size_bytes());
    if (size > records.size()) break;
    offset = batch.next_offset().value();
    records = records.subspan(size);
  }
  return offset;
}

}  // namespace

int version_of(int api_key) {
  switch (api_key) {
    case kProduceKey:
      return 8;
    case kFetchKey:
      return 11;
    case kListOffsetsKey:
      return 4;
    case kMetadataKey:
      return 8;
    case kApiVersionsKey:
      return 0;
    case kCreateTopicsKey:
      return 4;
    case kDeleteTopicsKey:
      return 3;
    default:
      throw std::logic_error("no request with this key is sent");
  }
}

Bytes frame(int api_key, std::int32_t correlation_id, ByteView body) {
  Writer out;
  out.int32(0);
  out.int16(static_cast<std::int16_t>(api_key));
  out.int16(static_cast<std::int16_t>(version_of(api_key)));
  out.int32(correlation_id);
  out.string("wirebench", kCompact);
  out.raw(body);
  out.patch_int32(0, static_cast<std::int32_t>(out.size() - 4));
  return out.take();
}

std::int64_t wall_clock_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

Bytes half_noise(int size, unsigned seed) {
  std::mt19937 noise(seed);
  Bytes value(static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < value.size(); ++at) {
    value[at] = static_cast<std::uint8_t>((at / 16) % 2 != 0 ? noise() : 'a' + at % 16);
  }
  return value;
}

Bytes record_batch(int count, int size, std::string_view codec) {
  const std::int64_t now_ms = wall_clock_ms();
  protocol::BatchOptions options;
  options.codec = codec_named(codec);
  protocol::RecordBatchBuilder builder(options);
  for (int record = 0; record < count; ++record) {
    const Bytes value = half_noise(size, static_cast<unsigned>(record));
    protocol::RecordInput input;
    input.timestamp = now_ms;
    input.value = value;
    builder.append(input);
  }
  return builder.build();
}

Bytes produce_body(std::string_view topic, int partition, int acks, ByteView batch) {
  Writer out(batch.size() + 64);
  out.null_string(kCompact);  // transactional id
  out.int16(static_cast<std::int16_t>(acks));
  out.int32(30000);
  out.int32(1);
  out.string(topic, kCompact);
  out.int32(1);
  out.int32(partition);
  out.bytes(batch, kCompact);
  return out.take();
}

void check_produced(Reader answer) {
  const std::int32_t topics = answer.int32();
  for (std::int32_t topic = 0; topic < topics && answer.ok(); ++topic) {
    skip_string(answer);
    const std::int32_t partitions = answer.int32();
    for (std::int32_t partition = 0; partition < partitions && answer.ok(); ++partition) {
      answer.int32();
      expect_no_error(answer.int16(), "produce");
      answer.skip(3 * sizeof(std::int64_t));  // base offset, append time, log start offset
      const std::int32_t record_errors = answer.int32();
      for (std::int32_t error = 0; error < record_errors && answer.ok(); ++error) {
        answer.int32();
        skip_string(answer);
      }
      skip_string(answer);
    }
  }
  expect_whole(answer);
}

Bytes fetch_body(std::string_view topic, const FetchFrom& from) {
  Writer out;
  out.int32(-1);  // a consumer
  out.int32(from.max_wait_ms);
  out.int32(1);
  out.int32(from.max_bytes);
  out.int8(0);    // read uncommitted
  out.int32(0);   // no session
  out.int32(-1);  // session epoch
  out.int32(1);
  out.string(topic, kCompact);
  out.int32(1);
  out.int32(from.partition);
  out.int32(-1);  // leader epoch
  out.int64(from.offset);
  out.int64(-1);  // log start offset
  out.int32(from.max_bytes);
  out.int32(0);  // forgotten topics
  out.string("", kCompact);
  return out.take();
}

Fetched check_fetched(Reader answer, std::int64_t offset) {
  answer.int32();
  expect_no_error(answer.int16(), "fetch");
  answer.int32();
  Fetched fetched{offset, -1, 0};
  const std::int32_t topics = answer.int32();
  for (std::int32_t topic = 0; topic < topics && answer.ok(); ++topic) {
    skip_string(answer);
    const std::int32_t partitions = answer.int32();
    for (std::int32_t partition = 0; partition < partitions && answer.ok(); ++partition) {
      answer.int32();
      expect_no_error(answer.int16(), "fetch partition");
      fetched.high_watermark = answer.int64();
      answer.skip(2 * sizeof(std::int64_t));  // last stable offset, log start offset
      const std::int32_t aborted = answer.int32();
      for (std::int32_t entry = 0; entry < aborted && answer.ok(); ++entry) answer.skip(16);
      answer.int32();
      const std::int32_t size = answer.int32();
      const ByteView records = answer.take(size < 0 ? 0 : static_cast<std::size_t>(size));
      fetched.bytes += static_cast<std::int64_t>(records.size());
      fetched.next_offset = offset_behind(records, fetched.next_offset);
    }
  }
  expect_whole(answer);
  return fetched;
}

Bytes latest_offset_body(std::string_view topic) {
  Writer out;
  out.int32(-1);
  out.int8(0);
  out.int32(1);
  out.string(topic, kCompact);
  out.int32(1);
  out.int32(0);
  out.int32(-1);
  out.int64(-1);
  return out.take();
}

std::int64_t latest_offset(Reader answer) {
  answer.int32();
  answer.int32();
  skip_string(answer);
  answer.int32();
  answer.int32();
  expect_no_error(answer.int16(), "list offsets");
  answer.int64();
  const std::int64_t offset = answer.int64();
  expect_whole(answer);
  return offset;
}

Bytes create_topic_body(std::string_view topic, int partitions, int replicas, const TopicSettings& settings) {
  Writer out;
  out.int32(1);
  out.string(topic, kCompact);
  out.int32(partitions);
  out.int16(static_cast<std::int16_t>(replicas));
  out.int32(0);  // assignments
  out.int32(static_cast<std::int32_t>(settings.size()));
  for (const auto& [key, value] : settings) {
    out.string(key, kCompact);
    out.string(value, kCompact);
  }
  out.int32(30000);  // timeout
  out.boolean(false);
  return out.take();
}

Bytes delete_topic_body(std::string_view topic) {
  Writer out;
  out.int32(1);
  out.string(topic, kCompact);
  out.int32(30000);
  return out.take();
}

int created_topic_error(Reader answer) {
  answer.int32();
  answer.int32();
  skip_string(answer);
  const int code = answer.int16();
  expect_whole(answer);
  return code;
}

int deleted_topic_error(Reader answer) {
  return created_topic_error(answer);  // The error stands at the same place.
}

Bytes metadata_body() {
  Writer out;
  out.int32(-1);
  out.int8(0);
  out.int8(0);
  out.int8(0);
  return out.take();
}

}  // namespace barnabas::wirebench
