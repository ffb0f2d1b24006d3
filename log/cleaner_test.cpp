// What compaction keeps and drops.
#include "log/cleaner.hpp"

#include "log/cleaner_testing.hpp"
#include "log/partition_files.hpp"

namespace barnabas::log {
namespace {

using namespace testing;
using Offsets = std::vector<std::int64_t>;

TEST_CASE_METHOD(Compacted, "the last record of each key stays, where it was, and segments become one") {
  open();
  put_segment(keyed_batch({{"a", "1"}, {"b", "1"}}));
  put_segment(keyed_batch({{"a", "2"}, {"c", "1"}}));
  put_segment(keyed_batch({{"b", "2"}}));
  put(keyed_batch({{"a", "3"}}));
  CleaningReport report = clean();
  CHECK(report.from == Offset(0));
  CHECK(report.to == Offset(5));
  CHECK(report.keys == 3);
  CHECK(report.segments_before == 3);
  CHECK(report.segments_after == 1);
  CHECK(report.bytes_after < report.bytes_before);
  CHECK(log->cleaned_to() == Offset(5));
  CHECK(log->segment_count() == 2);
  const std::vector<KeyedRecord> left = {{2, "a", "2"}, {3, "c", "1"}, {4, "b", "2"}, {5, "a", "3"}};
  CHECK(records() == left);
  CHECK(log->log_end_offset() == Offset(6));
  CHECK(log->log_start_offset() == Offset(0));
  reopen(GENERATE(true, false));
  CHECK(records() == left);
  CHECK(must(append(*log, keyed_batch({{"z", "1"}}))).base_offset == Offset(6));
}

TEST_CASE_METHOD(Compacted, "the active segment and what is above the high watermark are left alone") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"a", "2"}}));
  must(append(*log, keyed_batch({{"a", "3"}})));
  must(log->roll());
  must(append(*log, keyed_batch({{"a", "4"}})));
  CleaningReport report = clean();
  CHECK(report.to == Offset(2));
  CHECK(offsets() == Offsets{1, 2, 3});
  log->set_high_watermark(Offset(4));
  CHECK(clean().to == Offset(3));
  CHECK(offsets() == Offsets{2, 3});
}

TEST_CASE_METHOD(Compacted, "a tombstone stays until its delete horizon, which the first cleaning sets") {
  config.delete_retention_ms = 5000;
  open();
  put_segment(keyed_batch({{"a", "1"}, {"b", "1"}}));
  put_segment(keyed_batch({{"a", std::nullopt}, {"c", "1"}}));
  std::int64_t first_ms = clock.now_ms;
  clean();
  CHECK(offsets() == Offsets{1, 2, 3});
  Bytes with_tombstone = entries()[1];
  CHECK(protocol::RecordBatchView(with_tombstone).delete_horizon_ms() == first_ms + 5000);
  CHECK(protocol::RecordBatchView(with_tombstone).max_timestamp() == 1'700'000'000'000);
  clock.now_ms += 4999;
  put_segment(keyed_batch({{"d", "1"}}));
  clean();
  CHECK(offsets() == Offsets{1, 2, 3, 4});
  Bytes kept = entries()[1];
  CHECK(protocol::RecordBatchView(kept).delete_horizon_ms() == first_ms + 5000);
  clock.now_ms += 1;
  put_segment(keyed_batch({{"e", "1"}}));
  clean();
  CHECK(offsets() == Offsets{1, 3, 4, 5});
  CHECK(protocol::RecordBatchView(entries()[1]).has_delete_horizon());
}

TEST_CASE_METHOD(Compacted, "a batch keeps its offsets, sequences and codec when some of its records go") {
  auto codec = GENERATE(protocol::Codec::kNone, protocol::Codec::kGzip, protocol::Codec::kSnappy,
                        protocol::Codec::kLz4, protocol::Codec::kZstd);
  open();
  protocol::BatchOptions producer;
  producer.codec = codec;
  producer.producer_id = ProducerId(9);
  producer.producer_epoch = ProducerEpoch(2);
  producer.base_sequence = 40;
  put_segment(keyed_batch({{"a", "1"}, {"b", "1"}, {"c", "1"}}, producer));
  producer.base_sequence = 43;
  put_segment(keyed_batch({{"a", "2"}, {"c", "2"}}, producer));
  clean();
  std::vector<Bytes> left = entries();
  REQUIRE(left.size() == 2);
  protocol::RecordBatchView first{ByteView(left[0])};
  CHECK(first.codec() == codec);
  CHECK(first.base_offset() == Offset(0));
  CHECK(first.last_offset() == Offset(2));
  CHECK(first.base_sequence() == 40);
  CHECK(first.last_sequence() == 42);
  CHECK(first.count() == 1);
  CHECK(first.producer_epoch() == ProducerEpoch(2));
  CHECK(offsets() == Offsets{1, 3, 4});
}

