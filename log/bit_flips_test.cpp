// Single bits flip in the files of a log directory, each kind of file by its turn: whatever is opened again
// is read whole, at both isolation levels and by timestamp. Nothing wrong is served, and what is missing is
// told by a metric. BARNABAS_BIT_FLIPS: how many, 1,000 without it; BARNABAS_BIT_FLIPS_FROM: the first seed.
#include <cstdlib>
#include <map>
#include <set>

#include "base/memory_file_system.hpp"
#include "base/metrics.hpp"
#include "log/log_testing.hpp"
#include "log/segment_scan.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

const TopicPartition kTp{"t", PartitionIndex(0)};
const TopicId kId(Uuid::of_low(7777));
constexpr std::int64_t kBegin = 1'700'000'000'000;

enum class Fate { kPlain, kCommitted, kAborted, kOpen, kMarker };
struct Written {
  std::string value;
  std::int64_t timestamp = -1;
  Fate fate = Fate::kPlain;
  int epoch = 0;
};

/// What no file but the flipped one knows.
enum class Blind { kNothing, kLastOffset, kEpoch, kLogStart };

struct Flips {
  MemoryFileSystem files;
  StillClock clock;
  SeededRandom random;
  MetricsRegistry metrics;
  std::map<std::int64_t, Written> written;  // by offset
  std::unique_ptr<LogManager> manager;
  std::shared_ptr<PartitionLog> log;
  std::string flipped;
  bool is_clean = false;  // the stop
  Blind blind = Blind::kNothing;

  explicit Flips(std::uint64_t seed) : random(seed) {
    must(files.create_directories("/d"));
    must(write_meta_properties(files, "/d", {"c", BrokerId(1), DirectoryId(Uuid::of_low(4711))}));
  }

  Result<void> open() {
    log.reset();
    manager.reset();
    LogManagerOptions options;
    options.directories = {"/d"};
    options.node_id = BrokerId(1);
    options.cluster_id = "c";
    options.default_config.segment_bytes = 900;
    options.default_config.index_interval_bytes = 150;
    options.metrics = &metrics;
    manager = TRY(LogManager::open(files, clock, random, options));
    log = TRY(manager->create(kTp, kId, options.default_config));
    log->set_high_watermark(log->log_end_offset());
    return {};
  }

  void write_one(std::int64_t producer, std::int32_t sequence, Fate fate) {
    BatchSpec spec;
    spec.count = 1 + static_cast<int>(random.below(3));
    spec.timestamp = kBegin + static_cast<std::int64_t>(written.size()) * 10;
    spec.value = "value " + std::to_string(written.size());
    if (producer >= 0) {
      spec.options.producer_id = ProducerId(producer);
      spec.options.producer_epoch = ProducerEpoch(0);
      spec.options.base_sequence = sequence;
      spec.options.is_transactional = true;
      spec.count = 1;
    }
    const auto base = must(append(*log, make_batch(spec), epoch())).base_offset;
    const int in_epoch = epoch();
    for (int i = 0; i < spec.count; ++i)
      written[base.value() + i] = {spec.value, spec.timestamp + i * spec.timestamp_step, fate, in_epoch};
  }

  [[nodiscard]] int epoch() const { return static_cast<int>(written.size() / 20); }

  void write() {
    std::map<std::int64_t, std::int32_t> sequences;
    for (int i = 0; i < 40; ++i) {
      const std::int64_t producer = 100 + (i / 4);  // each has one transaction
      write_one(-1, 0, Fate::kPlain);
      const bool commits = (i / 4) % 2 == 0;
      const bool ends = i / 4 < 9;
      write_one(producer, sequences[producer]++,
                !ends     ? Fate::kOpen
                : commits ? Fate::kCommitted
                          : Fate::kAborted);
      if (i % 4 != 3 || !ends) continue;
      const int in_epoch = epoch();
      auto marker =
          append(*log, make_marker(ProducerId(producer), 0, commits), in_epoch, AppendOrigin::kCoordinator);
      written[must(std::move(marker)).base_offset.value()] = {"", 1'700'000'000'000, Fate::kMarker, in_epoch};
    }
    log->set_high_watermark(log->log_end_offset());
    must(log->delete_records_before(Offset(3)));
  }

  void stop(bool cleanly) {
    is_clean = cleanly;
    if (cleanly) {
      must(manager->shutdown(1));
    } else {
      must(log->sync());
      must(manager->checkpoint_log_start_offsets());
    }
    log.reset();
    manager.reset();
  }

  /// Files by what their names end in, so that each kind has its turn.
  std::vector<std::string> paths_of_kind(std::uint64_t turn) {
    std::map<std::string, std::vector<std::string>> kinds;
    for (const std::string directory : {"/d", "/d/t-0"}) {
      for (const DirectoryEntry& entry : must(files.list(directory))) {
        if (entry.is_directory || entry.name == ".lock") continue;
        const auto dot = entry.name.rfind('.');
        const std::string path = directory + "/" + entry.name;
        if (must(must(files.open(path, OpenMode::kReadOnly))->size()) > 0)
          kinds[dot == std::string::npos ? entry.name : entry.name.substr(dot)].push_back(path);
      }
    }
    return std::next(kinds.begin(), static_cast<std::ptrdiff_t>(turn % kinds.size()))->second;
  }

