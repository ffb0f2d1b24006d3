// What the tests of compaction share: a log of keyed records, and what a consumer sees of it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/memory_file_system.hpp"
#include "log/cleaner.hpp"
#include "log/log_testing.hpp"
#include "protocol/legacy_message_set.hpp"

namespace barnabas::log::testing {

struct KeyedRecord {
  std::int64_t offset = 0;
  std::optional<std::string> key;
  std::optional<std::string> value;
  bool operator==(const KeyedRecord&) const = default;
};

using KeyValues = std::vector<std::pair<std::string, std::optional<std::string>>>;

inline Bytes keyed_batch(const KeyValues& records, protocol::BatchOptions options = {},
                         std::int64_t timestamp = 1'700'000'000'000) {
  protocol::RecordBatchBuilder builder(options);
  for (const auto& [key, value] : records) {
    protocol::RecordInput record;
    record.timestamp = timestamp;
    record.key = as_bytes(key);
    if (value) record.value = as_bytes(*value);
    builder.append(record);
  }
  return builder.build();
}

struct Compacted {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  std::unique_ptr<PartitionLog> log;
  SeededRandom random{1};
  CleanerOptions options;
  /// Called before each read and write that a cleaning is paced by.
  std::function<bool()> meanwhile = [] { return true; };

  Compacted() {
    config.cleanup_compact = true;
    config.cleanup_delete = false;
    config.min_cleanable_dirty_ratio = 0;
    config.index_interval_bytes = 100;
    must(files.create_directories("/logs"));
    must(files.sync_directory("/"));
  }

  void open(bool clean = true, std::int64_t cleaned_to = -1, Offset log_start = Offset(0)) {
    log.reset();
    OpenLogOptions how = options_for("/logs", config);
    how.clean = clean;
    how.cleaned_to = Offset(cleaned_to);
    how.log_start_offset = log_start;
    log = must(open_log(files, clock, how));
    log->set_high_watermark(log->log_end_offset());
  }
  void reopen(bool clean = true) {
    Offset cleaned_to = log->cleaned_to();
    Offset log_start = log->log_start_offset();
    if (clean) must(log->close());
    open(clean, cleaned_to.value(), log_start);
  }
  void put(Bytes batch, AppendOrigin origin = AppendOrigin::kClient) {
    must(append(*log, std::move(batch), 0, origin));
    log->set_high_watermark(log->log_end_offset());
  }
  /// One batch as a segment of its own.
  void put_segment(Bytes batch, AppendOrigin origin = AppendOrigin::kClient) {
    put(std::move(batch), origin);
    must(log->roll());
  }

  Result<std::optional<CleaningReport>> try_clean() {
    Cleaner cleaner(files, random, options, [this](std::size_t) { return meanwhile(); });
    auto with_log = [this](const std::function<Result<void>(CleanableLog&)>& call) { return call(*log); };
    return cleaner.clean(with_log, clock.now_ms);
  }
  CleaningReport clean() {
    auto report = must(try_clean());
    REQUIRE(report.has_value());
    return *report;
  }

  [[nodiscard]] std::vector<Bytes> entries() {
    std::vector<Bytes> found;
    for (Offset from = log->log_start_offset(); from < log->log_end_offset();) {
      Bytes bytes = read_bytes(*log, from.value());
      if (bytes.empty()) break;
      protocol::BatchCursor cursor(bytes);
      while (auto entry = must(cursor.next())) {
        CHECK(checksum_matches(*entry));
        found.push_back(to_bytes(entry->bytes()));
        from = entry->last_offset() + 1;
      }
    }
    return found;
  }
  /// Data records, as a consumer that reads everything gets them.
  [[nodiscard]] std::vector<KeyedRecord> records() {
    std::vector<KeyedRecord> found;
    protocol::RecordScratch scratch;
    for (const Bytes& bytes : entries()) {
      protocol::LogEntry entry{ByteView(bytes)};
      if (!entry.is_legacy() && entry.batch().is_control()) continue;
      must(protocol::visit_records(entry, scratch, {}, [&](const protocol::RecordView& record) {
        KeyedRecord one{record.offset.value(), {}, {}};
        if (record.key) one.key = std::string(as_text(*record.key));
        if (record.value) one.value = std::string(as_text(*record.value));
        found.push_back(one);
      }));
    }
    return found;
  }
  [[nodiscard]] std::vector<std::int64_t> offsets() {
    std::vector<std::int64_t> found;
    for (const KeyedRecord& record : records()) found.push_back(record.offset);
    return found;
  }
  [[nodiscard]] std::vector<std::string> file_names() {
    std::vector<std::string> names;
    for (const auto& entry : must(files.list("/logs/t-0"))) names.push_back(entry.name);
    return names;
  }
  [[nodiscard]] std::size_t files_ending(std::string_view end) {
    std::size_t count = 0;
    for (const std::string& name : file_names()) count += name.ends_with(end) ? 1 : 0;
    return count;
  }
};

/// The last value of each key, null for one that was deleted.
inline std::map<std::string, std::optional<std::string>> last_values(
    const std::vector<KeyedRecord>& records) {
  std::map<std::string, std::optional<std::string>> last;
  for (const KeyedRecord& record : records)
    if (record.key) last[*record.key] = record.value;
  return last;
}

}  // namespace barnabas::log::testing
