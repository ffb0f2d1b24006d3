// Compaction beside a model: a plain list of records that is cleaned by the rules, after each of many random
// appends, rolls, cleanings with maps of every size, restarts, deletions and truncations.
#include <algorithm>

#include "log/cleaner_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct ModelBatch {
  std::int64_t base = 0;
  std::int64_t last = 0;
  std::optional<std::int64_t> horizon_ms;
  std::vector<KeyedRecord> records;
};

struct Model : Compacted {
  SeededRandom chance{1};
  std::vector<ModelBatch> batches;

  explicit Model(std::uint64_t seed) : chance(seed) {
    config.segment_bytes = 900;
    config.delete_retention_ms = 50;
    open();
  }
  bool one_in(std::uint64_t n) { return chance.below(n) == 0; }

  void put_random() {
    ModelBatch batch;
    batch.base = log->log_end_offset().value();
    KeyValues some;
    for (std::uint64_t left = 1 + chance.below(6); left > 0; --left) {
      std::string key = "key-" + std::to_string(chance.below(25));
      std::optional<std::string> value;
      if (!one_in(5)) value = std::string(1 + chance.below(40), static_cast<char>('a' + chance.below(26)));
      batch.records.push_back({batch.base + std::ssize(some), key, value});
      some.emplace_back(key, value);
    }
    batch.last = batch.base + std::ssize(some) - 1;
    protocol::BatchOptions how;
    how.codec = static_cast<protocol::Codec>(chance.below(protocol::kCodecCount));
    put(keyed_batch(some, how, clock.now_ms));
    batches.push_back(std::move(batch));
  }

  /// Removes what a cleaning of [from, to) removes by the rules, from the segments that begin below `to`.
  void clean_model(std::int64_t from, std::int64_t to, std::int64_t end_of_cleaned) {
    std::map<std::string, std::int64_t> last_of;
    for (const ModelBatch& batch : batches)
      for (const KeyedRecord& record : batch.records)
        if (record.offset >= from && record.offset < to) last_of[*record.key] = record.offset;
    for (ModelBatch& batch : batches) {
      if (batch.base >= end_of_cleaned) break;
      bool keeps_tombstones = !batch.horizon_ms || clock.now_ms < *batch.horizon_ms;
      std::erase_if(batch.records, [&](const KeyedRecord& record) {
        auto last = last_of.find(*record.key);
        if (record.offset >= to) return false;
        bool is_superseded = last != last_of.end() && record.offset < last->second;
        return is_superseded || (!record.value && !keeps_tombstones);
      });
      bool has_tombstone =
          std::ranges::any_of(batch.records, [](const KeyedRecord& r) { return !r.value.has_value(); });
      if (has_tombstone && !batch.horizon_ms) batch.horizon_ms = clock.now_ms + config.delete_retention_ms;
    }
  }

  void clean_random() {
    options.dedupe_buffer_bytes = (1 + chance.below(40)) * OffsetMap::kBytesPerEntry;
    options.io_buffer_bytes = 1 + chance.below(3000);
    std::vector<SegmentTime> before = log->segment_times();
    auto report = must(try_clean());
    REQUIRE(report.has_value());
    // Segments are written anew whole, the active one never.
    auto is_above = [&](const SegmentTime& segment) { return segment.base_offset >= report->to; };
    auto above = std::ranges::find_if(before.begin(), std::prev(before.end()), is_above);
    std::int64_t end = above->base_offset.value();
    told += " from " + std::to_string(report->from.value()) + " to " + std::to_string(report->to.value()) +
            " segments below " + std::to_string(end);
    clean_model(report->from.value(), report->to.value(), end);
  }

  void truncate_random() {
    auto bound = static_cast<std::uint64_t>(log->log_end_offset() - log->log_start_offset());
    Offset to = log->log_end_offset() -
                static_cast<std::int64_t>(chance.below(std::min<std::uint64_t>(bound, 20) + 1));
    must(log->truncate_to(to));
    // A batch goes whole, the offset asked for is the end all the same.
    std::erase_if(batches, [&](const ModelBatch& batch) { return batch.last >= to.value(); });
  }

  void step() {
    std::uint64_t what = chance.below(100);
    told = "what " + std::to_string(what);
    if (what < 60) return put_random();
    if (what < 70) return must(log->roll());
    if (what < 85) return clean_random();
    clock.now_ms += static_cast<std::int64_t>(chance.below(40));
    if (what < 88) return reopen(one_in(2));
    if (what < 90) return truncate_random();
    if (what < 93) {
      Offset start = log->log_start_offset() +
                     static_cast<std::int64_t>(chance.below(static_cast<std::uint64_t>(
                         std::min<std::int64_t>(log->high_watermark() - log->log_start_offset(), 30) + 1)));
      must(log->delete_records_before(start));
      std::erase_if(batches, [&](const ModelBatch& batch) { return batch.last < start.value(); });
      return;
    }
    must(log->apply_retention(clock.now_ms));
    must(log->remove_deleted_files(clock.now_ms + config.file_delete_delay_ms));
  }

  static std::vector<std::int64_t> offsets_of(const std::vector<KeyedRecord>& some) {
    std::vector<std::int64_t> offsets;
    for (const KeyedRecord& record : some) offsets.push_back(record.offset);
    return offsets;
  }
  std::string told;  // of the last step

  void check_equal() {
    std::vector<KeyedRecord> expected;
    std::int64_t start = log->log_start_offset().value();
    for (const ModelBatch& batch : batches)
      for (const KeyedRecord& record : batch.records)
        if (record.offset >= start) expected.push_back(record);
    std::vector<KeyedRecord> found = records();
    // A batch that holds the start is read whole.
    std::erase_if(found, [&](const KeyedRecord& record) { return record.offset < start; });
    INFO(told);
    CHECK(offsets_of(found) == offsets_of(expected));
    REQUIRE(found == expected);
  }
};

TEST_CASE("a compacted log equals its model after every step") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Model model(seed);
    INFO("seed " << seed);
    for (int i = 0; i < 400; ++i) {
      INFO("step " << i);
      model.step();
      model.check_equal();
    }
  }
}

}  // namespace
}  // namespace barnabas::log
