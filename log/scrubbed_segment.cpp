#include "log/scrubbed_segment.hpp"

#include <algorithm>

namespace barnabas::log {

Result<ScrubbedPiece> scrub_piece(const ScrubbedSegment& segment, std::uint64_t position,
                                  std::uint64_t bytes) {
  const std::uint64_t stop = std::min(segment.size, position + bytes);
  const bool was_cached = segment.file->is_cached(position, stop - position);
  const std::uint64_t sound_to =
      TRY(sound_end(*segment.file, {position, stop, segment.size, segment.base, segment.end}));
  ScrubbedPiece piece{std::max(stop, sound_to) - position, sound_to, std::nullopt};
  if (!was_cached) segment.file->drop_from_cache(position, piece.bytes_read);
  if (sound_to >= stop) return piece;
  piece.broken_at = sound_to;
  const auto broken = TRY(HeaderScanner(*segment.file, sound_to, segment.size, 64).next());
  piece.next = broken ? sound_to + broken->size : segment.size;
  return piece;
}

}  // namespace barnabas::log
