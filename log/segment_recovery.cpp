// Making a segment whole again after a stop: the walk over all its bytes, and base offsets that can be known.
//
// A batch's checksum covers all but its base offset, length, leader epoch and magic. A wrong length or magic
// makes the checksum wrong. A wrong base offset is known where the batches beside it leave room for one only,
// or where the log's end is known, and is then written right again.
#include <bit>

#include "base/logging.hpp"
#include "log/partition_files.hpp"
#include "log/segment.hpp"

namespace barnabas::log {

/// Whether an entry that does not begin at `next`, where the one before it ends, stands where it says.
/// `below`: where the next segment begins.
Result<Segment::Place> Segment::place_of(const EntryInfo& info, Offset next,
                                         std::optional<Offset> below) const {
  if (info.base_offset == next) return Place::kRight;
  const Offset end = next + (info.last_offset - info.base_offset) + 1;
  const std::uint64_t behind = info.position + info.size;
  if (auto following = TRY(HeaderScanner(*file_, behind, size_, 64).next())) {
    EntryScanner scanner(*file_, behind, behind + following->size, following->size);
    auto whole = TRY(scanner.next());
    // What leaves no room at all is wrong itself, and what a crash tore says nothing.
    const bool tells = following->base_offset >= end && whole && checksum_matches(*whole);
    below = tells ? std::optional(following->base_offset) : std::nullopt;
  }
  if (below == end) return Place::kKnown;
  const bool is_hole_before = info.base_offset > next && (!below || info.last_offset < *below);
  return is_hole_before ? Place::kRight : Place::kWrong;
}

Result<std::uint64_t> Segment::recover(const std::function<Result<void>(const protocol::LogEntry&)>& on_entry,
                                       std::optional<Offset> below) {
  TRY(create_indexes());
  TRY(transactions_.reset());
  max_timestamp_ = {};
  max_timestamp_known_ = true;
  first_timestamp_ms_ = -1;
  Offset next = base_;
  std::uint64_t valid = 0;
  EntryScanner scanner(*file_, 0, size_);
  while (auto entry = TRY(scanner.next())) {
    EntryInfo info = entry_info(entry->bytes(), valid);
    if (info.last_offset < info.base_offset || !checksum_matches(*entry)) break;
    const Place place = TRY(place_of(info, next, below));
    if (place == Place::kWrong || (place == Place::kKnown && entry->is_legacy())) break;
    if (place == Place::kKnown) {
      TRY(mend(info, next));
      Bytes mended(entry->bytes().begin(), entry->bytes().end());
      protocol::set_base_offset(mended, next);
      info = entry_info(mended, valid);
      TRY(on_entry(protocol::LogEntry(ByteView(mended))));
    } else {
      if (info.last_offset - base_ > INT32_MAX) break;
      TRY(on_entry(*entry));
    }
    TRY(index(info));
    next = info.last_offset + 1;
    valid += info.size;
  }
  std::uint64_t cut = size_ - valid;
  if (cut > 0) TRY(file_->truncate(valid));
  size_ = valid;
  found_size_ = 0;  // all of it was verified just now
  if (active_) return cut;
  TRY(times_.append(max_timestamp_.timestamp_ms, max_timestamp_.offset, true));
  TRY(offsets_.file().trim());
  TRY(times_.file().trim());
  return cut;
}

Result<bool> Segment::mend_end(Offset end) {
  HeaderScanner scanner(*file_, 0, size_, std::size_t{64} << 10);
  std::optional<EntryInfo> last;
  Offset next = base_;
  while (auto entry = TRY(scanner.next())) {
    if (last) next = last->last_offset + 1;
    last = entry;
  }
  if (!last) return false;
  Bytes bytes(last->size);
  if (TRY(file_->read_at(last->position, bytes)) != bytes.size()) return false;
  const protocol::LogEntry whole{ByteView(bytes)};
  const Offset base = end - (last->last_offset - last->base_offset) - 1;
  const auto wrong_bits = static_cast<std::uint64_t>(last->base_offset.value() ^ base.value());
  if (whole.is_legacy() || !checksum_matches(whole) || base < next || !std::has_single_bit(wrong_bits))
    return false;
  TRY(mend(*last, base));
  TRY(rebuild_indexes());
  return true;
}

/// Writes the base offset of a batch anew.
Result<void> Segment::mend(const EntryInfo& info, Offset base) {
  std::uint8_t bytes[sizeof(std::int64_t)];
  protocol::store_big_endian(bytes, base.value());
  TRY(file_->write_at(info.position, bytes));
  log_warn("org.apache.kafka.storage.internals.log.LogSegment",
           "the batch at position {} of {} begins at offset {}, not at {} as it said; it was mended",
           info.position, path(kLogSuffix), base.value(), info.base_offset.value());
  add_to(counters_.mended_batches);
  return {};
}

}  // namespace barnabas::log