  void flip(std::uint64_t turn) {
    const auto paths = paths_of_kind(turn);
    const std::string& path = paths[random.below(paths.size())];
    const std::uint64_t at = random.below(must(must(files.open(path, OpenMode::kReadOnly))->size()));
    flip(path, at, random.below(8));
  }

  void flip(const std::string& path, std::uint64_t at, std::uint64_t bit) {
    if (path.ends_with(".log")) blind = in_batch(path, at);
    if (path.ends_with("log-start-offset-checkpoint")) blind = Blind::kLogStart;
    auto file = must(files.open(path, OpenMode::kReadWrite));
    std::uint8_t byte[1];
    REQUIRE(must(file->read_at(at, byte)) == 1);
    byte[0] = static_cast<std::uint8_t>(byte[0] ^ (1U << bit));
    must(file->write_at(at, byte));
    flipped = path + " byte " + std::to_string(at) + " bit " + std::to_string(bit);
  }

  /// Which batch of a segment is hit, and where.
  Blind in_batch(const std::string& path, std::uint64_t at) {
    auto file = must(files.open(path, OpenMode::kReadOnly));
    HeaderScanner scanner(*file, 0, must(file->size()));
    std::optional<EntryInfo> hit;
    bool is_last = true;
    while (auto entry = must(scanner.next())) {
      if (hit) is_last = false;
      if (entry->position <= at && at < entry->position + entry->size) hit = entry;
    }
    const std::uint64_t field = at - hit->position;
    if (field >= protocol::batch_field::kLeaderEpoch && field < protocol::batch_field::kMagic)
      return Blind::kEpoch;
    const bool is_end = is_last && hit->last_offset.value() == written.rbegin()->first;
    return is_end && field < protocol::batch_field::kLength && !is_clean ? Blind::kLastOffset
                                                                         : Blind::kNothing;
  }

  struct Seen {
    bool was_refused = false;
    std::set<std::int64_t> offsets;
  };
  void see_batch(const protocol::RecordBatchView& batch, Seen& seen, const std::set<std::int64_t>& aborted,
                 bool committed_only) {
    CHECK(batch.crc_matches());
    protocol::RecordScratch scratch;
    protocol::RecordCursor cursor(batch, scratch);
    protocol::RecordView record;
    while (must(cursor.next(record))) {
      CAPTURE(record.offset.value());
      auto truth = written.find(record.offset.value());
      if (truth == written.end() && blind == Blind::kLastOffset) return;
      REQUIRE(truth != written.end());
      if (blind != Blind::kEpoch) CHECK(batch.leader_epoch().value() == truth->second.epoch);
      if (!aborted.contains(batch.producer_id().value())) seen.offsets.insert(record.offset.value());
      CHECK(batch.is_control() == (truth->second.fate == Fate::kMarker));
      if (batch.is_control()) continue;
      const ByteView value = *record.value;
      CHECK(std::string(value.begin(), value.end()) == truth->second.value);
      CHECK(record.timestamp == truth->second.timestamp);
      if (!committed_only || aborted.contains(batch.producer_id().value())) continue;
      CHECK(truth->second.fate != Fate::kAborted);
      CHECK(truth->second.fate != Fate::kOpen);
    }
  }

  /// As a consumer would, that goes on behind an offset that is refused.
  Seen read(bool committed_only) {
    Seen seen;
    // A last offset that is wrong may put the end millions of offsets away: nothing is to be seen there.
    const Offset end = std::min(committed_only ? log->last_stable_offset() : log->log_end_offset(),
                                Offset(written.rbegin()->first + 10));
    for (Offset from = log->log_start_offset(); from < end;) {
      auto bytes = log->read_bytes({from, end, 400, true, false});
      std::set<std::int64_t> aborted;
      if (bytes && committed_only) {
        auto told = log->aborted_transactions(from, end);
        if (told)
          for (const AbortedTransaction& one : *told) {
            aborted.insert(one.producer_id.value());
            CHECK(written[one.last_offset.value()].fate == Fate::kMarker);
          }
        else
          bytes = std::unexpected(told.error());
      }
      const Offset before = from;
      if (bytes) {
        protocol::BatchCursor cursor(*bytes);
        while (auto entry = must(cursor.next())) {
          see_batch(entry->batch(), seen, aborted, committed_only);
          from = entry->last_offset() + 1;
        }
      } else {
        CHECK(bytes.error().code == ErrorCode::kCorruptMessage);
        seen.was_refused = true;
      }
      if (from == before && bytes) break;  // nothing more: whoever counts what was seen will tell
      if (from == before) from = from + 1;
    }
    return seen;
  }

