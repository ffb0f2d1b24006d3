#include "log/cleaner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.hpp"
#include "log/partition_log.hpp"
#include "log/segment.hpp"
#include "protocol/legacy_message_set.hpp"

namespace barnabas::log {
namespace {

/// An error of reading `segment` at `position`; those of the disk name their file themselves.
std::unexpected<Error> located(Error error, const SourceSegment& segment, std::uint64_t position) {
  if (error.code != ErrorCode::kKafkaStorageError)
    error.detail = fmt::format("{} at position {}: {}", segment.path, position, error.detail);
  return std::unexpected(std::move(error));
}

/// A walk that stopped before the segment's end.
std::unexpected<Error> broken(const SourceSegment& segment, std::uint64_t position) {
  return located({ErrorCode::kCorruptMessage, "no whole batch"}, segment, position);
}

std::string directory_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

}  // namespace

/// One call of clean().
struct Cleaner::Round {
  const WithLog& with_log;
  const CleaningPlan& plan;
  CleaningReport report;
  std::int64_t legacy_horizon_ms = 0;  // tombstones of magic 0 and 1 stay in segments younger than this
};

/// The segment that a group is written into, and what waits to be written.
struct Cleaner::Target {
  std::shared_ptr<Segment> segment;
  Bytes bytes;
  std::vector<EntryInfo> entries;
};

std::vector<std::span<const SourceSegment>> group_segments(std::span<const SourceSegment> segments,
                                                           const CleaningPlan& plan) {
  std::vector<std::span<const SourceSegment>> groups;
  auto max_size = static_cast<std::uint64_t>(plan.segment_bytes);
  auto max_index = static_cast<std::uint64_t>(plan.segment_index_bytes);
  while (!segments.empty()) {
    std::uint64_t size = segments[0].size;
    std::uint64_t offset_index = segments[0].offset_index_bytes;
    std::uint64_t time_index = segments[0].time_index_bytes;
    std::size_t count = 1;
    for (; count < segments.size(); ++count) {
      const SourceSegment& next = segments[count];
      size += next.size;
      offset_index += next.offset_index_bytes;
      time_index += next.time_index_bytes;
      bool offsets_fit = next.size == 0 || next.end - 1 - segments[0].base <= INT32_MAX;
      if (size > max_size || offset_index > max_index || time_index > max_index || !offsets_fit) break;
    }
    groups.push_back(segments.first(count));
    segments = segments.subspan(count);
  }
  return groups;
}

Result<std::optional<CleaningReport>> Cleaner::clean(const WithLog& with_log, std::int64_t now_ms) {
  std::optional<CleaningPlan> plan;
  auto begin = [&](CleanableLog& log) -> Result<void> {
    plan = TRY(log.begin_cleaning(now_ms));
    return {};
  };
  TRY(with_log(begin));
  if (!plan) return std::nullopt;
  Round round{with_log, *plan, {}};
  round.report.from = round.report.to = plan->outlook.first_dirty;
  auto cleaned = clean_planned(round, now_ms);
  // What a log says that is truncated, closed or removed meanwhile is no news of it.
  bool is_whole = cleaned && *cleaned && !*plan->aborted;
  auto end = [&](CleanableLog& log) -> Result<void> {
    log.end_cleaning(is_whole ? round.report.to : kNoOffset);
    return {};
  };
  TRY(with_log(end));
  if (!cleaned && !*plan->aborted) return std::unexpected(std::move(cleaned).error());
  return is_whole ? std::optional(round.report) : std::nullopt;
}

bool Cleaner::goes_on(const Round& round, std::size_t bytes) const {
  return !*round.plan.aborted && pace_(bytes) && !*round.plan.aborted;
}

Result<bool> Cleaner::clean_planned(Round& round, std::int64_t now_ms) {
  const CleaningPlan& plan = round.plan;
  OffsetMap map(options_.dedupe_buffer_bytes, random_);
  if (!TRY(build_map(round, map))) return false;
  round.report.keys = map.size();

  std::span<const SourceSegment> all(plan.segments);
  auto is_below = [](Offset bound) { return [bound](const SourceSegment& s) { return s.base < bound; }; };
  auto clean_end = std::ranges::partition_point(all, is_below(plan.outlook.first_dirty));
  if (clean_end != all.begin())
    round.legacy_horizon_ms = std::prev(clean_end)->modified_ms - plan.delete_retention_ms;
  auto end = std::ranges::partition_point(all, is_below(map.latest_offset() + 1));

  BatchCleaner batches(map, {now_ms, plan.delete_retention_ms, plan.outlook.first_uncleanable});
  for (Group group : group_segments({all.begin(), end}, plan))
    if (!TRY(clean_group(round, group, batches))) return false;
  round.report.counts = batches.counts();
  round.report.to = std::max(map.latest_offset() + 1, plan.outlook.first_dirty);
  return true;
}

Result<bool> Cleaner::build_map(Round& round, OffsetMap& map) {
  Offset first_dirty = round.plan.outlook.first_dirty;
  CleanedTransactions transactions;
  transactions.add_aborted(round.plan.dirty_aborted);
  map.set_latest_offset(first_dirty - 1);
  for (const SourceSegment& segment : round.plan.segments) {
    if (segment.end <= first_dirty) continue;
    Mapped mapped = TRY(map_segment(round, segment, map, transactions));
    if (mapped == Mapped::kEnded) return false;
    if (mapped == Mapped::kFull) break;
    // The offsets up to the next segment are known even where batches are missing.
    map.set_latest_offset(segment.end - 1);
  }
  return true;
}

Result<Cleaner::Mapped> Cleaner::map_segment(Round& round, const SourceSegment& segment, OffsetMap& map,
                                             CleanedTransactions& transactions) {
  EntryScanner scanner(*segment.file, 0, segment.size, options_.io_buffer_bytes);
  Offset from = round.plan.outlook.first_dirty;
  std::uint64_t paced = 0;
  while (auto entry = TRY(scanner.next())) {
    bool is_above = entry->last_offset() >= from;
    auto mapped = is_above ? map_entry(*entry, from, map, transactions) : Result<bool>(true);
    if (!mapped) return located(std::move(mapped).error(), segment, scanner.entry_position());
    if (!*mapped) return Mapped::kFull;
    if (is_above) map.set_latest_offset(std::max(map.latest_offset(), entry->last_offset()));
    if (scanner.position() - paced < options_.io_buffer_bytes && scanner.position() < segment.size) continue;
    round.report.bytes_read += scanner.position() - paced;
    if (!goes_on(round, scanner.position() - paced)) return Mapped::kEnded;
    paced = scanner.position();
  }
  if (*round.plan.aborted) return Mapped::kEnded;
  if (scanner.is_broken()) return broken(segment, scanner.position());
  return Mapped::kWhole;
}

/// False when the map is full.
Result<bool> Cleaner::map_entry(const protocol::LogEntry& entry, Offset from, OffsetMap& map,
                                CleanedTransactions& transactions) {
  if (!checksum_matches(entry)) return fail(ErrorCode::kCorruptMessage, "a wrong checksum");
  if (!entry.is_legacy()) {
    if (entry.batch().is_control()) {
      (void)TRY(transactions.read_control(entry.batch()));
      return true;
    }
    if (transactions.read_data(entry.batch())) return true;  // aborted
  }
  auto most = static_cast<std::uint64_t>(static_cast<double>(map.slots()) * options_.load_factor);
  most = std::clamp<std::uint64_t>(most, 1, map.slots());
  bool is_full = false;
  std::array<std::pair<KeyDigest, Offset>, OffsetMap::kKeysAhead> ahead;
  std::size_t waiting = 0;
  auto put_waiting = [&] {
    for (const auto& [key, offset] : std::span(ahead).first(std::exchange(waiting, 0))) {
      is_full = is_full || map.size() >= most;
      if (!is_full) map.put(key, offset);
    }
  };
  TRY(protocol::visit_records(entry, scratch_, {}, [&](const protocol::RecordView& record) {
    if (!record.key || record.offset < from) return;
    ahead[waiting] = {map.digest(*record.key), record.offset};
    map.prefetch(ahead[waiting].first);
    if (++waiting == ahead.size()) put_waiting();
  }));
  put_waiting();
  return !is_full;
}

Result<bool> Cleaner::clean_group(Round& round, Group sources, BatchCleaner& batches) {
  std::optional<CleaningGroup> group;
  auto begin = [&](CleanableLog& log) -> Result<void> {
    group = TRY(log.begin_group(sources));
    return {};
  };
  TRY(round.with_log(begin));
  if (!group) return false;
  Target target{group->target, {}, {}};
  auto finished = fill_target(round, sources, *group, batches, target);
  auto swap = [&](CleanableLog& log) -> Result<void> {
    if (finished && *finished) finished = log.swap_in(sources, target.segment);
    if (!finished || !*finished) log.drop_target(*target.segment);
    return {};
  };
  TRY(round.with_log(swap));
  if (!finished || !*finished) return finished;
  // Before the replaced files are removed for good.
  TRY(files_.sync_directory(directory_of(sources.front().path)));
  for (const SourceSegment& source : sources) round.report.bytes_before += source.size;
  round.report.bytes_after += target.segment->size();
  round.report.segments_before += sources.size();
  ++round.report.segments_after;
  return true;
}

/// Writes what stays of the sources, and makes it durable.
Result<bool> Cleaner::fill_target(Round& round, Group sources, const CleaningGroup& group,
                                  BatchCleaner& batches, Target& target) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    batches.transactions().add_aborted(group.aborted[i]);
    CleanedSource context{group.last_records, sources[i].modified_ms > round.legacy_horizon_ms};
    if (!TRY(clean_segment(round, sources[i], context, batches, target))) return false;
  }
  if (!TRY(write(round, target))) return false;
  TRY(target.segment->seal());
  TRY(target.segment->sync_files(true));
  TRY(files_.sync_directory(directory_of(sources.front().path)));
  return true;
}

