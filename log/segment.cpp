#include "log/segment.hpp"

#include <algorithm>
#include <vector>

#include "base/check.hpp"
#include "base/logging.hpp"

namespace barnabas::log {
namespace {

constexpr std::size_t kWalkChunk = std::size_t{64} << 10;

}  // namespace

/// The last entries appended: readers at the tail find their place without reading. Takes memory for those
/// that are there only, as most segments of many idle partitions have hardly any.
class Segment::RecentEntries {
 public:
  void add(const EntryInfo& entry) {
    if (entries_.size() < kCount)
      entries_.push_back(entry);
    else
      entries_[total_ % kCount] = entry;
    ++total_;
  }
  [[nodiscard]] bool is_empty() const { return entries_.empty(); }
  [[nodiscard]] const EntryInfo& last() const { return back(0); }
  [[nodiscard]] const EntryInfo* find(Offset offset) const {
    const EntryInfo* found = nullptr;
    for (std::size_t n = 0; n < entries_.size(); ++n) {
      const EntryInfo& entry = back(n);
      if (entry.last_offset < offset) return found;
      found = &entry;
    }
    return found != nullptr && found->base_offset <= offset ? found : nullptr;
  }

 private:
  static constexpr std::size_t kCount = 32;

  [[nodiscard]] const EntryInfo& back(std::size_t n) const { return entries_[(total_ - 1 - n) % kCount]; }

  std::vector<EntryInfo> entries_;  // a ring once there are kCount
  std::size_t total_ = 0;
};

Segment::Segment(FileSystem& files, const std::string& directory, Offset base, const LogConfig& config,
                 std::int64_t now_ms)
    : files_(files),
      directory_(directory),
      base_(base),
      made_ms_(now_ms),
      offsets_(base),
      times_(base),
      transactions_(files, directory + "/" + offset_file_name(base, kTransactionIndexSuffix)) {
  set_config(config);
}

std::string Segment::path(std::string_view suffix, Standing standing) const {
  constexpr std::string_view kEnds[] = {"", kCleanedSuffix, kSwapSuffix, kDeletedSuffix};
  return directory_ + "/" + offset_file_name(base_, suffix) +
         std::string(kEnds[static_cast<std::size_t>(standing)]);
}

void Segment::set_config(const LogConfig& config) {
  // Spread by the segment's own name, so that partitions made together do not all roll together.
  const std::int64_t bound = std::min(config.segment_jitter_ms, config.max_segment_ms());
  const std::size_t hash = std::hash<std::string>()(path(kLogSuffix));
  const std::int64_t jitter_ms =
      bound <= 0 ? 0 : static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(bound));
  limits_ = {.max_ms = config.max_segment_ms() - jitter_ms,
             .bytes = config.segment_bytes,
             .index_bytes = config.segment_index_bytes,
             .index_interval_bytes = config.index_interval_bytes,
             .preallocates = config.preallocate};
}

