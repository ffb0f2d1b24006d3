// Holding what a segment's file held at the opening against its checksums, before it is given to a reader.
#include <fmt/format.h>

#include <algorithm>

#include "log/segment.hpp"

namespace barnabas::log {
namespace {

/// What one call reads at most, the last batch apart: a reader pays for what it is given and little more.
constexpr std::uint64_t kPieceBytes = std::uint64_t{1} << 20;

}  // namespace

Result<std::uint64_t> sound_end(const File& file, const VerificationRange& range) {
  EntryScanner scanner(file, range.begin, range.end);
  std::uint64_t sound_to = range.begin;
  std::uint64_t last_begin = range.begin;
  Offset next = range.base;
  LeaderEpoch epoch = kNoLeaderEpoch;
  while (sound_to < range.stop) {
    auto entry = TRY(scanner.next());
    if (!entry) return sound_to;
    const EntryInfo info = entry_info(entry->bytes(), sound_to);
    if (!checksum_matches(*entry) || info.last_offset < info.base_offset || info.last_offset >= range.below)
      return sound_to;
    // Neither base offset nor leader epoch is covered by a checksum: both grow, or one of the two is wrong.
    if (info.base_offset < next || (info.epoch != kNoLeaderEpoch && info.epoch < epoch)) return last_begin;
    next = info.last_offset + 1;
    epoch = std::max(epoch, info.epoch);
    last_begin = sound_to;
    sound_to += info.size;
  }
  HeaderScanner behind(file, sound_to, range.end, 64);
  auto following = TRY(behind.next());
  const bool fits = !following || (following->base_offset >= next &&
                                   (following->epoch == kNoLeaderEpoch || following->epoch >= epoch));
  return fits ? sound_to : last_begin;
}

Result<std::uint64_t> Segment::verify(std::uint64_t position, std::uint64_t end, Offset below) {
  const std::uint64_t found_end = std::min(end, found_size_);
  const std::uint64_t begin = verified_.end_from(position);
  if (begin >= found_end) return std::max(end, begin);
  const std::uint64_t stop = std::min(found_end, begin + kPieceBytes);
  const std::uint64_t sound_to = TRY(sound_end(*file_, {begin, stop, found_size_, base_, below}));
  verified_.add(begin, sound_to);
  if (sound_to <= position) return corrupt_at(sound_to);
  return sound_to >= found_size_ ? std::max(end, sound_to) : sound_to;
}

std::unexpected<Error> Segment::corrupt_at(std::uint64_t position) const {
  return fail(ErrorCode::kCorruptMessage,
              fmt::format("corrupt batch at position {} of {}", position, path(kLogSuffix)));
}

}  // namespace barnabas::log