Result<bool> Cleaner::clean_segment(Round& round, const SourceSegment& source, const CleanedSource& context,
                                    BatchCleaner& batches, Target& target) {
  EntryScanner scanner(*source.file, 0, source.size, options_.io_buffer_bytes);
  std::uint64_t paced = 0;
  while (auto entry = TRY(scanner.next())) {
    std::size_t before = target.bytes.size();
    if (auto cleaned = batches.clean(*entry, context, target.bytes); !cleaned)
      return located(std::move(cleaned).error(), source, scanner.entry_position());
    for (const AbortedTransaction& kept : batches.transactions().take_kept())
      TRY(target.segment->transactions().append(kept));
    if (target.bytes.size() > before)
      target.entries.push_back(entry_info(ByteView(target.bytes).subspan(before), 0));
    if (target.bytes.size() >= options_.io_buffer_bytes && !TRY(write(round, target))) return false;
    if (scanner.position() - paced < options_.io_buffer_bytes && scanner.position() < source.size) continue;
    round.report.bytes_read += scanner.position() - paced;
    if (!goes_on(round, scanner.position() - paced)) return false;
    paced = scanner.position();
  }
  if (*round.plan.aborted) return false;
  if (scanner.is_broken()) return broken(source, scanner.position());
  return true;
}

Result<bool> Cleaner::write(Round& round, Target& target) {
  if (target.bytes.empty()) return true;
  if (target.segment->size() + target.bytes.size() > INT32_MAX)
    return fail(ErrorCode::kRecordListTooLarge, "a cleaned segment would pass 2 GiB");
  TRY(target.segment->append(target.bytes, target.entries));
  bool on = goes_on(round, target.bytes.size());
  target.bytes.clear();
  target.entries.clear();
  return on;
}

}  // namespace barnabas::log