Result<std::shared_ptr<Segment>> Segment::create(FileSystem& files, const std::string& directory, Offset base,
                                                 const LogConfig& config, std::int64_t now_ms) {
  std::shared_ptr<Segment> segment(new Segment(files, directory, base, config, now_ms));
  TRY(segment->begin_empty());
  if (config.preallocate) TRY(segment->file_->truncate(static_cast<std::uint64_t>(config.segment_bytes)));
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::create_cleaned(FileSystem& files, const std::string& directory,
                                                         Offset base, const LogConfig& config,
                                                         std::int64_t now_ms) {
  std::shared_ptr<Segment> segment(new Segment(files, directory, base, config, now_ms));
  segment->standing_ = Standing::kCleaned;
  segment->transactions_.set_path(segment->path(kTransactionIndexSuffix));
  TRY(segment->begin_empty());
  return segment;
}

Result<void> Segment::begin_empty() {
  file_ = TRY(files_.open(path(kLogSuffix), OpenMode::kReadWriteCreate));
  TRY(file_->truncate(0));
  max_timestamp_known_ = true;
  TRY(transactions_.reset());
  TRY(create_indexes());
  recent_ = std::make_shared<RecentEntries>();
  active_ = true;
  return {};
}

Result<std::shared_ptr<Segment>> Segment::open(FileSystem& files, const std::string& directory, Offset base,
                                               const LogConfig& config, std::int64_t now_ms) {
  std::shared_ptr<Segment> segment(new Segment(files, directory, base, config, now_ms));
  segment->file_ = TRY(files.open(segment->path(kLogSuffix), OpenMode::kReadWrite));
  segment->size_ = segment->found_size_ = TRY(segment->file_->size());
  TRY(segment->transactions_.open());
  return segment;
}

Result<void> Segment::create_indexes() {
  TRY(offsets_.create(files_, path(kOffsetIndexSuffix), limits_.index_bytes));
  TRY(times_.create(files_, path(kTimeIndexSuffix), limits_.index_bytes));
  unindexed_bytes_ = 0;
  return {};
}

Result<void> Segment::ensure_indexes() {
  if (offsets_.file().is_open() && times_.file().is_open()) return {};
  auto opened = offsets_.open(files_, path(kOffsetIndexSuffix), limits_.index_bytes, active_, size_);
  if (opened) opened = times_.open(files_, path(kTimeIndexSuffix), limits_.index_bytes, active_);
  if (opened) return {};
  if (!is_not_found(opened.error())) add_to(counters_.files);
  return rebuild_indexes();
}

Result<void> Segment::rebuild_indexes() {
  log_info("org.apache.kafka.storage.internals.log.LogSegment", "rebuilding the indexes of {}",
           path(kLogSuffix));
  TRY(create_indexes());
  max_timestamp_ = {};
  max_timestamp_known_ = true;
  HeaderScanner scanner(*file_, 0, size_, kWalkChunk);
  // Where two entries overlap either may be the wrong one: no look-up begins at them.
  std::optional<EntryInfo> held;
  bool held_fits = true;
  while (auto entry = TRY(scanner.next())) {
    const bool fits = entry->base_offset >= (held ? held->last_offset + 1 : base_);
    if (held && held_fits && fits) TRY(index(*held));
    held = entry;
    held_fits = fits;
  }
  if (held && held_fits && held->last_offset - base_ <= INT32_MAX) TRY(index(*held));
  if (active_) return {};
  TRY(times_.append(max_timestamp_.timestamp_ms, max_timestamp_.offset, true));
  TRY(offsets_.file().trim());
  return times_.file().trim();
}

/// Those that contradict the batches.
Result<void> Segment::replace_indexes() {
  add_to(counters_.files);
  return rebuild_indexes();
}

void Segment::note_timestamp(const EntryInfo& entry) {
  if (first_timestamp_ms_ < 0 && entry.position == 0) first_timestamp_ms_ = entry.max_timestamp_ms;
  if (entry.max_timestamp_ms > max_timestamp_.timestamp_ms)
    max_timestamp_ = {entry.max_timestamp_ms, entry.last_offset};
}

Result<void> Segment::index(const EntryInfo& entry) {
  note_timestamp(entry);
  if (unindexed_bytes_ > static_cast<std::uint64_t>(limits_.index_interval_bytes)) {
    TRY(offsets_.append(entry.last_offset, entry.position));
    TRY(times_.append(max_timestamp_.timestamp_ms, max_timestamp_.offset));
    unindexed_bytes_ = 0;
  }
  unindexed_bytes_ += entry.size;
  return {};
}

Result<void> Segment::append(ByteView bytes, std::span<EntryInfo> entries) {
  DCHECK(active_);
  TRY(file_->write_at(size_, bytes));
  Result<void> indexed;
  for (EntryInfo& entry : entries) {
    entry.position = size_;
    size_ += entry.size;
    recent_->add(entry);
    if (auto done = index(entry); !done) indexed = std::move(done);
  }
  // On a full disk, or without a descriptor, the index entries wait in memory: the batches themselves are
  // written.
  if (!indexed && is_not_found(indexed.error())) return rebuild_indexes();
  if (!indexed && !is_disk_failure(indexed.error())) return {};
  return indexed;
}

bool Segment::should_roll(std::uint64_t bytes, Offset last_offset, std::int64_t max_timestamp_ms,
                          std::int64_t now_ms) const {
  if (size_ + bytes > static_cast<std::uint64_t>(limits_.bytes)) return true;
  std::int64_t waited = first_timestamp_ms_ >= 0 ? max_timestamp_ms - first_timestamp_ms_ : now_ms - made_ms_;
  if (size_ > 0 && waited > limits_.max_ms) return true;
  return offsets_.is_full() || times_.is_full() || last_offset - base_ > INT32_MAX;
}

Result<std::optional<EntryInfo>> Segment::find(Offset offset) {
  if (recent_ != nullptr && !recent_->is_empty()) {
    if (recent_->last().last_offset < offset) return std::nullopt;
    if (const EntryInfo* entry = recent_->find(offset)) return *entry;
  }
  return find_in_file(offset, true);
}

Result<std::optional<EntryInfo>> Segment::find_in_file(Offset offset, bool may_rebuild) {
  OffsetPosition near = TRY(look_up(offset));
  HeaderScanner scanner(*file_, near.position, size_);
  bool first = true;
  while (auto entry = TRY(scanner.next())) {
    // An entry of the index that does not meet its batch is a broken index.
    if (first && near.position > 0 && entry->last_offset != near.offset) break;
    first = false;
    if (entry->last_offset >= offset) return entry;
  }
  bool index_is_wrong = near.position > 0 && first;
  if (!index_is_wrong && !scanner.is_broken()) return std::nullopt;
  // An index that leads to where a batch begins is right about a broken one, and all that leads past it.
  if (!may_rebuild || !index_is_wrong || (scanner.is_broken() && TRY(is_boundary(near.position))))
    return corrupt_at(scanner.position());
  TRY(replace_indexes());
  return find_in_file(offset, false);
}

/// Whether an entry begins at `position`, as far as the headers before it tell.
Result<bool> Segment::is_boundary(std::uint64_t position) const {
  HeaderScanner scanner(*file_, 0, position, kWalkChunk);
  while (TRY(scanner.next())) continue;
  return !scanner.is_broken();
}

Result<OffsetPosition> Segment::look_up(Offset offset) {
  TRY(ensure_indexes());
  auto found = offsets_.lookup(offset);
  if (found || !is_not_found(found.error())) return found;
  TRY(rebuild_indexes());  // somebody removed it
  return offsets_.lookup(offset);
}

Result<std::uint64_t> Segment::search_begin(Offset offset) {
  return TRY(look_up(offset)).position;
}

Result<std::uint64_t> Segment::position_for_timestamp(std::int64_t timestamp_ms) {
  TRY(ensure_indexes());
  auto near = times_.lookup(timestamp_ms);
  if (!near && !is_not_found(near.error())) return std::unexpected(std::move(near).error());
  if (!near || (near->timestamp_ms != -1 && !TRY(is_right(*near)))) {
    TRY(near ? replace_indexes() : rebuild_indexes());
    near = TRY(times_.lookup(timestamp_ms));
  }
  OffsetPosition position = TRY(look_up(near->offset));
  // Whoever walks from there cannot see that the first batch overlaps the one before it.
  auto entry = TRY(HeaderScanner(*file_, position.position, size_, 64).next());
  return entry && entry->last_offset == position.offset ? position.position : 0;
}

/// Whether a batch says of itself what the time index says of it.
Result<bool> Segment::is_right(TimestampPosition entry) {
  auto found = TRY(find(entry.offset));
  return found && found->base_offset <= entry.offset && found->max_timestamp_ms == entry.timestamp_ms;
}

Result<TimestampPosition> Segment::max_timestamp() {
  if (max_timestamp_known_) return max_timestamp_;
  TRY(ensure_indexes());
  if (max_timestamp_known_) return max_timestamp_;
  if (times_.last()) {
    auto right = is_right({times_.last()->timestamp_ms, times_.last()->offset});
    if (right && !*right) {
      TRY(replace_indexes());
      return max_timestamp_;
    }
  }
  // A sealed segment's last entry is its largest timestamp; one that lost it is walked from there.
  if (times_.last()) max_timestamp_ = {times_.last()->timestamp_ms, times_.last()->offset};
  OffsetPosition from = TRY(look_up(times_.last() ? max_timestamp_.offset : base_));
  HeaderScanner scanner(*file_, from.position, size_, kWalkChunk);
  if (!times_.last() || active_)
    while (auto entry = TRY(scanner.next())) note_timestamp(*entry);
  max_timestamp_known_ = true;
  return max_timestamp_;
}

std::int64_t Segment::retention_timestamp() {
  auto largest = max_timestamp();
  return largest && largest->timestamp_ms >= 0 ? largest->timestamp_ms : made_ms_;
}

Result<Segment::End> Segment::read_end() {
  TRY(ensure_indexes());
  std::uint64_t from = offsets_.last() ? offsets_.last()->position : 0;
  HeaderScanner scanner(*file_, from, size_, kWalkChunk);
  std::optional<EntryInfo> last;
  while (auto entry = TRY(scanner.next())) last = entry;
  return End{last ? last->last_offset + 1 : base_, scanner.is_broken()};
}

Result<std::uint64_t> Segment::cut_torn_end(Offset below) {
  TRY(ensure_indexes());
  HeaderScanner scanner(*file_, offsets_.last() ? offsets_.last()->position : 0, size_, kWalkChunk);
  std::uint64_t end = 0;
  while (auto entry = TRY(scanner.next())) {
    if (entry->last_offset >= below) break;
    end = entry->position + entry->size;
  }
  // Without a batch where the index says that one begins it is not the end that is wrong.
  if (end == size_ || (end == 0 && offsets_.last())) return 0;
  const std::uint64_t cut = size_ - end;
  TRY(file_->truncate(end));
  TRY(file_->sync());
  size_ = end;
  found_size_ = std::min(found_size_, size_);
  return cut;
}

Result<void> Segment::activate() {
  if (active_) return {};
  offsets_.file().close();
  times_.file().close();
  active_ = true;
  recent_ = std::make_shared<RecentEntries>();
  TRY(ensure_indexes());
  TRY(max_timestamp());
  unindexed_bytes_ = size_ - (offsets_.last() ? offsets_.last()->position : 0);
  (void)TRY(first_timestamp());
  if (limits_.preallocates && size_ < static_cast<std::uint64_t>(limits_.bytes))
    TRY(file_->truncate(static_cast<std::uint64_t>(limits_.bytes)));
  return {};
}

Result<void> Segment::seal() {
  if (!active_) return {};
  TRY(times_.append(max_timestamp_.timestamp_ms, max_timestamp_.offset, true));
  TRY(offsets_.file().trim());
  TRY(times_.file().trim());
  if (TRY(file_->size()) != size_) TRY(file_->truncate(size_));
  offsets_.file().close();
  times_.file().close();
  recent_.reset();
  active_ = false;
  return {};
}

Result<void> Segment::truncate(std::uint64_t size, Offset offset) {
  CHECK(active_ && size <= size_);
  TRY(file_->truncate(size));
  size_ = size;
  found_size_ = std::min(found_size_, size);
  recent_ = std::make_shared<RecentEntries>();
  TRY(offsets_.truncate_to_size(size));
  TRY(times_.truncate_to_offset(offset));
  TRY(transactions_.truncate_to(offset));
  if (size == 0) first_timestamp_ms_ = -1;
  max_timestamp_ = {};
  max_timestamp_known_ = false;
  TRY(max_timestamp());
  unindexed_bytes_ = size - (offsets_.last() ? offsets_.last()->position : 0);
  return {};
}

Result<void> Segment::stand_as(Standing standing) {
  for (std::string_view suffix :
       {kOffsetIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix, kLogSuffix}) {
    std::string from = path(suffix);
    if (TRY(files_.exists(from))) TRY(files_.rename(from, path(suffix, standing)));
  }
  standing_ = standing;
  transactions_.set_path(path(kTransactionIndexSuffix));
  if (offsets_.file().is_open()) offsets_.file().set_path(path(kOffsetIndexSuffix));
  if (times_.file().is_open()) times_.file().set_path(path(kTimeIndexSuffix));
  return {};
}

Result<void> Segment::remove_files() {
  for (std::string_view suffix :
       {kOffsetIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix, kLogSuffix}) {
    TRY(files_.remove(path(suffix)));
    if (standing_ == Standing::kCleaned) TRY(files_.remove(path(suffix, Standing::kSwap)));
    if (standing_ == Standing::kLive) TRY(files_.remove(path(suffix, Standing::kDeleted)));
  }
  return {};
}

Result<std::uint64_t> Segment::index_bytes(const IndexFile& index, std::string_view suffix) const {
  if (index.is_open()) return index.size_bytes();
  // What is not there is made anew when it is asked for.
  auto file = files_.open(path(suffix), OpenMode::kReadOnly);
  return file ? (*file)->size() : Result<std::uint64_t>(0);
}

Result<std::int64_t> Segment::first_timestamp() {
  if (first_timestamp_ms_ < 0 && size_ > 0) {
    HeaderScanner scanner(*file_, 0, size_, 64);
    if (auto entry = TRY(scanner.next())) first_timestamp_ms_ = entry->max_timestamp_ms;
  }
  return first_timestamp_ms_;
}

Result<void> Segment::sync_files(bool sealed) {
  TRY(file_->sync());
  if (!sealed) return {};
  for (std::string_view suffix : {kOffsetIndexSuffix, kTimeIndexSuffix, kTransactionIndexSuffix}) {
    // By its own descriptor: the indexes' owner may open and close them meanwhile.
    if (!TRY(files_.exists(path(suffix)))) continue;
    auto file = files_.open(path(suffix), OpenMode::kReadOnly);
    if (file)
      TRY((*file)->sync());
    else if (!is_not_found(file.error()))
      return std::unexpected(std::move(file).error());
  }
  return {};
}

}  // namespace barnabas::log
