// Produces at the edge of what Kafka takes: bytes behind the batch, offsets that run otherwise, streams of
// nothing. Each as measured on Kafka 4.3.1.
#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;
using protocol::Codec;
namespace field = protocol::batch_field;

struct Edge {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  std::unique_ptr<PartitionLog> log;

  Edge() {
    must(files.create_directories("/logs"));
    log = must(open_log(files, clock, options_for("/logs", config)));
  }
  void set(CompressionSetting compression) {
    config.compression = compression;
    log->set_config(config);
  }
  ErrorCode error_of(const Bytes& batch) {
    auto result = append(*log, batch);
    return result ? ErrorCode::kNone : result.error().error.code;
  }
};

Bytes with_tail(Bytes batch, const Bytes& tail) {
  batch.insert(batch.end(), tail.begin(), tail.end());
  return batch;
}

/// Two records whose offset deltas are 3 and 4, in a batch that says it has the offsets 0 and 1.
Bytes beginning_at_three(Codec codec) {
  protocol::BatchOptions options;
  options.codec = codec;
  protocol::RecordBatchBuilder builder(options);
  protocol::RecordInput record;
  record.timestamp = 1'700'000'000'000;
  record.value = as_bytes("v");
  builder.append_at(Offset(3), record);
  builder.append_at(Offset(4), record);
  Bytes batch = builder.build();
  protocol::store_big_endian(batch.data() + field::kLastOffsetDelta, std::int32_t{1});
  protocol::seal_batch(batch);
  return batch;
}

std::vector<std::int64_t> offsets_in(const Bytes& bytes) {
  std::vector<std::int64_t> found;
  protocol::RecordScratch scratch;
  const protocol::RecordBatchView batch{ByteView(bytes)};
  protocol::RecordCursor cursor(batch, scratch);
  for (protocol::RecordView record; must(cursor.next(record));) found.push_back(record.offset.value());
  return found;
}

TEST_CASE_METHOD(Edge, "bytes behind a batch that are no whole batch are not stored") {
  const Bytes good = make_batch();
  CHECK(error_of(with_tail(good, {'j', 'u', 'n', 'k'})) == ErrorCode::kNone);
  CHECK(error_of(with_tail(good, Bytes(good.begin(), good.end() - 1))) == ErrorCode::kNone);
  CHECK(log->size_bytes() == 2 * good.size());
  CHECK(log->log_end_offset() == Offset(2));
  CHECK(error_of(with_tail(good, Bytes(12))) == ErrorCode::kCorruptMessage);
  CHECK(error_of(with_tail(good, Bytes(40))) == ErrorCode::kCorruptMessage);
  CHECK(error_of(with_tail(good, good)) == ErrorCode::kInvalidRecord);
}

TEST_CASE_METHOD(Edge, "a batch that claims less than it has fails by its CRC") {
  Bytes shorter = make_batch();
  protocol::store_big_endian(shorter.data() + field::kLength, std::int32_t{49});
  CHECK(error_of(shorter) == ErrorCode::kCorruptMessage);
}

TEST_CASE_METHOD(Edge, "an impossible magic is corrupt, an old one has no place in a batch's request") {
  Bytes batch = make_batch();
  for (const int magic : {-1, 3, 127}) {
    batch[field::kMagic] = static_cast<std::uint8_t>(magic);
    CHECK(error_of(batch) == ErrorCode::kCorruptMessage);
  }
  batch[field::kMagic] = 1;
  CHECK(error_of(batch) == ErrorCode::kInvalidRecord);
}

TEST_CASE_METHOD(Edge, "offsets of uncompressed records are stored as they came") {
  const AppendResult result = must(append(*log, beginning_at_three(Codec::kNone)));
  CHECK(result.last_offset == Offset(1));
  CHECK(log->log_end_offset() == Offset(2));
  CHECK(offsets_in(read_bytes(*log, 0)) == std::vector<std::int64_t>{3, 4});
}

TEST_CASE_METHOD(Edge, "offsets are put right where the batch is written anew") {
  set(CompressionSetting::kGzip);
  must(append(*log, beginning_at_three(Codec::kNone)));
  CHECK(offsets_in(read_bytes(*log, 0)) == std::vector<std::int64_t>{0, 1});
}

TEST_CASE_METHOD(Edge, "offsets of compressed records have to run from 0") {
  CHECK(error_of(beginning_at_three(Codec::kGzip)) == ErrorCode::kUnknownServerError);
  CHECK(log->log_end_offset() == Offset(0));
}

TEST_CASE_METHOD(Edge, "a compressed stream of nothing fails as its codec does in Kafka") {
  const auto nothing = [](std::uint8_t codec) {
    Bytes batch = make_batch();
    batch.resize(protocol::kBatchHeaderBytes);
    protocol::store_big_endian(batch.data() + field::kLength, std::int32_t{49});
    batch[field::kAttributes + 1] = codec;
    protocol::seal_batch(batch);
    return batch;
  };
  CHECK(error_of(nothing(2)) == ErrorCode::kUnknownServerError);  // snappy
  CHECK(error_of(nothing(4)) == ErrorCode::kInvalidRecord);       // zstd
}

}  // namespace
}  // namespace barnabas::log