TEST_CASE_METHOD(Compacted, "a producer's last batch stays as an empty header until the producer expires") {
  open();
  put_segment(keyed_batch(
      {{"a", "1"}}, {.producer_id = ProducerId(1), .producer_epoch = ProducerEpoch(0), .base_sequence = 0}));
  put_segment(keyed_batch(
      {{"a", "2"}}, {.producer_id = ProducerId(1), .producer_epoch = ProducerEpoch(0), .base_sequence = 1}));
  put_segment(keyed_batch({{"a", "3"}}));
  clean();
  CHECK(offsets() == Offsets{2});
  std::vector<Bytes> left = entries();
  REQUIRE(left.size() == 2);
  protocol::RecordBatchView empty{ByteView(left[0])};
  CHECK(empty.count() == 0);
  CHECK(empty.base_offset() == Offset(1));
  CHECK(empty.base_sequence() == 1);
  CHECK(empty.bytes().size() == protocol::kBatchHeaderBytes);
  // Without its snapshots the log still knows the producer.
  must(log->close());
  for (const std::string& name : file_names())
    if (name.ends_with(".snapshot")) must(files.remove("/logs/t-0/" + name));
  open(GENERATE(true, false), 3);
  REQUIRE(log->active_producers().size() == 1);
  CHECK(log->active_producers()[0].last_sequence == 1);
  clock.now_ms += config.producer_id_expiration_ms + 1;
  log->expire_producers(clock.now_ms);
  put_segment(keyed_batch({{"b", "1"}}));
  clean();
  CHECK(entries().size() == 2);
  CHECK(offsets() == Offsets{2, 3});
}

TEST_CASE_METHOD(Compacted, "the last batch of a round stays, if need be empty, so that the end is known") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  put(keyed_batch({{"a", "2"}}, {.producer_id = ProducerId(1),
                                 .producer_epoch = ProducerEpoch(0),
                                 .base_sequence = 0,
                                 .is_transactional = true}));
  put_segment(make_marker(ProducerId(1), 0, false), AppendOrigin::kCoordinator);
  put_segment(keyed_batch({{"b", std::nullopt}}));
  clock.now_ms += config.producer_id_expiration_ms + 1;
  log->expire_producers(clock.now_ms);
  clean();
  CHECK(offsets() == Offsets{0, 3});
  clock.now_ms += config.delete_retention_ms;
  clean();
  CHECK(offsets() == Offsets{0});
  REQUIRE(!entries().empty());
  Bytes last = entries().back();
  CHECK(protocol::RecordBatchView(last).count() == 0);
  CHECK(protocol::RecordBatchView(last).next_offset() == Offset(4));
}

TEST_CASE_METHOD(Compacted, "records without a key have no business in a compacted log") {
  config.cleanup_compact = false;
  open();
  BatchSpec keyless{2};
  keyless.null_key = true;
  put_segment(make_batch(keyless));
  put_segment(keyed_batch({{"a", "1"}}));
  config.cleanup_compact = true;
  log->set_config(config);
  CleaningReport report = clean();
  CHECK(report.counts.keyless_records == 2);
  CHECK(offsets() == Offsets{2});
}

TEST_CASE_METHOD(Compacted, "a map that is full ends the round early, and the next one goes on from there") {
  options.dedupe_buffer_bytes = 5 * OffsetMap::kBytesPerEntry;
  options.load_factor = 0.9;  // four keys a round
  open();
  for (int round = 0; round < 3; ++round)
    for (const char* key : {"a", "b", "c", "d", "e", "f"})
      put_segment(keyed_batch({{key, std::to_string(round)}, {"x", std::to_string(round)}}));
  std::int64_t before = 0;
  int rounds = 0;
  while (must(log->cleaning_outlook(clock.now_ms)).cleanable_bytes > 0) {
    CleaningReport report = clean();
    CHECK(report.keys <= 4);
    REQUIRE(report.to.value() > before);
    before = report.to.value();
    REQUIRE(++rounds < 30);
  }
  CHECK(rounds > 3);
  CHECK(log->cleaned_to() == Offset(36));
  for (const auto& [key, value] : last_values(records())) CHECK(value == "2");
  CHECK(last_values(records()).size() == 7);
}

