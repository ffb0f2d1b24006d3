// kafka-dump-log of indexes and producer snapshots, and what does not agree with the segment beside them.
#include <fmt/format.h>

#include <filesystem>

#include "base/posix_file_system.hpp"
#include "log/segment_scan.hpp"
#include "log/transaction_index.hpp"
#include "protocol/legacy_message_set.hpp"
#include "protocol/messages/data_producer_snapshot.hpp"
#include "protocol/reader.hpp"
#include "tools/commands/dump_log.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;

Result<std::int64_t> base_offset_of(const std::string& path) {
  const std::string name = std::filesystem::path(path).stem().string();
  const auto offset = parse_number<std::int64_t>(name);
  if (!offset) return fail(ErrorCode::kInvalidRequest, fmt::format("For input string: \"{}\"", name));
  return *offset;
}

std::string segment_path_of(const std::string& path) {
  return std::filesystem::path(path).replace_extension(".log").string();
}

/// The index's entries as pairs of big-endian numbers; the second one is of 32 bits.
template <class First>
Result<Pairs> read_entries(FileSystem& files, const std::string& path) {
  constexpr std::size_t kEntryBytes = sizeof(First) + sizeof(std::int32_t);
  const std::string content = TRY(files.read_file(path));
  Pairs entries;
  protocol::Reader reader(as_bytes(content));
  while (reader.remaining() >= kEntryBytes) {
    const std::int64_t first = sizeof(First) == 8 ? reader.int64() : reader.int32();
    entries.emplace_back(first, reader.int32());
  }
  return entries;
}

/// What a broker checks at its start: whole entries, and a last one within the index's range.
template <std::size_t EntryBytes>
Result<void> check_sanity(FileSystem& files, const std::string& path, bool last_is_in_order) {
  const auto file = TRY(files.open(path, OpenMode::kReadOnly));
  const std::uint64_t size = TRY(file->size());
  if (size % EntryBytes != 0 || !last_is_in_order)
    return fail(ErrorCode::kCorruptMessage, fmt::format("Corrupt index found, index file ({})",
                                                        std::filesystem::absolute(path).string()));
  fmt::print("{} passed sanity check.\n", path);
  return {};
}

void tell(std::string_view what, const std::string& path, const Pairs& pairs, std::string_view first,
          std::string_view second) {
  if (pairs.empty()) return;
  std::fflush(stdout);
  fmt::print(stderr, "{} :{}\n", what, std::filesystem::absolute(path).string());
  for (const auto& [a, b] : pairs) fmt::print(stderr, "{}{}, {}{}\n", first, a, second, b);
}

/// The end of a preallocated index is zeros.
bool is_end(const Pairs& entries, std::size_t i) {
  return i > 0 && entries[i].second == 0;
}

/// What the time index's entries say against the segment's records.
struct TimeFindings {
  Pairs not_found;
  Pairs mismatched;
  Pairs out_of_order;
};

/// The batch that ends at an offset, or above it: an entry names the last offset of a batch.
struct FoundBatch {
  std::int64_t last_offset = -1;
  std::int64_t max_timestamp_ms = -1;
};

Result<FoundBatch> find_batch(const File& segment, std::uint64_t size, Offset offset) {
  log::EntryScanner entries(segment, 0, size);
  while (const auto entry = TRY(entries.next()))
    if (entry->last_offset() >= offset)
      return FoundBatch{entry->last_offset().value(), protocol::max_timestamp(*entry)};
  return FoundBatch{};
}

Result<void> check_time_entry(const File& segment, std::uint64_t size, std::int64_t timestamp, Offset offset,
                              std::optional<std::int64_t> previous, TimeFindings& findings) {
  const auto found = TRY(find_batch(segment, size, offset));
  if (found.last_offset != offset.value()) {
    findings.not_found.emplace_back(offset.value(), found.last_offset);
    return {};
  }
  if (found.max_timestamp_ms != timestamp)
    findings.mismatched.emplace_back(timestamp, found.max_timestamp_ms);
  if (previous && *previous >= timestamp) findings.out_of_order.emplace_back(timestamp, *previous);
  return {};
}

}  // namespace

