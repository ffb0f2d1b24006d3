#include "protocol/legacy_message_set.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/crc32c.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records_conversion.hpp"
#include "protocol/records_testing.hpp"

namespace barnabas::protocol {
namespace {

constexpr std::int64_t kTime = 1600000000000;

/// Every record of a run of entries of any magic.
Result<std::vector<OwnedRecord>> read_all(ByteView bytes, RecordScratch& scratch,
                                          const RecordLimits& limits = {}) {
  std::vector<OwnedRecord> records;
  BatchCursor entries(bytes);
  while (auto entry = TRY(entries.next())) {
    TRY(visit_records(*entry, scratch, limits,
                      [&](const RecordView& record) { records.push_back(own(record)); }));
  }
  return records;
}

const std::string kNames[] = {"v0-none",           "v0-gzip", "v0-snappy",         "v0-lz4",    "v1-none",
                              "v1-none-logappend", "v1-gzip", "v1-gzip-logappend", "v1-snappy", "v1-lz4"};

std::vector<OwnedRecord> sample_records(const std::string& name) {
  bool old = name.starts_with("v0");
  bool appended = name.ends_with("logappend");
  auto time = [&](std::int64_t delta) { return old ? -1 : appended ? kTime + 9999 : kTime + delta; };
  return {{10, time(0), "k1", "value-1", {}},
          {11, time(5), std::nullopt, "value-2value-2value-2value-2", {}},
          {12, time(7), "k3", std::nullopt, {}}};
}

LegacySetOptions options_of_sample(const std::string& name) {
  LegacySetOptions options{.magic = static_cast<std::int8_t>(name[1] - '0'), .codec = codec_of_sample(name)};
  if (name.ends_with("logappend")) {
    options.timestamp_type = TimestampType::kLogAppendTime;
    options.append_timestamp = kTime + 9999;
  }
  return options;
}

Bytes write_sample(const LegacySetOptions& options) {
  Compressor compressor;
  LegacySetBuilder builder(options);
  builder.append(Offset(10), kTime, as_bytes("k1"), as_bytes("value-1"));
  builder.append(Offset(11), kTime + 5, std::nullopt, as_bytes("value-2value-2value-2value-2"));
  builder.append(Offset(12), kTime + 7, as_bytes("k3"), std::nullopt);
  return builder.build(compressor);
}

/// The wrapper's value, decompressed.
Bytes inner_set(ByteView wrapper) {
  LegacyMessageView message(wrapper);
  Bytes inner;
  Decompressor decompressor;
  auto header = message.magic() == 0 ? Lz4Header::kMagic0 : Lz4Header::kStandard;
  REQUIRE(decompressor.decompress(message.codec(), *message.fields()->value, 1 << 20, inner, header));
  return inner;
}

}  // namespace

TEST_CASE("message sets that Kafka wrote give the records it was given") {
  RecordScratch scratch;
  for (const std::string& name : kNames) {
    INFO(name);
    Bytes bytes = read_sample("set-" + name + ".bin");
    BatchCursor entries(bytes, BatchCursor::Tail::kWhole);
    while (auto entry = entries.next().value()) {
      REQUIRE(entry->is_legacy());
      CHECK(LegacyMessageView(entry->bytes()).check_crc().has_value());
    }
    CHECK(read_all(bytes, scratch).value() == sample_records(name));
  }
}

TEST_CASE("an entry of any magic tells its CRC, its first and last offset and its latest time") {
  RecordScratch scratch;
  for (std::string name : {"v0-gzip", "v1-gzip", "v1-lz4", "v2-gzip"}) {
    INFO(name);
    Bytes bytes = read_sample("set-" + name + ".bin");
    LogEntry entry = *BatchCursor(bytes).next().value();
    CHECK(check_crc(entry).has_value());
    CHECK(base_offset(entry, scratch).value() == Offset(10));
    CHECK(entry.last_offset() == Offset(12));
    CHECK(max_timestamp(entry) == (name == "v0-gzip" ? kNoTimestamp : kTime + 7));
  }
}

TEST_CASE("message sets are written byte for byte as Kafka writes them, compressed ones inside") {
  for (const std::string& name : kNames) {
    INFO(name);
    Bytes sample = read_sample("set-" + name + ".bin");
    Bytes written = write_sample(options_of_sample(name));
    if (options_of_sample(name).codec == Codec::kNone) {
      CHECK(written == sample);
      continue;
    }
    CHECK(inner_set(written) == inner_set(sample));
    LegacyMessageView ours(written);
    LegacyMessageView theirs(sample);
    CHECK(ours.offset() == theirs.offset());
    CHECK(ours.attributes() == theirs.attributes());
    CHECK(ours.timestamp() == theirs.timestamp());
    CHECK(ours.check_crc().has_value());
  }
}

TEST_CASE("lz4 of magic 0 has the header checksum that its clients write") {
  Bytes written = write_sample(options_of_sample("v0-lz4"));
  Bytes sample = read_sample("set-v0-lz4.bin");
  ByteView mine = *LegacyMessageView(written).fields()->value;
  ByteView theirs = *LegacyMessageView(sample).fields()->value;
  CHECK(to_bytes(mine.first(7)) == to_bytes(theirs.first(7)));
  Bytes out;
  Decompressor decompressor;
  CHECK(!decompressor.decompress(Codec::kLz4, mine, 1 << 20, out, Lz4Header::kStandard));
}

TEST_CASE("every flipped byte of a message is noticed by its CRC or its sizes") {
  for (const std::string& name : kNames) {
    Bytes bytes = read_sample("set-" + name + ".bin");
    auto first = BatchCursor(bytes).next().value();
    std::size_t size = first->bytes().size();
    for (std::size_t i = 12; i < size; ++i) {
      bytes[i] ^= 0x40;
      auto entry = BatchCursor(ByteView(bytes).first(size)).next();
      bool noticed =
          !entry || !*entry || !(*entry)->is_legacy() || !LegacyMessageView((*entry)->bytes()).check_crc();
      CHECK(noticed);
      bytes[i] ^= 0x40;
    }
  }
}

TEST_CASE("changed messages with a right CRC read or fail") {
  RecordScratch scratch;
  for (const std::string& name : kNames) {
    Bytes bytes = read_sample("set-" + name + ".bin");
    std::size_t failures = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      for (std::uint8_t flip : {0x01, 0x80, 0xFF}) {
        bytes[i] ^= flip;
        auto records = read_all(bytes, scratch);
        if (!records) ++failures;
        bytes[i] ^= flip;
      }
    }
    CHECK(failures > 0);
  }
}

