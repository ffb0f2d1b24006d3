// A PartitionLog on a disk in memory beside its model (partition_model.hpp), and their comparison.
//
// Owned by a test. Not thread-safe. What differs is thrown as a Mismatch, so that a run can be repeated with
// fewer operations.
#pragma once

#include <fmt/format.h>

#include <stdexcept>

#include "base/memory_file_system.hpp"
#include "log/checkpoint_file.hpp"
#include "log/log_testing.hpp"
#include "log/partition_model.hpp"

namespace barnabas::log::testing {

struct Mismatch : std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class... Arguments>
void expect(bool holds, fmt::format_string<Arguments...> what, Arguments&&... arguments) {
  if (!holds) throw Mismatch(fmt::format(what, std::forward<Arguments>(arguments)...));
}

/// The value of a call that has to succeed.
template <class T>
T good(Result<T> result, std::string_view call) {
  if (!result)
    throw Mismatch(fmt::format("{} failed: {} (error {})", call, result.error().detail,
                               static_cast<int>(result.error().code)));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct ModelledLog {
  MemoryFileSystem files;
  StillClock clock;
  LogConfig config;
  PartitionModel model;
  std::unique_ptr<PartitionLog> log;

  explicit ModelledLog(const LogConfig& how) : config(how), model(how, Offset(0), StillClock().now_ms) {
    good(files.create_directories("/logs"), "create_directories");
    good(files.sync_directory("/"), "sync_directory");
    open(true, Offset(0));
    good(log->sync(), "sync");
  }

  void open(bool clean, Offset recovery_point) {
    log.reset();
    OpenLogOptions how = options_for("/logs", config);
    how.clean = clean;
    how.recovery_point = recovery_point;
    how.cleaned_to = model.cleaned_to;
    how.log_start_offset = model.log_start;
    log = good(open_log(files, clock, how), "open");
  }

  [[nodiscard]] std::vector<Offset> segment_bases() {
    std::vector<Offset> bases;
    for (const SegmentTime& segment : log->segment_times()) bases.push_back(segment.base_offset);
    return bases;
  }

  // Comparisons.

  static void compare(const ModelBatch& found, const ModelBatch& wanted) {
    bool is_same = found.same_content(wanted) && found.size == wanted.size &&
                   (found.records.empty() || found.delete_horizon_ms == wanted.delete_horizon_ms);
    expect(is_same, "the log has {}, the model {}", to_string(found), to_string(wanted));
  }

  std::vector<ModelBatch> all_batches() {
    std::vector<ModelBatch> found;
    protocol::RecordScratch scratch;
    for (Offset from = log->log_start_offset(); from < log->log_end_offset();) {
      Bytes bytes = good(log->read_bytes({from, log->log_end_offset(), 1 << 20, true}), "read_bytes");
      protocol::BatchCursor cursor(bytes);
      Offset before = from;
      while (auto entry = good(cursor.next(), "a batch")) {
        found.push_back(good(model_batch(*entry, scratch), "a batch"));
        from = found.back().last + 1;
      }
      if (from == before) break;
    }
    return found;
  }

  void compare_all() {
    std::vector<ModelBatch> found = all_batches();
    auto wanted = model.batches.begin();
    while (wanted != model.batches.end() && wanted->last < model.log_start) ++wanted;
    auto left = static_cast<std::size_t>(model.batches.end() - wanted);
    for (std::size_t i = 0; i < std::min(left, found.size()); ++i) compare(found[i], *(wanted + i));
    expect(found.size() == left, "the log has {} batches, the model {}", found.size(), left);
    compare_committed(found);
  }

  /// What a consumer of committed records gets, by the log's list of aborted transactions.
  void compare_committed(const std::vector<ModelBatch>& found) {
    Offset stable = log->last_stable_offset();
    auto aborted = must(log->aborted_transactions(log->log_start_offset(), stable));
    std::ranges::sort(aborted, {}, &AbortedTransaction::first_offset);
    std::map<ProducerId, bool> is_aborting;
    auto next = aborted.begin();
    for (const ModelBatch& batch : found) {
      if (batch.last >= stable) break;
      for (; next != aborted.end() && next->first_offset <= batch.last; ++next)
        is_aborting[next->producer_id] = true;
      if (batch.is_control) {
        if (!batch.commits) is_aborting[batch.producer_id] = false;
        continue;
      }
      if (!batch.is_transactional || batch.records.empty()) continue;
      expect(is_aborting[batch.producer_id] == model.is_aborted(batch), "a committed reader {} {}",
             model.is_aborted(batch) ? "is given the aborted" : "is not given the committed",
             to_string(batch));
    }
  }

  void compare_state() {
    auto same = [](std::string_view what, std::int64_t found, std::int64_t wanted) {
      expect(found == wanted, "{} is {} in the log, {} in the model", what, found, wanted);
    };
    same("the log start", log->log_start_offset().value(), model.log_start.value());
    same("the log end", log->log_end_offset().value(), model.log_end.value());
    same("the high watermark", log->high_watermark().value(), model.high_watermark.value());
    same("the recovery point", log->recovery_point().value(), model.recovery_point.value());
    same("where the dirty section begins", log->cleaned_to().value(), model.cleaned_to.value());
    compare_producers();
    if (model.high_watermark >= model.stable_known_from)
      same("the last stable offset", log->last_stable_offset().value(), model.last_stable_offset().value());
    std::vector<Offset> bases = segment_bases();
    std::vector<Offset> wanted = model.segment_bases();
    for (std::size_t i = 0; i < std::min(bases.size(), wanted.size()); ++i)
      same("the begin of a segment", bases[i].value(), wanted[i].value());
    same("the number of segments", std::ssize(bases), std::ssize(wanted));
    same("the number of bytes", static_cast<std::int64_t>(log->size_bytes()),
         static_cast<std::int64_t>(model.size_bytes()));
    compare_epochs();
  }

  void compare_epochs() {
    expect(log->latest_epoch() == (model.epochs.empty() ? kNoLeaderEpoch : model.epochs.back().first),
           "the latest epoch is {}", log->latest_epoch().value());
    std::vector<Offset> some = {model.log_start, model.log_end};
    std::vector<LeaderEpoch> asked = {LeaderEpoch(0)};
    for (const auto& [epoch, start] : model.epochs) {
      some.insert(some.end(), {start, start - 1});
      asked.insert(asked.end(), {LeaderEpoch(epoch.value() - 1), epoch, LeaderEpoch(epoch.value() + 1)});
    }
    for (Offset offset : some) {
      expect(log->epoch_of(offset) == model.epoch_of(offset),
             "offset {} is of epoch {} in the log, {} in the model", offset.value(),
             log->epoch_of(offset).value(), model.epoch_of(offset).value());
    }
    for (LeaderEpoch epoch : asked) {
      EpochEndOffset found = log->end_offset_for_epoch(epoch);
      EpochEndOffset wanted = model.end_offset_for_epoch(epoch);
      expect(found.epoch == wanted.epoch && found.end_offset == wanted.end_offset,
             "epoch {} ends as {} at {} in the log, as {} at {} in the model", epoch.value(),
             found.epoch.value(), found.end_offset.value(), wanted.epoch.value(), wanted.end_offset.value());
    }
  }

  [[nodiscard]] std::vector<ActiveProducer> live_producers() const {
    std::vector<ActiveProducer> live = log->active_producers();
    std::erase_if(live, [&](const ActiveProducer& one) {
      return one.current_transaction_start == kNoOffset &&
             clock.now_ms - one.last_timestamp_ms >= config.producer_id_expiration_ms;
    });
    return live;
  }

  static std::string text(const ActiveProducer& one) {
    return fmt::format("{}/{} at sequence {}, time {}, coordinator {}, transaction from {}", one.id.value(),
                       one.epoch.value(), one.last_sequence, one.last_timestamp_ms, one.coordinator_epoch,
                       one.current_transaction_start.value());
  }

  void compare_producers() {
    std::vector<ActiveProducer> found = live_producers();
    std::vector<ActiveProducer> wanted = model.active_producers(clock.now_ms);
    for (std::size_t i = 0; i < std::min(found.size(), wanted.size()); ++i) {
      expect(text(found[i]) == text(wanted[i]), "the log has producer {}, the model {}", text(found[i]),
             text(wanted[i]));
    }
    expect(found.size() == wanted.size(), "the log has {} producers, the model {}", found.size(),
           wanted.size());
  }

  void compare_aborted(Offset from, Offset up_to) {
    auto found = must(log->aborted_transactions(from, up_to));
    auto wanted = model.aborted_transactions(from, up_to);
    if (!model.has_holes) {
      expect(found.size() == wanted.size(),
             "{} transactions of [{}, {}) are aborted in the log, {} in the model", found.size(),
             from.value(), up_to.value(), wanted.size());
    }
    // Of a compacted log those are told of which something is left.
    for (const AbortedTransaction& one : found) {
      auto same = std::ranges::find(wanted, one.last_offset, &AbortedTransaction::last_offset);
      expect(same != wanted.end() && same->producer_id == one.producer_id, "no transaction was aborted at {}",
             one.last_offset.value());
      bool fits = model.has_holes ? one.first_offset >= same->first_offset
                                  : one.first_offset == same->first_offset &&
                                        one.last_stable_offset == same->last_stable_offset;
      expect(fits, "the transaction that was aborted at {} begins at {}, stable up to {}; not {} and {}",
             one.last_offset.value(), one.first_offset.value(), one.last_stable_offset.value(),
             same->first_offset.value(), same->last_stable_offset.value());
    }
  }

  static void compare_times(std::string_view what, const std::optional<TimestampOffset>& found,
                            const std::optional<TimestampOffset>& wanted) {
    auto tell = [](const std::optional<TimestampOffset>& one) {
      if (!one) return std::string("nothing");
      return fmt::format("{} at {} of epoch {}", one->timestamp_ms, one->offset.value(),
                         one->leader_epoch.value());
    };
    expect(tell(found) == tell(wanted), "{}: the log finds {}, the model {}", what, tell(found),
           tell(wanted));
  }

  void compare_timestamps(Random& random) {
    compare_times("the largest timestamp", good(log->find_max_timestamp(), "find_max_timestamp"),
                  model.find_max_timestamp());
    std::int64_t asked = clock.now_ms - static_cast<std::int64_t>(random.below(4000));
    if (!model.batches.empty() && random.below(3) != 0)
      asked = model.batches[random.below(model.batches.size())].max_timestamp_ms + 1 -
              static_cast<std::int64_t>(random.below(3));
    asked = std::max<std::int64_t>(asked, 0);
    Offset up_to = random.below(2) == 0 ? model.log_end : model.high_watermark;
    compare_times(fmt::format("time {} below {}", asked, up_to.value()),
                  good(log->find_by_timestamp(asked, up_to), "find_by_timestamp"),
                  model.find_by_timestamp(asked, up_to));
  }

  /// A fetch at any offset, with any limits.
  void compare_read(Random& random) {
    auto range = static_cast<std::uint64_t>(model.log_end - model.log_start);
    ReadOptions how;
    how.from = model.log_start + static_cast<std::int64_t>(random.below(range + 1));
    how.up_to =
        random.below(2) == 0 ? model.log_end : how.from + static_cast<std::int64_t>(random.below(range + 1));
    how.max_bytes = random.below(2) == 0 ? 1 << 20 : random.below(4000);
    how.at_least_one_batch = random.below(2) == 0;
    Bytes bytes = good(log->read_bytes(how), "read_bytes");
    std::uint64_t left = bytes.size();
    auto next = std::ranges::find_if(model.batches, [&](const ModelBatch& b) { return b.last >= how.from; });
    bool is_first = true;
    protocol::BatchCursor cursor(bytes);
    protocol::RecordScratch scratch;
    while (auto entry = good(cursor.next(), "a batch that is read")) {
      expect(next != model.batches.end() && next->last < how.up_to, "a read from {} to {} gives too much",
             how.from.value(), how.up_to.value());
      compare(good(model_batch(*entry, scratch), "a batch that is read"), *next++);
      left -= entry->bytes().size();
      is_first = false;
    }
    std::uint64_t limit = how.max_bytes;
    bool is_whole = is_first && how.at_least_one_batch;
    expect(bytes.size() <= limit || how.at_least_one_batch, "a read gives {} bytes", bytes.size());
    bool has_more = next != model.batches.end() && next->last < how.up_to;
    if (!has_more) return expect(left == 0, "bytes follow what was asked for");
    // What is left out did not fit: a batch is cut, or is the first of a segment and left out whole.
    bool is_cut = bytes.size() == limit;
    bool begins_segment = is_first || std::ranges::any_of(model.segments, [&](const ModelSegment& segment) {
                            return segment.base <= next->base &&
                                   (next == model.batches.begin() || std::prev(next)->base < segment.base);
                          });
    bool fits = bytes.size() + next->size <= limit;
    bool is_sole = how.at_least_one_batch && cursor.position() == bytes.size() && bytes.size() >= limit;
    expect(!is_whole && (is_cut || is_sole || (begins_segment && !fits)),
           "a read from {} to {} within {} bytes ends after {}", how.from.value(), how.up_to.value(), limit,
           bytes.size());
  }
};

}  // namespace barnabas::log::testing