TEST_CASE_METHOD(Compacted, "segments are grouped by size, and the range of offsets, and later ones join") {
  Bytes one = keyed_batch({{"a", "1"}});
  config.segment_bytes = static_cast<std::int32_t>(3 * one.size());
  open();
  for (int i = 0; i < 9; ++i) put_segment(keyed_batch({{std::string(1, static_cast<char>('a' + i)), "1"}}));
  CleaningReport report = clean();
  CHECK(report.segments_before == 9);
  CHECK(report.segments_after == 3);
  CHECK(log->segment_count() == 4);
  for (int i = 0; i < 9; ++i) put_segment(keyed_batch({{std::string(1, static_cast<char>('a' + i)), "2"}}));
  report = clean();
  CHECK(report.segments_before == 12);
  CHECK(offsets() == Offsets{9, 10, 11, 12, 13, 14, 15, 16, 17});
  put_segment(keyed_batch({{"j", "1"}}));
  report = clean();
  CHECK(report.segments_after < report.segments_before);
}

TEST_CASE_METHOD(Compacted, "offsets too far apart for one segment are not put into one") {
  CleaningPlan plan;
  plan.segment_bytes = 1 << 30;
  plan.segment_index_bytes = 1 << 20;
  auto segment = [](std::int64_t base, std::int64_t end, std::uint64_t size) {
    SourceSegment one;
    one.base = Offset(base);
    one.end = Offset(end);
    one.size = size;
    return one;
  };
  std::int64_t far = INT32_MAX;
  const std::vector<SourceSegment> sources = {segment(0, 10, 5), segment(10, far + 1, 5),
                                              segment(far + 1, far + 2, 5), segment(far + 2, far + 9, 0),
                                              segment(far + 9, 3 * far, 0)};
  auto groups = group_segments(sources, plan);
  REQUIRE(groups.size() == 2);
  CHECK(groups[0].size() == 2);
  CHECK(groups[1].size() == 3);
}

TEST_CASE_METHOD(Compacted, "what is due is told by the ratio, the lags and the stable offset") {
  config.min_cleanable_dirty_ratio = 0.5;
  open();
  auto outlook = [&] { return must(log->cleaning_outlook(clock.now_ms)); };
  CHECK(!outlook().is_due());
  std::int64_t now = clock.now_ms;
  put_segment(keyed_batch({{"a", "1"}}, {}, now));
  CHECK(outlook().ratio() == 1.0);
  CHECK(outlook().is_due());
  clean();
  CHECK(!outlook().is_due());
  CHECK(outlook().ratio() == 0.0);
  put_segment(keyed_batch({{"b", "1"}}, {}, now));
  CHECK(outlook().ratio() == Approx(0.5));
  CHECK(!outlook().is_due());  // it must be above
  config.max_compaction_lag_ms = 1000;
  log->set_config(config);
  clock.now_ms = now + 1000;
  CHECK(!outlook().is_due());
  clock.now_ms = now + 1001;
  CHECK(outlook().is_overdue);
  CHECK(outlook().is_due());
  config.min_compaction_lag_ms = 5000;
  log->set_config(config);
  CHECK(outlook().cleanable_bytes == 0);
  CHECK(!outlook().is_due());
  clock.now_ms = now + 5000;
  CHECK(outlook().first_uncleanable == Offset(2));
  CHECK(outlook().is_due());
}

TEST_CASE_METHOD(Compacted, "a checkpoint that the log has left behind makes everything dirty") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"a", "2"}}));
  must(log->close());
  open(true, 77);
  CHECK(must(log->cleaning_outlook(clock.now_ms)).first_dirty == Offset(0));
  clean();
  CHECK(offsets() == Offsets{1});
  CHECK(log->cleaned_to() == Offset(2));
  must(log->truncate_to(Offset(1)));
  CHECK(log->cleaned_to() == Offset(1));
}