TEST_CASE("an inner set over the limit is refused") {
  Compressor compressor;
  RecordScratch scratch;
  for (Codec codec : {Codec::kGzip, Codec::kSnappy, Codec::kLz4}) {
    LegacySetBuilder builder({.magic = 1, .codec = codec});
    std::string value(1 << 20, 'x');
    for (int i = 0; i < 4; ++i) builder.append(Offset(i), i, std::nullopt, as_bytes(value));
    Bytes bytes = builder.build(compressor);
    auto records = read_all(bytes, scratch, {.max_record_bytes = 2 << 20, .max_batch_bytes = 64 << 20});
    REQUIRE(!records);
    CHECK(records.error().code == ErrorCode::kInvalidRecord);
    CHECK(read_all(bytes, scratch)->size() == 4);
  }
}

TEST_CASE("a wrapper inside a wrapper is refused") {
  Compressor compressor;
  RecordScratch scratch;
  Bytes inner = write_sample(options_of_sample("v1-gzip"));
  Bytes value;
  compressor.compress(Codec::kGzip, kStandardLevel, inner, value);
  LegacySetBuilder builder({.magic = 1});
  builder.append(Offset(12), kTime, std::nullopt, value);
  Bytes nested = builder.build(compressor);
  nested[17] = static_cast<std::uint8_t>(Codec::kGzip);
  CHECK(read_all(nested, scratch).error().code == ErrorCode::kInvalidRecord);
}

