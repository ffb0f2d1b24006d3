// record_compare: reads runs of record batches that Apache Kafka's classes wrote (lines, see README.md),
// compares what is in them, and writes them again in every codec and magic for Kafka to read. Ends with 1 at
// a difference.
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/legacy_message_set.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"
#include "protocol/records_conversion.hpp"

namespace barnabas::protocol {
namespace {

[[noreturn]] void differ(std::string_view what, std::string_view line) {
  fmt::print(stderr, "{}\nin {}\n", what, line);
  std::exit(1);
}

std::string to_hex(ByteView bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

Bytes from_hex(std::string_view hex) {
  Bytes bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, bytes[i], 16);
  }
  return bytes;
}

std::string field(const std::optional<ByteView>& bytes) {
  return bytes ? "x" + to_hex(*bytes) : "null";
}

std::string line_of(const RecordView& record) {
  std::string line = fmt::format("record {} {} {} {}", record.offset.value(), record.timestamp,
                                 field(record.key), field(record.value));
  for (const RecordHeader& header : record.headers) {
    line +=
        fmt::format(" {}={}", to_hex(as_bytes(header.key)), header.value ? to_hex(*header.value) : "null");
  }
  return line;
}

using Lines = std::vector<std::string>;

struct Tools {
  RecordScratch scratch;
  Compressor compressor;
  ConversionTools conversion() { return {scratch, compressor}; }
};

template <class Cursor>
void append_lines(Cursor cursor, Lines& lines) {
  RecordView record;
  while (true) {
    auto more = cursor.next(record);
    if (!more) differ("cannot read a record: " + more.error().detail, "this run");
    if (!*more) return;
    lines.push_back(line_of(record));
  }
}

std::vector<LogEntry> entries_of(ByteView bytes) {
  std::vector<LogEntry> entries;
  BatchCursor cursor(bytes, BatchCursor::Tail::kWhole);
  while (true) {
    auto entry = cursor.next();
    if (!entry) differ("cannot read an entry: " + entry.error().detail, to_hex(bytes));
    if (!*entry) return entries;
    entries.push_back(**entry);
  }
}

/// The records of a run, its CRCs and framing checked on the way.
Lines read_lines(ByteView bytes, Tools& tools) {
  Lines lines;
  for (const LogEntry& entry : entries_of(bytes)) {
    std::size_t before = lines.size();
    if (entry.is_legacy()) {
      LegacyMessageView message(entry.bytes());
      if (auto checked = message.check_crc(); !checked) differ(checked.error().detail, to_hex(bytes));
      append_lines(LegacyCursor(message, tools.scratch), lines);
      continue;
    }
    RecordBatchView batch = entry.batch();
    if (auto checked = batch.check_crc(); !checked) differ(checked.error().detail, to_hex(bytes));
    append_lines(RecordCursor(batch, tools.scratch), lines);
    auto summary = validate_records(batch, {}, tools.scratch);
    if (!summary) differ(summary.error().detail, to_hex(bytes));
    if (static_cast<std::size_t>(summary->count) != lines.size() - before)
      differ("the check counts wrong", to_hex(bytes));
  }
  return lines;
}

void expect_lines(std::string_view what, const Lines& found, const Lines& expected, std::string_view run) {
  if (found == expected) return;
  differ(fmt::format("{}\nfound\n{}\nexpected\n{}", what, fmt::join(found, "\n"), fmt::join(expected, "\n")),
         run);
}

void print_run(ByteView bytes, const Lines& lines) {
  fmt::print("run {}\n", to_hex(bytes));
  for (const std::string& line : lines) fmt::print("{}\n", line);
  fmt::print("end\n");
}

Bytes rewrite(const RecordBatchView& batch, Codec codec, Tools& tools) {
  BatchOptions options = options_of(batch);
  options.codec = codec;
  RecordBatchBuilder builder(options);
  RecordCursor cursor(batch, tools.scratch);
  RecordView record;
  while (*cursor.next(record)) {
    std::vector<RecordHeader> headers(record.headers.begin(), record.headers.end());
    builder.append_at(record.offset, {record.timestamp, record.key, record.value, headers});
  }
  builder.set_last_offset(batch.last_offset());
  return builder.build(tools.compressor);
}

Bytes rewrite(const LegacyMessageView& message, Codec codec, Tools& tools) {
  LegacySetBuilder builder({.magic = message.magic(),
                            .codec = codec,
                            .timestamp_type = message.timestamp_type(),
                            .append_timestamp = message.timestamp()});
  LegacyCursor cursor(message, tools.scratch);
  RecordView record;
  while (*cursor.next(record)) builder.append(record.offset, record.timestamp, record.key, record.value);
  return builder.build(tools.compressor);
}

/// LogAppendTime hides the records' own times, so that such a batch cannot be rewritten byte for byte.
bool hides_times(const LogEntry& entry) {
  return !entry.is_legacy() && entry.batch().timestamp_type() == TimestampType::kLogAppendTime;
}

void compare_run(ByteView bytes, const Lines& expected, Tools& tools) {
  std::string run = to_hex(bytes);
  expect_lines("records differ", read_lines(bytes, tools), expected, run);
  auto entries = entries_of(bytes);
  for (Codec codec : {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd}) {
    if (codec == Codec::kZstd && entries.front().is_legacy()) continue;
    Bytes rewritten;
    for (const LogEntry& entry : entries) {
      Bytes part = entry.is_legacy() ? rewrite(LegacyMessageView(entry.bytes()), codec, tools)
                                     : rewrite(entry.batch(), codec, tools);
      Codec was = entry.is_legacy() ? LegacyMessageView(entry.bytes()).codec() : entry.batch().codec();
      if (codec == Codec::kNone && was == codec && !hides_times(entry) && part != to_bytes(entry.bytes())) {
        differ("an uncompressed entry is written differently: " + to_hex(part), to_hex(entry.bytes()));
      }
      rewritten.insert(rewritten.end(), part.begin(), part.end());
    }
    expect_lines("rewritten records differ", read_lines(rewritten, tools), expected, run);
    print_run(rewritten, expected);
  }
  auto up = up_convert(bytes, LeaderEpoch(5), tools.conversion());
  if (!up) differ("cannot convert up: " + up.error().detail, run);
  print_run(*up, expected);
}

void compare_down(ByteView run, std::int8_t magic, Offset first, ByteView theirs, const Lines& expected,
                  Tools& tools) {
  auto ours = down_convert(run, magic, first, tools.conversion());
  if (!ours) differ("cannot convert down: " + ours.error().detail, to_hex(run));
  expect_lines("down-converted records differ", read_lines(*ours, tools), expected, to_hex(run));
  expect_lines("Kafka's down-converted records differ", read_lines(theirs, tools), expected, to_hex(run));
  auto entries = entries_of(theirs);
  bool plain = true;
  for (const LogEntry& entry : entries) plain &= !LegacyMessageView(entry.bytes()).is_compressed();
  if (plain && to_bytes(theirs) != *ours)
    differ("down-converted bytes differ: " + to_hex(*ours), to_hex(theirs));
  if (entries_of(*ours).size() != entries.size())
    differ("another number of entries after conversion", to_hex(theirs));
  print_run(*ours, expected);
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    std::size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == line.npos) return words;
    line.remove_prefix(space + 1);
  }
}

int run() {
  Tools tools;
  Bytes last_run;
  std::size_t runs = 0;
  std::size_t downs = 0;
  for (std::string line; std::getline(std::cin, line);) {
    Lines expected;
    for (std::string record; std::getline(std::cin, record) && record != "end";) expected.push_back(record);
    auto words = words_of(line);
    Bytes bytes = from_hex(words.back());
    if (words[0] == "run") {
      last_run = bytes;
      compare_run(last_run, expected, tools);
      ++runs;
    } else {
      auto magic = static_cast<std::int8_t>(std::stoi(std::string(words[1])));
      compare_down(last_run, magic, Offset(std::stoll(std::string(words[2]))), bytes, expected, tools);
      ++downs;
    }
  }
  if (runs == 0) differ("no runs to compare", "stdin");
  fmt::print(stderr, "{} runs and {} down-conversions written by Apache Kafka read alike by Barnabas\n", runs,
             downs);
  return 0;
}

}  // namespace
}  // namespace barnabas::protocol

int main() {
  return barnabas::protocol::run();
}
