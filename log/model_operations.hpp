// The operations that a log and its model are fed: each is chosen and carried out by one number, so that a
// run is a list of numbers, and a shorter list is a run too.
#pragma once

#include <algorithm>

#include "log/cleaner.hpp"
#include "log/model_appends.hpp"
#include "log/partition_files.hpp"
#include "log/segment_scan.hpp"

namespace barnabas::log::testing {

/// What the log is configured for; kChanging goes from one policy to the other.
enum class ModelPolicy { kDelete, kCompact, kBoth, kChanging };

inline LogConfig model_config(std::uint64_t seed, ModelPolicy policy) {
  SeededRandom random(seed);
  LogConfig config;
  config.segment_bytes = 500 + static_cast<std::int32_t>(random.below(4000));
  config.index_interval_bytes = static_cast<std::int32_t>(random.below(600));
  config.segment_ms = 1000 + static_cast<std::int64_t>(random.below(60'000));
  config.retention_ms = 5'000 + static_cast<std::int64_t>(random.below(60'000));
  config.retention_bytes = 2'000 + static_cast<std::int64_t>(random.below(20'000));
  config.delete_retention_ms = static_cast<std::int64_t>(random.below(5'000));
  config.producer_id_expiration_ms = 20'000 + static_cast<std::int64_t>(random.below(200'000));
  config.min_cleanable_dirty_ratio = 0;
  config.preallocate = random.below(4) == 0;
  if (random.below(3) == 0) config.min_compaction_lag_ms = static_cast<std::int64_t>(random.below(3'000));
  if (random.below(4) == 0) config.flush_messages = 1 + static_cast<std::int64_t>(random.below(30));
  config.message_timestamp_after_max_ms = INT64_MAX;
  config.cleanup_compact = policy == ModelPolicy::kCompact || policy == ModelPolicy::kBoth;
  config.cleanup_delete = policy != ModelPolicy::kCompact;
  return config;
}

class ModelOperations : public ModelAppends {
 public:
  ModelOperations(std::uint64_t seed, ModelPolicy policy)
      : ModelAppends(model_config(seed, policy)), policy_(policy) {}

  /// Carries one operation out on both and compares them. Throws Mismatch.
  void step(std::uint64_t number) {
    SeededRandom random(number);
    random_ = &random;
    told_.clear();
    if (one_in(2)) clock.now_ms += static_cast<std::int64_t>(below(one_in(50) ? 20'000 : 60));
    operate();
    compare_state();
    compare_read(random);
    compare_timestamps(random);
    Offset from = model.log_start + static_cast<std::int64_t>(below(range() + 1));
    compare_aborted(from, from + static_cast<std::int64_t>(below(range() + 1)));
    if (changed_much_ || one_in(8)) compare_all();
    changed_much_ = false;
  }
  /// What the last operation was.
  [[nodiscard]] const std::string& told() const { return told_; }

 private:
  static constexpr std::size_t kMostBatches = 120;

  void operate() {
    struct Operation {
      std::uint64_t weight;
      void (ModelOperations::*run)();
    };
    static constexpr Operation kOperations[] = {{240, &ModelOperations::append_plain},
                                                {200, &ModelOperations::append_produced},
                                                {70, &ModelOperations::append_marker},
                                                {60, &ModelOperations::append_refused},
                                                {60, &ModelOperations::append_several},
                                                {40, &ModelOperations::append_fetched},
                                                {25, &ModelOperations::begin_epoch},
                                                {70, &ModelOperations::move_high_watermark},
                                                {45, &ModelOperations::roll},
                                                {25, &ModelOperations::truncate},
                                                {4, &ModelOperations::start_anew},
                                                {25, &ModelOperations::delete_records},
                                                {35, &ModelOperations::apply_retention},
                                                {30, &ModelOperations::clean},
                                                {20, &ModelOperations::change_config},
                                                {40, &ModelOperations::sync},
                                                {14, &ModelOperations::crash},
                                                {14, &ModelOperations::restart},
                                                {10, &ModelOperations::expire_producers}};
    if (model.batches.size() > kMostBatches) return make_room();
    std::uint64_t total = 0;
    for (const Operation& operation : kOperations) total += operation.weight;
    std::uint64_t at = below(total);
    for (const Operation& operation : kOperations) {
      if (at < operation.weight) return (this->*operation.run)();
      at -= operation.weight;
    }
  }

  // The rest.

  void begin_epoch() {
    epoch_ = LeaderEpoch(epoch_.value() + 1 + static_cast<std::int32_t>(below(2)));
    tell("epoch {}", epoch_.value());
    if (one_in(2)) return;
    good(log->assign_epoch_start(epoch_, log->log_end_offset()), "assign_epoch_start");
    model.begin_epoch(epoch_, model.log_end);
  }

  void roll() {
    tell("roll");
    good(log->roll(), "roll");
    model.roll(clock.now_ms);
  }

  void sync() {
    tell("sync");
    good(log->sync(), "sync");
    model.synced();
  }

  /// With the sync that makes it last: before, a crash may bring back what was cut.
  void truncate() {
    changed_much_ = true;
    Offset to = model.log_end;
    std::size_t cut = std::min<std::size_t>(below(one_in(4) ? 40 : 5), model.batches.size());
    // Where a batch ends, as the answers of a leader are.
    if (cut > 0) to = model.segments.front().base;
    if (cut < model.batches.size()) to = model.batches[model.batches.size() - cut - 1].last + 1;
    to = std::max(to, model.log_start);
    tell("truncate to {}", to.value());
    good(log->truncate_to(to), "truncate_to");
    model.truncate_to(to, clock.now_ms);
    settle_producers();
    sync();
  }

  void start_anew() {
    changed_much_ = true;
    Offset to = model.log_end + static_cast<std::int64_t>(below(20)) - 5;
    to = std::max(to, Offset(0));
    tell("start anew at {}", to.value());
    good(log->truncate_fully_and_start_at(to), "truncate_fully_and_start_at");
    model.start_anew(to, clock.now_ms);
    sync();
  }

  void delete_records() {
    changed_much_ = true;
    auto stable = static_cast<std::uint64_t>(model.high_watermark - model.log_start);
    delete_records_before(model.log_start +
                          static_cast<std::int64_t>(below(std::min<std::uint64_t>(stable, 60) + 1)));
  }
  void delete_records_before(Offset to) {
    tell("delete records before {}", to.value());
    Offset start = good(log->delete_records_before(to), "delete_records_before");
    model.delete_records_before(to, clock.now_ms);
    expect(start == model.log_start, "the records are deleted up to {}", start.value());
  }
  /// Retention where nothing is too old or too much: what ends below the log start goes, be it the active
  /// segment.
  void delete_segments_below_start() {
    LogConfig keeps = config;
    keeps.retention_ms = -1;
    keeps.retention_bytes = -1;
    log->set_config(keeps);
    good(log->apply_retention(clock.now_ms), "apply_retention");
    log->set_config(config);
  }
  void delete_below_start() {
    tell("delete below {}", model.log_start.value());
    delete_segments_below_start();
    model.delete_below_start(clock.now_ms);
  }
  void make_room() {
    model.set_high_watermark(model.log_end);
    log->set_high_watermark(log->log_end_offset());
    changed_much_ = true;
    delete_records_before(model.batches[model.batches.size() - 1 - below(kMostBatches)].base);
  }

  void apply_retention() {
    changed_much_ = true;
    tell("retention");
    int count = good(log->apply_retention(clock.now_ms), "apply_retention");
    int wanted = model.apply_retention(clock.now_ms);
    expect(count == wanted, "retention deletes {} segments, not {}", count, wanted);
    if (one_in(2))
      good(log->remove_deleted_files(clock.now_ms + (one_in(2) ? config.file_delete_delay_ms : 0)), "remove");
  }

  void clean() {
    if (!config.cleanup_compact) return apply_retention();
    changed_much_ = true;
    sync();  // as the broker does with every segment that it closes
    CleanerOptions how;
    std::uint64_t slots = 1 + below(40);
    how.dedupe_buffer_bytes = slots * OffsetMap::kBytesPerEntry;
    how.io_buffer_bytes = 1 + below(3'000);
    Offset bound = good(log->cleaning_outlook(clock.now_ms), "cleaning_outlook").first_uncleanable;
    tell("clean below {} with {} keys", bound.value(), slots);
    Cleaner cleaner(files, *random_, how, [](std::size_t) { return true; });
    auto with_log = [this](const std::function<Result<void>(CleanableLog&)>& call) { return call(*log); };
    auto report = good(cleaner.clean(with_log, clock.now_ms), "clean");
    expect(report.has_value(), "a cleaning is aborted");
    auto entries = static_cast<std::uint64_t>(
        static_cast<double>(OffsetMap(how.dedupe_buffer_bytes, *random_).slots()) * how.load_factor);
    ModelCleaning wanted = model.clean(bound, std::max<std::uint64_t>(entries, 1), clock.now_ms);
    expect(report->from == wanted.from && report->to == wanted.to,
           "a cleaning goes from {} to {}, not {} to {}", report->from.value(), report->to.value(),
           wanted.from.value(), wanted.to.value());
    adopt_cleaned(wanted);
    holes_below_ = std::max(holes_below_, wanted.end_of_segments);
  }

  void adopt_cleaned(const ModelCleaning& cleaning) {
    auto problem = model.adopt_cleaned(stored_batches(), segment_bases(), cleaning, clock.now_ms);
    if (problem) throw Mismatch(*problem);
  }

  void change_config() {
    tell("set_config");
    switch (below(6)) {
      case 0:
        config.segment_bytes = 500 + static_cast<std::int32_t>(below(4'000));
        break;
      case 1:
        config.retention_bytes = one_in(3) ? -1 : 2'000 + static_cast<std::int64_t>(below(20'000));
        break;
      case 2:
        config.retention_ms = one_in(3) ? -1 : 1'000 + static_cast<std::int64_t>(below(60'000));
        break;
      case 3:
        config.compression = static_cast<CompressionSetting>(below(6));
        break;
      case 4:
        config.message_timestamp_type =
            one_in(2) ? TimestampType::kLogAppendTime : TimestampType::kCreateTime;
        break;
      default:
        if (policy_ == ModelPolicy::kChanging) config.cleanup_compact = !config.cleanup_compact;
    }
    log->set_config(config);
    model.config = config;
  }

  void expire_producers() {
    tell("expire producers");
    log->expire_producers(clock.now_ms);
    model.forget_expired(clock.now_ms);
  }

  // Stops and starts.

  void restart() {
    changed_much_ = true;
    delete_below_start();
    tell("; close and open");
    good(log->close(), "close");
    log.reset();
    if (one_in(2)) files.crash();
    clock.now_ms += static_cast<std::int64_t>(below(100));
    open(true, model.log_end);
    reopened(model.end_by_files(), model.log_end);
  }

  void crash() {
    changed_much_ = true;
    bool loses = !one_in(3);
    delete_below_start();
    tell("; {}", loses ? "crash" : "kill");
    log.reset();
    if (loses) files.crash(*random_);
    // The checkpoint may be older than the last sync, but not than what was cleaned: that takes a day. Nor
    // than a hole that a log which compacts took for one of compaction: its policy may have changed since.
    Offset oldest = std::clamp(holes_below_, Offset(0), model.recovery_point);
    auto age = below(static_cast<std::uint64_t>(model.recovery_point - oldest) + 1);
    Offset checkpointed = model.recovery_point - (one_in(2) ? static_cast<std::int64_t>(age) : 0);
    open(false, checkpointed);
    bool has_hole = loses && check_survivors();
    bool forgets = has_hole || (loses && model.recovery_point <= model.segments.front().base);
    const Offset before = model.log_end;
    reopened(loses ? log->log_end_offset() : model.end_by_files(), checkpointed, forgets);
    // As truncate() does: what this start cut off the next crash could bring back.
    if (model.log_end < before || has_hole) sync();
    if (has_hole) holes_below_ = std::max(holes_below_, model.log_end);
  }

  /// Of every segment, those below the log start too.
  std::vector<ModelBatch> stored_batches() {
    std::vector<ModelBatch> found;
    protocol::RecordScratch scratch;
    for (Offset base : segment_bases()) {
      auto file =
          good(files.open("/logs/t-0/" + offset_file_name(base, kLogSuffix), OpenMode::kReadOnly), "open");
      EntryScanner scanner(*file, 0, good(file->size(), "size"));
      while (auto entry = good(scanner.next(), "a batch"))
        found.push_back(good(model_batch(*entry, scratch), "a batch"));
    }
    std::erase_if(found, [&](const ModelBatch& batch) { return batch.base < model.segments[0].base; });
    return found;
  }

  /// All that was synced, and of the rest a beginning. A log that compacts may have lost the end of any
  /// segment: it takes the hole for one of compaction, and then this is true.
  bool check_survivors() {
    tell(", ends at {}", log->log_end_offset().value());
    std::vector<ModelBatch> found = stored_batches();
    auto at = found.begin();
    bool is_lost = false;
    bool has_hole = false;
    for (const ModelBatch& batch : model.batches) {
      if (at == found.end() || at->base != batch.base) {
        is_lost = true;
        has_hole = has_hole || (batch.last < log->log_end_offset() && batch.last >= model.log_start);
        expect(batch.last >= model.recovery_point || batch.last < model.log_start,
               "{} was synced and is lost", to_string(batch));
        continue;
      }
      compare(*at++, batch);
      has_hole = has_hole || is_lost;
    }
    expect(at == found.end(), "a crash brings {}", at == found.end() ? "" : to_string(*at));
    // One of a log that was cleaned before its policy changed passes for one of compaction, too.
    expect(!has_hole || config.cleanup_compact || model.cleaned_to != kNoOffset, "there is a hole before {}",
           log->log_end_offset().value());
    model.batches = std::move(found);
    model.has_holes = model.has_holes || has_hole;
    if (has_hole) model.adopt_aborted(must(log->aborted_transactions(Offset(0), log->log_end_offset())));
    return has_hole;
  }

  /// The log is open again, from `recovery_point` on, and ends at `end`.
  void reopened(Offset end, Offset recovery_point, bool forgets = false) {
    std::vector<Offset> old = model.segment_bases();
    // What ends below the log start begins anew there.
    Offset first = segment_bases().front();
    bool is_known = std::ranges::find(old, first) != old.end() &&
                    (log->recovery_point() < model.log_start || !log->active_producers().empty());
    bool is_anew = first == model.log_start && log->log_end_offset() == first && !is_known;
    // What was deleted without a sync may be back.
    delete_segments_below_start();
    std::vector<Offset> bases = segment_bases();
    bool is_rolled = bases == std::vector<Offset>{model.log_start};
    expect(is_rolled || (bases.size() <= old.size() && std::equal(bases.begin(), bases.end(), old.begin())),
           "other segments are there than before");
    if (is_anew) {
      model.start_anew(model.log_start, clock.now_ms);
    } else {
      model.reopened(end, bases, clock.now_ms);
      model.recovery_point = std::min(recovery_point, end);
    }
    settle_producers(forgets);
    settle_epochs();
    move_high_watermark();
  }

  /// Takes from the log what the files alone do not tell any more.
  /// `forgets`: batches are gone before others that are there, of which no snapshot need tell.
  void settle_producers(bool forgets = false) {
    bool is_cut = model.log_end < model.producers_known_from;
    if (forgets || is_cut) {
      model.adopt_producers(log->active_producers());
      model.has_holes = true;
      // Every later start may begin at a snapshot from before the cut.
      if (is_cut) model.producers_known_from = Offset(INT64_MAX);
    }
    for (const ActiveProducer& one : log->active_producers()) {
      auto known = model.producers.find(one.id);
      if (known == model.producers.end()) continue;
      // Of one that was expired in the snapshot only what came behind it is known.
      if (model.has_holes || model.may_know_coordinator(one.id, one.coordinator_epoch, clock.now_ms))
        known->second.coordinator_epoch = one.coordinator_epoch;
      // Of a marker that compaction took away.
      if (model.has_holes) known->second.last_timestamp_ms = one.last_timestamp_ms;
    }
  }

  void settle_epochs() {
    if (!model.has_holes && !has_gaps_ && model.log_start < model.log_end) return;
    // The file may have been torn; then epochs are told by the batches that are there.
    model.epochs.clear();
    auto entries = read_epoch_checkpoint(files, "/logs/t-0/leader-epoch-checkpoint");
    if (!entries) return expect(log->latest_epoch() == kNoLeaderEpoch, "epochs come of a torn file");
    // What begins at the end may have been forgotten; the file need not have been written for that.
    for (const EpochEntry& entry : *entries)
      if (entry.start_offset < model.log_end || entry.epoch <= log->latest_epoch())
        model.epochs.emplace_back(entry.epoch, entry.start_offset);
    for (const ModelBatch& batch : model.batches) {
      if (batch.magic < 2 || batch.base < model.log_start) continue;
      expect(log->epoch_of(batch.base) == batch.epoch, "{} is of epoch {} after the crash", to_string(batch),
             log->epoch_of(batch.base).value());
    }
  }

  ModelPolicy policy_;
  bool changed_much_ = false;
  Offset holes_below_;  // that compaction and crashes left
};

}  // namespace barnabas::log::testing