  void check_timestamps(const Seen& seen) {
    const std::int64_t start = log->log_start_offset().value();
    for (std::size_t n = 0; n < written.size(); n += 7) {
      const std::int64_t wanted = kBegin + static_cast<std::int64_t>(n) * 10;
      auto found = log->find_by_timestamp(wanted, log->log_end_offset());
      if (!found) {
        CHECK(found.error().code == ErrorCode::kCorruptMessage);
        continue;
      }
      std::optional<std::int64_t> truth;
      for (const std::int64_t offset : seen.offsets)
        if (!truth && offset >= start && written[offset].timestamp >= wanted) truth = offset;
      CAPTURE(wanted);
      if (!truth) continue;
      REQUIRE(*found);
      // A batch that is not served beside a broken one may be found.
      const std::int64_t offset = (*found)->offset.value();
      CHECK(offset <= *truth);
      CHECK((*found)->timestamp_ms == written[offset].timestamp);
      CHECK((*found)->timestamp_ms >= wanted);
      if (!seen.was_refused) CHECK(offset == *truth);
    }
  }

  /// Everything that is served is right; what is not served, or was made whole, is counted.
  void check() {
    const Seen all = read(false);
    const Seen committed = read(true);
    check_timestamps(all);
    const std::int64_t start = log->log_start_offset().value();
    const std::int64_t end = log->log_end_offset().value();
    bool is_whole = !all.was_refused && !committed.was_refused && end == written.rbegin()->first + 1;
    std::int64_t stable = end;
    for (const auto& [offset, what] : written)
      if (what.fate == Fate::kOpen) stable = std::min(stable, offset);
    is_whole = is_whole && log->last_stable_offset() == Offset(stable);
    if (blind != Blind::kLogStart) CHECK(start <= 3);
    for (const auto& [offset, what] : written) {
      if (offset < std::max<std::int64_t>(start, 3)) continue;
      is_whole = is_whole && all.offsets.contains(offset);
      const bool is_shown = offset < stable && (what.fate == Fate::kPlain || what.fate == Fate::kCommitted);
      if (is_shown) is_whole = is_whole && committed.offsets.contains(offset);
    }
    if (blind == Blind::kNothing) CHECK((is_whole || told() > 0));
  }

  std::uint64_t told() {
    const CorruptionCounters counters = CorruptionCounters::of(&metrics);
    return counters.places->value() + counters.files->value() + counters.mended_batches->value() +
           counters.cut_bytes->value();
  }
};

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST_CASE("a flipped bit in any file of a log directory shows nobody a wrong record") {
  const std::uint64_t count = from_environment("BARNABAS_BIT_FLIPS", 1'000);
  const std::uint64_t first = from_environment("BARNABAS_BIT_FLIPS_FROM", 0);
  std::uint64_t refused = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Flips flips(seed);
    must(flips.open());
    flips.write();
    flips.stop(seed % 3 != 0);
    flips.flip(seed);
    CAPTURE(seed, flips.flipped, flips.is_clean);
    if (auto opened = flips.open(); !opened) {
      ++refused;  // meta.properties or partition.metadata
      CHECK_FALSE(opened.error().detail.empty());
      continue;
    }
    flips.check();
  }
  CHECK(refused < count);
}

TEST_CASE("a flipped base offset of any batch is mended, refused or cut, and never served") {
  const bool is_clean = GENERATE(true, false);
  const auto bit = GENERATE(0U, 1U, 2U, 5U, 9U, 20U, 31U, 32U, 62U, 63U);
  for (std::uint64_t batch = 0;; ++batch) {
    Flips flips(batch);
    must(flips.open());
    flips.write();
    flips.stop(is_clean);
    std::vector<std::pair<std::string, std::uint64_t>> begins;
    for (const DirectoryEntry& entry : must(flips.files.list("/d/t-0"))) {
      if (!entry.name.ends_with(".log")) continue;
      auto file = must(flips.files.open("/d/t-0/" + entry.name, OpenMode::kReadOnly));
      HeaderScanner scanner(*file, 0, must(file->size()));
      while (auto at = must(scanner.next())) begins.emplace_back("/d/t-0/" + entry.name, at->position);
    }
    if (batch == begins.size()) break;
    flips.flip(begins[batch].first, begins[batch].second + 7 - bit / 8, bit % 8);
    CAPTURE(batch, bit, flips.flipped, is_clean);
    must(flips.open());
    flips.check();
    const std::int64_t end = flips.log->log_end_offset().value();
    // The last batch after a clean stop is mended: its offset is known.
    if (is_clean && batch + 1 == begins.size()) CHECK(end == flips.written.rbegin()->first + 1);
    if (is_clean && batch + 1 == begins.size()) CHECK_FALSE(flips.read(false).was_refused);
  }
}

}  // namespace
}  // namespace barnabas::log