TEST_CASE_METHOD(Compacted, "a segment with a broken batch is not cleaned, and the error says where it is") {
  open();
  put_segment(keyed_batch({{"a", "1"}}));
  Bytes second = keyed_batch({{"a", "2"}});
  put(keyed_batch({{"b", "2"}}));
  put_segment(second);
  put_segment(keyed_batch({{"a", "3"}}));
  std::uint64_t position = keyed_batch({{"b", "2"}}).size();
  std::uint64_t at = GENERATE(8, 64);  // length, a record
  must(files.corrupt("/logs/t-0/00000000000000000001.log", position + at, 1));
  auto cleaned = try_clean();
  REQUIRE(!cleaned);
  CHECK(cleaned.error().code == ErrorCode::kCorruptMessage);
  CHECK(cleaned.error().detail.find("00000000000000000001.log at position " + std::to_string(position)) !=
        std::string::npos);
  CHECK(log->segment_count() == 4);
  CHECK(files_ending(".cleaned") == 0);
  CHECK(log->cleaned_to() == kNoOffset);
}

TEST_CASE_METHOD(Compacted,
                 "a batch whose offsets do not grow is kept whole, since it cannot be written anew") {
  open();
  Bytes backwards = keyed_batch({{"a", "1"}, {"b", "1"}, {"c", "1"}});
  // Offset deltas lie third in a record: length, attributes, timestamp delta, offset delta.
  std::size_t first_delta = protocol::kBatchHeaderBytes + 3;
  std::size_t record_bytes = (backwards.size() - protocol::kBatchHeaderBytes) / 3;
  std::swap(backwards[first_delta], backwards[first_delta + record_bytes]);
  protocol::seal_batch(backwards);
  put_segment(backwards);  // a at 1, b at 0, c at 2
  put_segment(keyed_batch({{"c", "2"}}));
  clean();
  CHECK(offsets() == Offsets{1, 0, 2, 3});
  CHECK(last_values(records())["c"] == "2");
  // What is left then is in order. The old c was passed over and goes when its key comes again.
  put_segment(keyed_batch({{"b", "3"}}));
  clean();
  CHECK(offsets() == Offsets{1, 2, 3, 4});
  put_segment(keyed_batch({{"c", "3"}}));
  clean();
  CHECK(offsets() == Offsets{1, 4, 5});
}

TEST_CASE_METHOD(Compacted, "messages of old formats are compacted in their format") {
  auto magic = static_cast<std::int8_t>(GENERATE(0, 1));
  auto codec = GENERATE(protocol::Codec::kNone, protocol::Codec::kGzip);
  config.delete_retention_ms = 1000;
  config.segment_bytes = 100;  // segments stay apart: these tombstones go by the age of their segment
  open();
  auto add = [&](const KeyValues& some) {
    protocol::Compressor compressor;
    protocol::LegacySetBuilder set({magic, codec});
    std::int64_t offset = log->log_end_offset().value();
    for (const auto& [key, value] : some)
      set.append(Offset(offset++), clock.now_ms, as_bytes(key),
                 value ? std::optional(as_bytes(*value)) : std::nullopt);
    must(log->append_as_follower(set.build(compressor)));
    log->set_high_watermark(log->log_end_offset());
    must(log->roll());
  };
  add({{"a", "1"}, {"b", "1"}});
  add({{"a", std::nullopt}, {"c", "1"}});
  clean();
  CHECK(offsets() == Offsets{1, 2, 3});
  for (const Bytes& entry : entries()) CHECK(protocol::LogEntry(ByteView(entry)).magic() == magic);
  clock.now_ms += 1001;
  add({{"d", "1"}});
  clean();
  clock.now_ms += 1001;
  add({{"e", "1"}});
  clean();
  CHECK(offsets() == Offsets{1, 3, 4, 5});
}

TEST_CASE_METHOD(Compacted, "compact,delete removes old segments of a compacted log too") {
  config.cleanup_delete = true;
  config.retention_ms = 1000;
  open();
  put_segment(keyed_batch({{"a", "1"}}, {}, clock.now_ms));
  put_segment(keyed_batch({{"a", "2"}}, {}, clock.now_ms + 5000));
  clock.now_ms += 2000;
  CHECK(must(log->apply_retention(clock.now_ms)) == 1);
  CHECK(clean().from == Offset(1));
  CHECK(offsets() == Offsets{1});
}

}  // namespace
}  // namespace barnabas::log
