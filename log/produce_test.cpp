// What a produce may bring, what it gets for what it may not, and how producers are told apart.
#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"
#include "protocol/legacy_message_set.hpp"

namespace barnabas::log {
namespace {

using namespace testing;
using protocol::Codec;
using protocol::LogEntry;

struct Produce {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  std::unique_ptr<PartitionLog> log;

  Produce() { must(files.create_directories("/logs")); }
  void open(bool clean = true) {
    log.reset();
    OpenLogOptions options = options_for("/logs", config);
    options.clean = clean;
    log = must(open_log(files, clock, options));
  }
  ErrorCode error_of(Bytes batch, std::int16_t version = 13) {
    AppendOptions options;
    options.produce_version = version;
    auto result = log->append_as_leader(batch, options);
    return result ? ErrorCode::kNone : result.error().error.code;
  }
};

Bytes resealed(Bytes batch, std::size_t at, std::uint8_t value) {
  batch[at] = value;
  protocol::seal_batch(batch);
  return batch;
}

TEST_CASE_METHOD(Produce, "malformed produces get Kafka's errors and leave the log as it was") {
  open();
  Bytes good = make_batch({3});
  Bytes two = good;
  two.insert(two.end(), good.begin(), good.end());
  Bytes bad_crc = good;
  bad_crc[40] ^= 1;
  BatchSpec zstd{3};
  zstd.options.codec = Codec::kZstd;
  BatchSpec late{3};
  late.options.base_offset = Offset(77);
  Bytes broken_payload = make_batch(zstd);
  broken_payload[70] ^= 0xFF;
  protocol::seal_batch(broken_payload);
  CHECK(error_of({}) == ErrorCode::kInvalidRecord);
  CHECK(error_of(two) == ErrorCode::kInvalidRecord);
  CHECK(error_of(Bytes(good.begin(), good.end() - 1)) == ErrorCode::kInvalidRecord);
  CHECK(error_of(bad_crc) == ErrorCode::kCorruptMessage);
  CHECK(error_of(make_batch(zstd), 6) == ErrorCode::kUnsupportedCompressionType);
  CHECK(error_of(make_batch(late)) == ErrorCode::kInvalidRecord);
  CHECK(error_of(resealed(good, 22, 0x20)) == ErrorCode::kInvalidRecord);  // control
  CHECK(error_of(resealed(good, 60, 2)) == ErrorCode::kInvalidRecord);     // count
  CHECK(error_of(resealed(good, 60, 0)) == ErrorCode::kInvalidRecord);
  CHECK(error_of(resealed(good, 26, 9)) == ErrorCode::kInvalidRecord);       // last offset delta
  CHECK(error_of(resealed(good, 22, 5)) == ErrorCode::kUnknownServerError);  // a codec without a name
  CHECK(error_of(broken_payload) == ErrorCode::kUnknownServerError);
  CHECK(error_of(make_produced(ProducerId(1), 0, -1)) == ErrorCode::kInvalidRecord);
  config.max_message_bytes = 50;
  log->set_config(config);
  CHECK(error_of(good) == ErrorCode::kMessageTooLarge);
  CHECK(log->log_end_offset() == Offset(0));
  CHECK(log->size_bytes() == 0);
}

TEST_CASE_METHOD(Produce,
                 "records without a key are refused where the topic is compacted, each by its number") {
  config.cleanup_compact = true;
  open();
  BatchSpec spec{2};
  spec.null_key = true;
  auto refused = append(*log, make_batch(spec));
  REQUIRE(!refused);
  CHECK(refused.error().error.code == ErrorCode::kInvalidRecord);
  REQUIRE(refused.error().record_errors.size() == 2);
  CHECK(refused.error().record_errors[1].batch_index == 1);
  CHECK(refused.error().record_errors[0].message ==
        "Compacted topic cannot accept message without key in topic partition t-0");
  CHECK(refused.error().error.detail.starts_with(
      "One or more records have been rejected due to 2 record errors in total"));
  must(append(*log, make_batch()));
}

TEST_CASE_METHOD(Produce,
                 "timestamps outside of the topic's window are refused, LogAppendTime takes the broker's") {
  open();
  BatchSpec spec{1};
  spec.timestamp = clock.now_ms + config.message_timestamp_after_max_ms + 1;
  auto refused = append(*log, make_batch(spec));
  REQUIRE(!refused);
  CHECK(refused.error().error.code == ErrorCode::kInvalidTimestamp);
  CHECK(refused.error().record_errors.size() == 1);
  BatchSpec stamped{1};
  stamped.options.timestamp_type = protocol::TimestampType::kLogAppendTime;
  stamped.options.append_timestamp = clock.now_ms;
  CHECK(error_of(make_batch(stamped)) == ErrorCode::kInvalidTimestamp);

  config.message_timestamp_type = TimestampType::kLogAppendTime;
  log->set_config(config);
  AppendResult result = must(append(*log, make_batch(spec)));
  CHECK(result.log_append_time_ms == clock.now_ms);
  Bytes bytes = read_bytes(*log, 0);
  LogEntry entry{ByteView(bytes)};
  CHECK(entry.batch().crc_matches());
  CHECK(entry.batch().timestamp_type() == protocol::TimestampType::kLogAppendTime);
  CHECK(entry.batch().max_timestamp() == clock.now_ms);
}

TEST_CASE_METHOD(Produce, "a topic's own codec is put in place of the producer's") {
  Codec from = GENERATE(Codec::kNone, Codec::kGzip, Codec::kZstd);
  auto [setting, to] =
      GENERATE(table<CompressionSetting, Codec>({{CompressionSetting::kUncompressed, Codec::kNone},
                                                 {CompressionSetting::kGzip, Codec::kGzip},
                                                 {CompressionSetting::kSnappy, Codec::kSnappy},
                                                 {CompressionSetting::kLz4, Codec::kLz4},
                                                 {CompressionSetting::kZstd, Codec::kZstd}}));
  config.compression = setting;
  open();
  BatchSpec spec{20};
  spec.value = std::string(100, 'v');
  spec.options.codec = from;
  spec.options.producer_id = ProducerId(9);
  spec.options.producer_epoch = ProducerEpoch(0);
  spec.options.base_sequence = 0;
  CHECK(must(append(*log, make_batch(spec), 3)).last_offset == Offset(19));
  Bytes bytes = read_bytes(*log, 0);
  protocol::RecordBatchView batch = LogEntry{ByteView(bytes)}.batch();
  CHECK(batch.codec() == to);
  CHECK(batch.crc_matches());
  CHECK(batch.leader_epoch() == LeaderEpoch(3));
  CHECK(batch.producer_id() == ProducerId(9));
  protocol::RecordScratch scratch;
  protocol::RecordCursor cursor(batch, scratch);
  protocol::RecordView record;
  int count = 0;
  while (must(cursor.next(record))) {
    CHECK(record.offset == Offset(count));
    CHECK(record.timestamp == spec.timestamp + count);
    CHECK(as_text(*record.value) == spec.value);
    ++count;
  }
  CHECK(count == 20);
}

TEST_CASE_METHOD(Produce, "message sets of magic 0 and 1 become batches for versions below 3 only") {
  open();
  auto magic = static_cast<std::int8_t>(GENERATE(0, 1));
  Codec codec = GENERATE(Codec::kNone, Codec::kGzip);
  protocol::LegacySetOptions options;
  options.magic = magic;
  options.codec = codec;
  protocol::LegacySetBuilder builder(options);
  for (int i = 0; i < 3; ++i) builder.append(Offset(i), clock.now_ms + i, as_bytes("k"), as_bytes("v"));
  protocol::Compressor compressor;
  Bytes set = builder.build(compressor);
  CHECK(error_of(set, 3) == ErrorCode::kInvalidRecord);
  CHECK(error_of(set, 2) == ErrorCode::kNone);
  CHECK(log->log_end_offset() == Offset(3));
  Bytes bytes = read_bytes(*log, 0);
  protocol::RecordBatchView batch = LogEntry{ByteView(bytes)}.batch();
  CHECK(batch.count() == 3);
  CHECK(batch.codec() == codec);
  CHECK(batch.max_timestamp() == (magic == 0 ? -1 : clock.now_ms + 2));
}

TEST_CASE_METHOD(Produce, "an idempotent producer's duplicates, gaps and old epochs are told apart") {
  open();
  ProducerId id(40);
  CHECK(must(append(*log, make_produced(id, 0, 5, 2))).base_offset == Offset(0));  // unknown: any start
  for (int i = 0; i < 5; ++i) must(append(*log, make_produced(id, 0, 7 + 2 * i, 2)));
  CHECK(log->log_end_offset() == Offset(12));
  AppendResult again = must(append(*log, make_produced(id, 0, 9, 2)));
  CHECK(again.duplicate);
  CHECK(again.base_offset == Offset(4));
  CHECK(again.last_offset == Offset(5));
  CHECK(log->log_end_offset() == Offset(12));
  CHECK(error_of(make_produced(id, 0, 5, 2)) == ErrorCode::kOutOfOrderSequenceNumber);   // a sixth back
  CHECK(error_of(make_produced(id, 0, 19, 1)) == ErrorCode::kOutOfOrderSequenceNumber);  // a gap
  CHECK(error_of(make_produced(id, 2, 3, 1)) == ErrorCode::kOutOfOrderSequenceNumber);   // new epoch, not 0
  CHECK(must(append(*log, make_produced(id, 2, 0, 1))).base_offset == Offset(12));
  CHECK(error_of(make_produced(id, 1, 0, 1)) == ErrorCode::kInvalidProducerEpoch);
  REQUIRE(log->active_producers().size() == 1);
  CHECK(log->active_producers()[0].epoch == ProducerEpoch(2));
  bool clean = GENERATE(true, false);
  if (clean) must(log->close());
  open(clean);
  CHECK(must(append(*log, make_produced(id, 2, 0, 1))).duplicate);
  CHECK(error_of(make_produced(id, 2, 2, 1)) == ErrorCode::kOutOfOrderSequenceNumber);
  CHECK(must(append(*log, make_produced(id, 2, 1, 1))).base_offset == Offset(13));
}

TEST_CASE_METHOD(Produce,
                 "any of a producer's last five batches is known again after a start and after a cut") {
  config.index_interval_bytes = 200;
  open();
  ProducerId id(42);
  for (int i = 0; i < 400; ++i) must(append(*log, make_produced(ProducerId(1), 0, i, 1)));
  for (int i = 0; i < 6; ++i) {
    must(append(*log, make_produced(id, 0, 10 * i, 10)));
    must(append(*log, make_produced(ProducerId(1), 0, 400 + i, 1)));
  }
  const Offset end = log->log_end_offset();
  if (GENERATE(true, false)) {
    must(log->close());
    open(true);
  } else {
    // A snapshot at the begin of a new segment, of which only the first batch is left.
    must(log->roll());
    for (int i = 0; i < 3; ++i) must(append(*log, make_produced(ProducerId(1), 0, 406 + i, 1)));
    must(log->truncate_to(end + 1));
  }
  for (int back = 1; back <= 5; ++back) {
    const int batch = 6 - back;
    const AppendResult again = must(append(*log, make_produced(id, 0, 10 * batch, 10)));
    CHECK(again.duplicate);
    CHECK(again.base_offset == Offset(400 + 11 * batch));
  }
  CHECK(error_of(make_produced(id, 0, 0, 10)) == ErrorCode::kOutOfOrderSequenceNumber);  // a sixth back
  CHECK(error_of(make_produced(id, 0, 21, 10)) ==
        ErrorCode::kOutOfOrderSequenceNumber);  // none that there was
  CHECK_FALSE(must(append(*log, make_produced(id, 0, 60, 1))).duplicate);
}

TEST_CASE_METHOD(Produce, "sequences begin at 0 again after 2147483647") {
  open();
  ProducerId id(41);
  must(append(*log, make_produced(id, 0, INT32_MAX - 1, 4)));
  CHECK(log->active_producers()[0].last_sequence == 1);
  CHECK(must(append(*log, make_produced(id, 0, INT32_MAX - 1, 4))).duplicate);
  CHECK(must(append(*log, make_produced(id, 0, 2, 1))).base_offset == Offset(4));
}

TEST_CASE_METHOD(Produce,
                 "a silent producer is forgotten after its time, not while its transaction is open") {
  config.producer_id_expiration_ms = 1000;
  open();
  must(append(*log, make_produced(ProducerId(1), 0, 0)));
  must(append(*log, make_produced(ProducerId(2), 0, 0, 1, true)));
  log->expire_producers(clock.now_ms + 999);
  CHECK(log->active_producers().size() == 2);
  log->expire_producers(clock.now_ms + 1000);
  REQUIRE(log->active_producers().size() == 1);
  CHECK(log->active_producers()[0].id == ProducerId(2));
}

TEST_CASE_METHOD(Produce,
                 "the last stable offset waits for open transactions and then for the high watermark") {
  config.segment_bytes = GENERATE(1 << 20, 300);
  open();
  ProducerId a(1);
  ProducerId b(2);
  must(append(*log, make_batch()));                     // 0
  must(append(*log, make_produced(a, 0, 0, 2, true)));  // 1, 2
  must(append(*log, make_produced(b, 0, 0, 1, true)));  // 3
  log->set_high_watermark(log->log_end_offset());
  CHECK(log->last_stable_offset() == Offset(1));
  CHECK(log->active_producers()[0].current_transaction_start == Offset(1));
  auto plain = append(*log, make_produced(a, 0, 2, 1, false));
  REQUIRE(!plain);
  CHECK(plain.error().error.code == ErrorCode::kInvalidTxnState);
  must(append(*log, make_marker(a, 0, false, 5), 0, AppendOrigin::kCoordinator));  // 4
  CHECK(log->last_stable_offset() == Offset(1));
  log->set_high_watermark(log->log_end_offset());
  CHECK(log->last_stable_offset() == Offset(3));
  must(append(*log, make_marker(b, 0, true, 5), 0, AppendOrigin::kCoordinator));  // 5
  log->set_high_watermark(log->log_end_offset());
  CHECK(log->last_stable_offset() == Offset(6));
  // Nor may epochs be below "none" where nobody is known.
  CHECK(append(*log, make_marker(ProducerId(3), -2, true, 5), 0, AppendOrigin::kCoordinator)
            .error()
            .error.code == ErrorCode::kInvalidProducerEpoch);
  CHECK(append(*log, make_marker(ProducerId(3), 0, true, -2), 0, AppendOrigin::kCoordinator)
            .error()
            .error.code == ErrorCode::kTransactionCoordinatorFenced);
  auto zombie = append(*log, make_marker(a, 0, true, 4), 0, AppendOrigin::kCoordinator);
  REQUIRE(!zombie);
  CHECK(zombie.error().error.code == ErrorCode::kTransactionCoordinatorFenced);

  auto check_aborted = [&] {
    auto aborted = must(log->aborted_transactions(Offset(0), Offset(6)));
    REQUIRE(aborted.size() == 1);
    CHECK(aborted[0].producer_id == a);
    CHECK(aborted[0].first_offset == Offset(1));
    CHECK(aborted[0].last_offset == Offset(4));
    CHECK(aborted[0].last_stable_offset == Offset(3));
    CHECK(must(log->aborted_transactions(Offset(5), Offset(6))).empty());
    CHECK(must(log->aborted_transactions(Offset(0), Offset(1))).empty());
  };
  check_aborted();
  bool clean = GENERATE(true, false);
  if (clean) must(log->close());
  open(clean);
  check_aborted();
  log->set_high_watermark(log->log_end_offset());
  CHECK(log->last_stable_offset() == Offset(6));
}

TEST_CASE_METHOD(Produce, "an open transaction is still open after a restart") {
  open();
  must(append(*log, make_batch()));
  must(append(*log, make_produced(ProducerId(3), 1, 0, 2, true)));
  bool clean = GENERATE(true, false);
  if (clean) must(log->close());
  open(clean);
  log->set_high_watermark(log->log_end_offset());
  CHECK(log->last_stable_offset() == Offset(1));
  must(append(*log, make_marker(ProducerId(3), 1, false), 0, AppendOrigin::kCoordinator));
  log->set_high_watermark(log->log_end_offset());
  CHECK(log->last_stable_offset() == Offset(4));
  REQUIRE(must(log->aborted_transactions(Offset(0), Offset(4))).size() == 1);
  CHECK(must(log->aborted_transactions(Offset(0), Offset(4)))[0].first_offset == Offset(1));
}

}  // namespace
}  // namespace barnabas::log
