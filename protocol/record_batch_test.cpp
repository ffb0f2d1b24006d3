#include "protocol/record_batch.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

#include "protocol/control_record.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"
#include "protocol/records_testing.hpp"

namespace barnabas::protocol {
namespace {

constexpr std::int64_t kTime = 1600000000000;

/// What the samples' writer was given.
void append_sample_records(RecordBatchBuilder& builder) {
  RecordHeader headers[] = {{"h", as_bytes("x")}, {"n", std::nullopt}};
  builder.append({kTime, as_bytes("k1"), as_bytes("value-1"), headers});
  builder.append({kTime + 5, std::nullopt, as_bytes("value-2value-2value-2value-2"), {}});
  builder.append({kTime + 7, as_bytes("k3"), std::nullopt, {}});
}

void check_sample_records(const std::vector<OwnedRecord>& records, bool log_append) {
  REQUIRE(records.size() == 3);
  for (int i = 0; i < 3; ++i) {
    CHECK(records[i].offset == 10 + i);
    CHECK(records[i].timestamp == (log_append ? kTime + 9999 : kTime + std::vector{0, 5, 7}[i]));
  }
  CHECK(records[0].key == "k1");
  CHECK(records[0].value == "value-1");
  CHECK(records[0].headers == std::vector<OwnedHeader>{{"h", "x"}, {"n", std::nullopt}});
  CHECK(records[1].key == std::nullopt);
  CHECK(records[1].value == "value-2value-2value-2value-2");
  CHECK(records[1].headers.empty());
  CHECK(records[2].key == "k3");
  CHECK(records[2].value == std::nullopt);
}

/// Ten records of which some have no key, no value, headers.
Bytes make_batch(Codec codec, std::size_t value_size = 40) {
  RecordBatchBuilder builder({.base_offset = Offset(1000),
                              .codec = codec,
                              .producer_id = ProducerId(7),
                              .producer_epoch = ProducerEpoch(1),
                              .base_sequence = 50});
  std::string value(value_size, 'v');
  RecordHeader headers[] = {{"trace", as_bytes("0123456789")}};
  for (int i = 0; i < 10; ++i) {
    std::string key = "key-" + std::to_string(i);
    builder.append({kTime + i * 10, i % 3 == 0 ? std::nullopt : std::optional(as_bytes(key)),
                    i % 4 == 3 ? std::nullopt : std::optional(as_bytes(value)),
                    i % 2 == 0 ? std::span<const RecordHeader>(headers) : std::span<const RecordHeader>()});
  }
  return builder.build();
}

constexpr Codec kCodecs[] = {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

}  // namespace

TEST_CASE("batches that Kafka wrote give the records it was given") {
  RecordScratch scratch;
  for (std::string name : {"none", "none-logappend", "gzip", "gzip-logappend", "snappy", "lz4", "zstd"}) {
    INFO(name);
    Bytes bytes = read_sample("set-v2-" + name + ".bin");
    BatchCursor cursor(bytes, BatchCursor::Tail::kWhole);
    RecordBatchView batch = cursor.next().value()->batch();
    CHECK(batch.check_crc().has_value());
    CHECK(batch.base_offset() == Offset(10));
    CHECK(batch.last_offset() == Offset(12));
    CHECK(batch.count() == 3);
    CHECK(batch.codec() == codec_of_sample(name));
    CHECK(batch.producer_id() == kNoProducerId);
    CHECK(batch.last_sequence() == kNoSequence);
    bool log_append = name.ends_with("logappend");
    CHECK(batch.max_timestamp() == (log_append ? kTime + 9999 : kTime + 7));
    check_sample_records(read_records(batch, scratch).value(), log_append);
    CHECK(!cursor.next().value().has_value());
    CHECK(!cursor.is_cut());
  }
}

TEST_CASE("an uncompressed batch is written byte for byte as Kafka writes it") {
  RecordBatchBuilder builder({.base_offset = Offset(10)});
  append_sample_records(builder);
  Bytes sample = read_sample("set-v2-none.bin");
  BatchOptions options = options_of(RecordBatchView(sample));
  CHECK(builder.build() == sample);

  sample = read_sample("set-v2-none-logappend.bin");
  RecordBatchBuilder appended({.base_offset = Offset(10),
                               .timestamp_type = TimestampType::kLogAppendTime,
                               .append_timestamp = kTime + 9999});
  append_sample_records(appended);
  CHECK(appended.build() == sample);
  CHECK(options.base_offset == Offset(10));
}

TEST_CASE("transaction markers are written byte for byte as Kafka writes them") {
  for (auto [name, type] :
       {std::pair{"control-commit.bin", ControlType::kCommit}, {"control-abort.bin", ControlType::kAbort}}) {
    Bytes sample = read_sample(name);
    RecordBatchView batch(sample);
    REQUIRE(batch.is_control());
    REQUIRE(batch.check_crc());
    CHECK(batch.is_transactional());
    RecordScratch scratch;
    RecordCursor cursor(batch, scratch);
    RecordView record;
    REQUIRE(cursor.next(record).value());
    CHECK(parse_control_key(record)->type == type);
    EndTxnMarker marker = parse_end_txn_marker(*record.value).value();
    CHECK(make_end_txn_batch(options_of(batch), record.timestamp, type, marker) == sample);
  }
}

TEST_CASE("control keys and markers that are too short are refused") {
  CHECK(parse_control_key(as_bytes("abc")).error().code == ErrorCode::kInvalidRecord);
  Bytes negative = {0xFF, 0xFF, 0, 1};
  CHECK(parse_control_key(ByteView(negative)).error().code == ErrorCode::kInvalidRecord);
  CHECK(parse_end_txn_marker(as_bytes("12345")).error().code == ErrorCode::kInvalidRecord);
  CHECK(!is_known(static_cast<ControlType>(7)));
}

TEST_CASE("batches make the round trip through every codec") {
  RecordScratch scratch;
  auto plain = read_records(RecordBatchView(make_batch(Codec::kNone)), scratch).value();
  REQUIRE(plain.size() == 10);
  for (Codec codec : kCodecs) {
    INFO(codec_name(codec));
    Bytes bytes = make_batch(codec);
    RecordBatchView batch(bytes);
    CHECK(batch.check_crc().has_value());
    CHECK(batch.last_sequence() == 59);
    CHECK(read_records(batch, scratch).value() == plain);
    auto summary = validate_records(batch, {}, scratch).value();
    CHECK(summary.count == 10);
    CHECK(summary.max_timestamp == kTime + 90);
    CHECK(summary.offset_delta_of_max_timestamp == 9);
    CHECK(summary.deltas_are_consecutive);
    CHECK(summary.problems.empty());
  }
}

TEST_CASE("records longer than the window are read and checked") {
  RecordScratch scratch;
  for (Codec codec : kCodecs) {
    INFO(codec_name(codec));
    Bytes bytes = make_batch(codec, 300'000);
    auto records = read_records(RecordBatchView(bytes), scratch).value();
    REQUIRE(records.size() == 10);
    CHECK(records[9].value == std::string(300'000, 'v'));
    CHECK(validate_records(RecordBatchView(bytes), {}, scratch)->count == 10);
  }
}

TEST_CASE("rules name the records that break them") {
  RecordScratch scratch;
  for (Codec codec : kCodecs) {
    Bytes bytes = make_batch(codec);
    RecordRules rules{
        .require_keys = true, .min_timestamp = kTime + 20, .max_timestamp = kTime + 70, .limits = {}};
    auto summary = validate_records(RecordBatchView(bytes), rules, scratch).value();
    std::vector<std::pair<int, RecordFault>> found;
    for (const auto& problem : summary.problems) found.emplace_back(problem.index, problem.fault);
    using enum RecordFault;
    CHECK(found == std::vector<std::pair<int, RecordFault>>{
                       {0, kNoKey}, {1, kTimestamp}, {3, kNoKey}, {6, kNoKey}, {8, kTimestamp}, {9, kNoKey}});
    set_max_timestamp(bytes, TimestampType::kLogAppendTime, kTime);
    CHECK(validate_records(RecordBatchView(bytes), rules, scratch)->problems.size() == 4);
  }
}

TEST_CASE("of very many problems the first are kept and all are counted") {
  RecordScratch scratch;
  Bytes bytes = make_batch(Codec::kNone);
  RecordRules rules{.require_keys = true, .max_problems = 2};
  auto summary = validate_records(RecordBatchView(bytes), rules, scratch).value();
  CHECK(summary.problem_count == 4);
  REQUIRE(summary.problems.size() == 2);
  CHECK(summary.problems[1].index == 3);
}

TEST_CASE("gaps in the offsets are kept and noticed") {
  RecordScratch scratch;
  RecordBatchBuilder builder({.base_offset = Offset(5)});
  builder.append_at(Offset(6), {1, std::nullopt, as_bytes("a"), {}});
  builder.append_at(Offset(9), {2, std::nullopt, as_bytes("b"), {}});
  builder.set_last_offset(Offset(20));
  Bytes bytes = builder.build();
  RecordBatchView batch(bytes);
  CHECK(batch.last_offset() == Offset(20));
  CHECK(builder.next_offset() == Offset(21));
  auto records = read_records(batch, scratch).value();
  CHECK(records[0].offset == 6);
  CHECK(records[1].offset == 9);
  CHECK(!validate_records(batch, {}, scratch)->deltas_are_consecutive);
}

TEST_CASE("a delete horizon takes the base timestamp's place and leaves the records' times") {
  RecordScratch scratch;
  RecordBatchBuilder builder({.delete_horizon_ms = kTime + 86400000});
  builder.append({kTime, as_bytes("k"), std::nullopt, {}});
  Bytes bytes = builder.build();
  CHECK(RecordBatchView(bytes).delete_horizon_ms() == kTime + 86400000);
  CHECK(read_records(RecordBatchView(bytes), scratch).value()[0].timestamp == kTime);
  CHECK(RecordBatchView(bytes).max_timestamp() == kTime);
}

TEST_CASE("an empty batch keeps its producer's last sequence and holds no records") {
  RecordScratch scratch;
  Bytes bytes = make_empty_batch({.base_offset = Offset(3),
                                  .codec = Codec::kGzip,
                                  .producer_id = ProducerId(9),
                                  .producer_epoch = ProducerEpoch(2),
                                  .base_sequence = 4},
                                 Offset(8), kTime);
  RecordBatchView batch(bytes);
  CHECK(batch.check_crc().has_value());
  CHECK(batch.last_offset() == Offset(8));
  CHECK(batch.last_sequence() == 9);
  CHECK(read_records(batch, scratch)->empty());
}

TEST_CASE("patches change their fields and nothing else") {
  Bytes bytes = make_batch(Codec::kNone);
  std::uint32_t crc = RecordBatchView(bytes).crc();
  set_base_offset(bytes, Offset(123456789012));
  set_leader_epoch(bytes, LeaderEpoch(77));
  RecordBatchView batch(bytes);
  CHECK(batch.base_offset() == Offset(123456789012));
  CHECK(batch.last_offset() == Offset(123456789021));
  CHECK(batch.leader_epoch() == LeaderEpoch(77));
  CHECK(batch.crc() == crc);
  CHECK(batch.crc_matches());
  set_max_timestamp(bytes, TimestampType::kLogAppendTime, 99);
  CHECK(batch.crc() != crc);
  CHECK(batch.crc_matches());
  CHECK(batch.timestamp_type() == TimestampType::kLogAppendTime);
  RecordScratch scratch;
  auto records = read_records(batch, scratch).value();
  for (const auto& record : records) CHECK(record.timestamp == 99);
  set_max_timestamp(bytes, TimestampType::kCreateTime, kTime + 90);
  CHECK(batch.crc() == crc);
}

TEST_CASE("sequences wrap to 0") {
  CHECK(increment_sequence(INT32_MAX, 1) == 0);
  CHECK(increment_sequence(INT32_MAX - 2, 5) == 2);
  CHECK(increment_sequence(5, 4) == 9);
  CHECK(decrement_sequence(0, 1) == INT32_MAX);
  CHECK(decrement_sequence(2, 5) == INT32_MAX - 2);
}

TEST_CASE("a cursor stops at a cut batch or refuses it") {
  Bytes one = make_batch(Codec::kNone);
  Bytes two = one;
  two.insert(two.end(), one.begin(), one.end());
  for (std::size_t cut = 0; cut <= two.size(); ++cut) {
    ByteView bytes = ByteView(two).first(cut);
    BatchCursor lenient(bytes);
    std::size_t found = 0;
    while (lenient.next().value()) ++found;
    CHECK(found == cut / one.size());
    CHECK(lenient.position() == found * one.size());
    CHECK(lenient.is_cut() == (cut % one.size() != 0));
    BatchCursor strict(bytes, BatchCursor::Tail::kWhole);
    for (std::size_t i = 0; i < found; ++i) REQUIRE(strict.next().value());
    auto last = strict.next();
    CHECK(last.has_value() == (cut % one.size() == 0));
    if (!last) CHECK(last.error().code == ErrorCode::kInvalidRecord);
  }
}

TEST_CASE("sizes and magics that cannot be are corrupt") {
  Bytes good = make_batch(Codec::kNone);
  auto refused = [&](std::size_t position, auto value) {
    Bytes bad = good;
    store_big_endian(bad.data() + position, value);
    auto entry = BatchCursor(bad).next();
    return !entry && entry.error().code == ErrorCode::kCorruptMessage;
  };
  CHECK(refused(batch_field::kLength, std::int32_t{13}));
  CHECK(refused(batch_field::kLength, std::int32_t{-1}));
  CHECK(refused(batch_field::kLength, INT32_MIN));
  CHECK(refused(batch_field::kLength, std::int32_t{48}));
  CHECK(refused(batch_field::kMagic, std::int8_t{3}));
  CHECK(refused(batch_field::kMagic, std::int8_t{-1}));
}

TEST_CASE("every flipped byte under the CRC is noticed") {
  for (Codec codec : kCodecs) {
    Bytes bytes = make_batch(codec);
    for (std::size_t i = batch_field::kCrc; i < bytes.size(); ++i) {
      bytes[i] ^= 0x10;
      auto checked = RecordBatchView(bytes).check_crc();
      REQUIRE(!checked);
      CHECK(checked.error().code == ErrorCode::kCorruptMessage);
      bytes[i] ^= 0x10;
    }
  }
}

TEST_CASE("a batch with any byte changed and a right CRC reads or fails, the cursor and the check alike") {
  RecordScratch scratch;
  for (Codec codec : kCodecs) {
    Bytes bytes = make_batch(codec);
    for (std::size_t i = batch_field::kAttributes; i < bytes.size(); ++i) {
      for (std::uint8_t flip : {0x01, 0x10, 0x80, 0xFF}) {
        bytes[i] ^= flip;
        RecordBatchView batch(bytes);
        auto records = read_records(batch, scratch);
        auto summary = validate_records(batch, {}, scratch);
        // An empty batch is an empty walk to the cursor whatever follows its header.
        if (batch.count() != 0) CHECK(records.has_value() == summary.has_value());
        bytes[i] ^= flip;
      }
    }
  }
}

TEST_CASE("a bomb ends at the limits") {
  RecordScratch scratch;
  RecordLimits limits{.max_record_bytes = 1 << 20, .max_batch_bytes = 4 << 20};
  for (Codec codec : {Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    INFO(codec_name(codec));
    Bytes long_record = make_batch(codec, 2 << 20);
    auto records = read_records(RecordBatchView(long_record), scratch, limits);
    REQUIRE(!records);
    CHECK(records.error().code == ErrorCode::kInvalidRecord);
    CHECK(scratch.window().size() <= limits.max_record_bytes);
    Bytes many = make_batch(codec, 700 << 10);
    CHECK(!read_records(RecordBatchView(many), scratch, limits));
    CHECK(!validate_records(RecordBatchView(many), {.limits = limits}, scratch));
    CHECK(validate_records(RecordBatchView(many), {}, scratch).has_value());
  }
}

}  // namespace barnabas::protocol