Result<void> dump_offset_index(FileSystem& files, const std::string& path, const DumpOptions& options) {
  const std::int64_t base = TRY(base_offset_of(path));
  const auto segment = TRY(files.open(segment_path_of(path), OpenMode::kReadOnly));
  const std::uint64_t size = TRY(segment->size());
  const Pairs entries = TRY(read_entries<std::int32_t>(files, path));
  if (options.sanity_check) return check_sanity<8>(files, path, entries.empty() || entries.back().first >= 0);
  Pairs mismatches;
  for (std::size_t i = 0; i < entries.size() && !is_end(entries, i); ++i) {
    const std::int64_t offset = base + entries[i].first;
    log::EntryScanner scanner(*segment, static_cast<std::uint64_t>(entries[i].second), size);
    const auto entry = TRY(scanner.next());
    if (!entry)
      return fail(
          ErrorCode::kCorruptMessage,
          fmt::format("{} names the position {}, where its segment has no batch", path, entries[i].second));
    const std::int64_t found = entry->last_offset().value();
    if (found != offset) mismatches.emplace_back(offset, found);
    if (!options.verify_only) fmt::print("offset: {} position: {}\n", offset, entries[i].second);
  }
  tell("Mismatches in", path, mismatches, "  Index offset: ", "log offset: ");
  return {};
}

Result<void> dump_time_index(FileSystem& files, const std::string& path, const DumpOptions& options) {
  const std::int64_t base = TRY(base_offset_of(path));
  const auto segment = TRY(files.open(segment_path_of(path), OpenMode::kReadOnly));
  const std::uint64_t size = TRY(segment->size());
  const Pairs entries = TRY(read_entries<std::int64_t>(files, path));
  if (options.sanity_check)
    return check_sanity<12>(files, path, entries.empty() || entries.back().second >= 0);
  TimeFindings findings;
  std::optional<std::int64_t> previous;
  for (std::size_t i = 0; i < entries.size() && !is_end(entries, i); ++i) {
    const auto& [timestamp, relative] = entries[i];
    TRY(check_time_entry(*segment, size, timestamp, Offset(base + relative), previous, findings));
    if (!options.verify_only) fmt::print("timestamp: {} offset: {}\n", timestamp, base + relative);
    previous = timestamp;
  }
  tell("Found timestamp mismatch in", path, findings.mismatched, "  Index timestamp: ", "log timestamp: ");
  tell("Found out of order timestamp in", path, findings.out_of_order,
       "  Index timestamp: ", "Previously indexed timestamp: ");
  tell("The following indexed offsets are not found in", path, findings.not_found,
       "Indexed offset: ", "found log offset: ");
  return {};
}

Result<void> dump_transaction_index(FileSystem& files, const std::string& path) {
  log::TransactionIndex index(files, path);
  TRY(index.open());
  for (const auto& aborted : TRY(index.entries()))
    fmt::print("version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}\n",
               aborted.producer_id.value(), aborted.first_offset.value(), aborted.last_offset.value(),
               aborted.last_stable_offset.value());
  return {};
}

Result<void> dump_producer_snapshot(FileSystem& files, const std::string& path) {
  const std::string content = TRY(files.read_file(path));
  protocol::Reader reader(as_bytes(content));
  const std::int16_t version = reader.int16();
  protocol::ProducerSnapshot snapshot;
  snapshot.read(reader, version);
  if (!reader.ok())
    return fail(ErrorCode::kCorruptMessage,
                fmt::format("{} is no producer snapshot: {}", path, reader.failure()));
  for (const auto& producer : snapshot.producer_entries) {
    fmt::print(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
        producer.producer_id, producer.epoch, producer.coordinator_epoch,
        producer.current_txn_first_offset < 0
            ? "OptionalLong.empty"
            : fmt::format("OptionalLong[{}]", producer.current_txn_first_offset),
        producer.timestamp);
    if (producer.last_offset >= 0)
      fmt::print(" firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
                 protocol::decrement_sequence(producer.last_sequence, producer.offset_delta),
                 producer.last_sequence, producer.last_offset, producer.offset_delta, producer.timestamp);
    fmt::print("\n");
  }
  return {};
}

}  // namespace barnabas::tools