TEST_CASE("old entries become batches with the same records") {
  RecordScratch scratch;
  Compressor compressor;
  for (const std::string& name : kNames) {
    INFO(name);
    Bytes sample = read_sample("set-" + name + ".bin");
    Bytes up = up_convert(sample, LeaderEpoch(3), {scratch, compressor}).value();
    BatchCursor entries(up, BatchCursor::Tail::kWhole);
    std::int32_t count = 0;
    while (auto entry = entries.next().value()) {
      REQUIRE(!entry->is_legacy());
      CHECK(entry->batch().check_crc().has_value());
      CHECK(entry->batch().codec() == codec_of_sample(name));
      CHECK(entry->batch().leader_epoch() == LeaderEpoch(3));
      count += entry->batch().count();
    }
    CHECK(count == 3);
    CHECK(read_all(up, scratch).value() == sample_records(name));
  }
}

TEST_CASE("batches become old entries without headers, control batches and zstd") {
  RecordScratch scratch;
  Compressor compressor;
  ConversionTools tools{scratch, compressor};
  for (std::string name : {"none", "none-logappend", "gzip", "gzip-logappend", "snappy", "lz4"}) {
    for (std::int8_t magic : {0, 1}) {
      INFO(name << " to " << int{magic});
      Bytes sample = read_sample("set-v2-" + name + ".bin");
      Bytes down = down_convert(sample, magic, Offset(0), tools).value();
      std::string old = "v" + std::to_string(magic) + "-" + name;
      CHECK(read_all(down, scratch).value() == sample_records(old));
      if (name == "none" || (magic == 1 && name == "none-logappend"))
        CHECK(down == read_sample("set-" + old + ".bin"));
      auto from_eleven = read_all(down_convert(sample, magic, Offset(11), tools).value(), scratch).value();
      CHECK(from_eleven.size() == (name.starts_with("none") ? 2 : 3));
    }
  }
  CHECK(down_convert(read_sample("control-commit.bin"), 1, Offset(0), tools)->empty());
  CHECK(down_convert(read_sample("set-v2-zstd.bin"), 1, Offset(0), tools).error().code ==
        ErrorCode::kUnsupportedCompressionType);
}

TEST_CASE("magic 1 becomes magic 0 and magic 0 stays") {
  RecordScratch scratch;
  Compressor compressor;
  for (std::string codec : {"none", "gzip", "snappy", "lz4"}) {
    Bytes down =
        down_convert(read_sample("set-v1-" + codec + ".bin"), 0, Offset(0), {scratch, compressor}).value();
    CHECK(read_all(down, scratch).value() == sample_records("v0-" + codec));
    CHECK(down_convert(down, 0, Offset(0), {scratch, compressor}).value() == down);
  }
}

TEST_CASE("a down-conversion keeps the gaps that compaction left") {
  RecordScratch scratch;
  Compressor compressor;
  for (Codec codec : {Codec::kNone, Codec::kGzip}) {
    RecordBatchBuilder builder({.base_offset = Offset(100), .codec = codec});
    builder.append_at(Offset(103), {kTime, as_bytes("a"), as_bytes("1"), {}});
    builder.append_at(Offset(108), {kTime, as_bytes("b"), as_bytes("2"), {}});
    builder.set_last_offset(Offset(110));
    Bytes down = down_convert(builder.build(), 1, Offset(0), {scratch, compressor}).value();
    auto records = read_all(down, scratch).value();
    REQUIRE(records.size() == 2);
    CHECK(records[0].offset == 103);
    CHECK(records[1].offset == 108);
  }
}

}  // namespace barnabas::protocol
