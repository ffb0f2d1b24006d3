// VerifiedRanges: which bytes of a segment that was found on disk have been held against their checksums
// since.
//
// Owned by a Segment. Thread-compatible. What this process wrote itself is trusted and not kept here.
// Invariant: ranges are disjoint and do not touch; a reader that goes forward keeps it at one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>

namespace barnabas::log {

class VerifiedRanges {
 public:
  /// Up to where everything from `position` on is verified; `position` itself when nothing is.
  [[nodiscard]] std::uint64_t end_from(std::uint64_t position) const {
    auto after = ends_.upper_bound(position);
    if (after == ends_.begin()) return position;
    return std::max(position, std::prev(after)->second);
  }

  void add(std::uint64_t begin, std::uint64_t end) {
    if (begin >= end) return;
    auto at = ends_.upper_bound(begin);
    if (at != ends_.begin() && std::prev(at)->second >= begin) at = std::prev(at);
    while (at != ends_.end() && at->first <= end) {
      begin = std::min(begin, at->first);
      end = std::max(end, at->second);
      at = ends_.erase(at);
    }
    ends_[begin] = end;
  }

  void clear() { ends_.clear(); }
  [[nodiscard]] std::size_t count() const { return ends_.size(); }

 private:
  std::map<std::uint64_t, std::uint64_t> ends_;  // by where they begin
};

}  // namespace barnabas::log
