// kafka-dump-log of segments and metadata snapshots: batches, and the records in them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "log/segment_scan.hpp"
#include "protocol/control_record.hpp"
#include "protocol/legacy_message_set.hpp"
#include "protocol/reader.hpp"
#include "tools/commands/dump_log.hpp"
#include "tools/commands/progress_bar.hpp"
#include "tools/options/number_text.hpp"
#include "tools/records/record_json.hpp"

namespace barnabas::tools {
namespace {

using protocol::LegacyMessageView;
using protocol::RecordBatchView;
using protocol::RecordView;

constexpr std::size_t kOffsetDigits = 20;

/// What the file's name says: the offset that a segment begins at, or a snapshot ends at and its epoch.
Result<void> print_start(const std::string& name) {
  const std::string_view digits = std::string_view(name).substr(0, name.find_first_of(".-"));
  const auto offset = parse_number<std::int64_t>(digits);
  if (name == "bootstrap.checkpoint") {
    fmt::print("KRaft bootstrap snapshot\n");
    return {};
  }
  if (!offset) return fail(ErrorCode::kInvalidRequest, fmt::format("For input string: \"{}\"", digits));
  if (name.ends_with(".log")) {
    fmt::print("Log starting offset: {}\n", *offset);
    return {};
  }
  const std::string_view rest = std::string_view(name).substr(std::min(name.size(), kOffsetDigits + 1));
  const auto epoch = parse_number<std::int32_t>(rest.substr(0, rest.find('.')));
  if (!epoch) return fail(ErrorCode::kInvalidRequest, fmt::format("{} is not the name of a snapshot", name));
  fmt::print("Snapshot end offset: {}, epoch: {}\n", *offset, *epoch);
  return {};
}

std::string_view timestamp_name(std::int8_t magic, protocol::TimestampType type) {
  if (magic == 0) return "NoTimestampType";
  return type == protocol::TimestampType::kCreateTime ? "CreateTime" : "LogAppendTime";
}

void print_batch(const RecordBatchView& batch, std::uint64_t position) {
  const auto horizon = batch.delete_horizon_ms();
  fmt::print(
      "baseOffset: {} lastOffset: {} count: {} baseSequence: {} lastSequence: {} producerId: {} "
      "producerEpoch: {} partitionLeaderEpoch: {} isTransactional: {} isControl: {} deleteHorizonMs: {}",
      batch.base_offset().value(), batch.last_offset().value(), batch.count(), batch.base_sequence(),
      batch.last_sequence(), batch.producer_id().value(), batch.producer_epoch().value(),
      batch.leader_epoch().value(), batch.is_transactional(), batch.is_control(),
      horizon ? fmt::format("OptionalLong[{}]", *horizon) : "OptionalLong.empty");
  fmt::print(" position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}\n", position,
             timestamp_name(batch.magic(), batch.timestamp_type()), batch.max_timestamp(), batch.size_bytes(),
             batch.magic(), protocol::codec_name(batch.codec()), batch.crc(), batch.crc_matches());
}

void print_message(const LegacyMessageView& message, std::uint64_t position) {
  fmt::print("offset: {} position: {} {}: {} size: {} magic: {} compresscodec: {} crc: {} isvalid: {}\n",
             message.offset().value(), position, timestamp_name(message.magic(), message.timestamp_type()),
             message.timestamp(), message.bytes().size(), message.magic(),
             protocol::codec_name(message.codec()), message.crc(), message.computed_crc() == message.crc());
}

Result<std::string> control_text(const RecordView& record) {
  using protocol::ControlType;
  const auto key = TRY(protocol::parse_control_key(record));
  const ByteView value = record.value.value_or(ByteView{});
  const auto message = [&](std::string_view label, const char* name) -> Result<std::string> {
    // Every one of them begins with its version.
    protocol::Reader reader(value);
    const std::int16_t version = reader.int16();
    return fmt::format(" {} {}", label, json_text(TRY(message_json(name, version, value))));
  };
  switch (key.type) {
    case ControlType::kAbort:
    case ControlType::kCommit:
      return fmt::format(" endTxnMarker: {} coordinatorEpoch: {}",
                         key.type == ControlType::kAbort ? "ABORT" : "COMMIT",
                         TRY(protocol::parse_end_txn_marker(value)).coordinator_epoch);
    case ControlType::kLeaderChange:
      return message("LeaderChange:", "LeaderChangeMessage");
    case ControlType::kSnapshotHeader:
      return message("SnapshotHeader", "SnapshotHeaderRecord");
    case ControlType::kSnapshotFooter:
      return message("SnapshotFooter", "SnapshotFooterRecord");
    case ControlType::kKRaftVersion:
      return message("KRaftVersion", "KRaftVersionRecord");
    case ControlType::kKRaftVoters:
      return message("KRaftVoters", "VotersRecord");
  }
  return fmt::format(" controlType: UNKNOWN({})", static_cast<int>(key.type));
}

/// Prints the records of one file, entry by entry.
class RecordDump {
 public:
  RecordDump(const DumpOptions& options) : options_(options) {}

  Result<void> add(const protocol::LogEntry& entry) {
    return entry.is_legacy() ? add_messages(LegacyMessageView(entry.bytes())) : add_records(entry.batch());
  }
  void print_gaps(const std::string& path) const {
    if (gaps_.empty()) return;
    fmt::print(stderr, "Non-consecutive offsets in {}\n", std::filesystem::absolute(path).string());
    for (const auto& [before, after] : gaps_) fmt::print(stderr, "  {} is followed by {}\n", before, after);
  }

 private:
  Result<void> add_records(const RecordBatchView& batch) {
    protocol::RecordCursor cursor(batch, scratch_);
    RecordView record;
    while (TRY(cursor.next(record))) {
      note(record.offset);
      fmt::print("{}", options_.skip_record_metadata ? "" : metadata_of(batch, record));
      if (!batch.is_control())
        TRY(print_contents(record));
      else if (!options_.skip_record_metadata)
        fmt::print("{}", TRY(control_text(record)));
      fmt::print("\n");
    }
    return {};
  }

  Result<void> add_messages(const LegacyMessageView& message) {
    protocol::LegacyCursor cursor(message, scratch_);
    RecordView record;
    while (TRY(cursor.next(record))) {
      note(record.offset);
      if (!options_.skip_record_metadata)
        fmt::print("{} isValid: true crc: {}",
                   start_of(record, timestamp_name(message.magic(), message.timestamp_type())), cursor.crc());
      TRY(print_contents(record));
      fmt::print("\n");
    }
    return {};
  }

  static std::string start_of(const RecordView& record, std::string_view timestamp) {
    const auto size = [](const std::optional<ByteView>& bytes) {
      return bytes ? static_cast<std::int64_t>(bytes->size()) : -1;
    };
    return fmt::format("| offset: {} {}: {} keySize: {} valueSize: {}", record.offset.value(), timestamp,
                       record.timestamp, size(record.key), size(record.value));
  }

  static std::string metadata_of(const RecordBatchView& batch, const RecordView& record) {
    std::int32_t sequence = batch.base_sequence();
    if (sequence >= 0) {
      const auto delta = static_cast<std::int32_t>(record.offset.value() - batch.base_offset().value());
      sequence = protocol::increment_sequence(sequence, delta);
    }
    std::vector<std::string_view> header_keys;
    for (const auto& header : record.headers) header_keys.push_back(header.key);
    return fmt::format("{} sequence: {} headerKeys: [{}]",
                       start_of(record, timestamp_name(batch.magic(), batch.timestamp_type())), sequence,
                       fmt::join(header_keys, ","));
  }

  Result<void> print_contents(const RecordView& record) {
    if (options_.printer == nullptr) return {};
    const auto text = TRY(options_.printer->text_of(record));
    if (options_.skip_record_metadata && (text.key || text.payload)) fmt::print("|");
    if (text.key) fmt::print(" key: {}", *text.key);
    if (text.payload) fmt::print(" payload: {}", *text.payload);
    return {};
  }

  void note(Offset offset) {
    if (offset.value() != last_offset_ + 1) gaps_.emplace_back(last_offset_, offset.value());
    last_offset_ = offset.value();
  }

  const DumpOptions& options_;
  protocol::RecordScratch scratch_;
  std::int64_t last_offset_ = -1;
  std::vector<std::pair<std::int64_t, std::int64_t>> gaps_;
};

/// A walk ended before the end of the file: an entry that is cut there is passed over, one that makes no
/// sense is not.
Result<void> judge_rest(const File& file, const std::string& path, std::uint64_t position,
                        std::uint64_t end) {
  std::uint8_t prefix[protocol::kEntryPrefixBytes];
  if (end - position >= sizeof prefix) {
    (void)TRY(file.read_at(position, prefix));
    const auto length = protocol::load_big_endian<std::int32_t>(prefix + protocol::batch_field::kLength);
    if (length < protocol::kMinEntryLength)
      return fail(ErrorCode::kCorruptMessage,
                  fmt::format("Found record size {} smaller than minimum record overhead ({}) in file {}.",
                              length, protocol::kMinEntryLength, path));
    const bool is_cut = end - position < static_cast<std::uint64_t>(length) + protocol::kLogOverheadBytes;
    if (auto parsed = protocol::parse_entry_prefix(ByteView(prefix, sizeof prefix)); !parsed && !is_cut)
      return std::unexpected(parsed.error());
  }
  fmt::print("Found {} invalid bytes at the end of {}\n", end - position,
             std::filesystem::path(path).filename().string());
  return {};
}

}  // namespace

Result<void> dump_records(FileSystem& files, const std::string& path, const DumpOptions& options) {
  TRY(print_start(std::filesystem::path(path).filename().string()));
  const auto file = TRY(files.open(path, OpenMode::kReadOnly));
  const std::uint64_t size = TRY(file->size());
  const std::uint64_t end =
      std::min(size, static_cast<std::uint64_t>(std::max<std::int64_t>(options.max_bytes, 0)));
  log::EntryScanner entries(*file, 0, end);
  RecordDump dump(options);
  ProgressBar progress(static_cast<std::int64_t>(end), ProgressBar::Output::kStandardOutput);
  while (const auto entry = TRY(entries.next())) {
    if (entry->is_legacy())
      print_message(LegacyMessageView(entry->bytes()), entries.entry_position());
    else
      print_batch(entry->batch(), entries.entry_position());
    if (options.deep) TRY(dump.add(*entry));
    progress.at(static_cast<std::int64_t>(entries.position()));
  }
  if (end == size && entries.position() < end) TRY(judge_rest(*file, path, entries.position(), end));
  std::fflush(stdout);
  dump.print_gaps(path);
  return {};
}

}  // namespace barnabas::tools
