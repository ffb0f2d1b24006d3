#include "base/crashable_bytes.hpp"

#include <algorithm>
#include <cstring>

namespace barnabas {
namespace {

/// Calls visit(page, from, to, offset) for the part of each page in the range; `offset` counts from
/// `position`.
template <class Visit>
void for_each_page(std::uint64_t position, std::uint64_t size, Visit visit) {
  std::uint64_t offset = 0;
  while (offset < size) {
    const std::uint64_t page = (position + offset) / CrashableBytes::kPageBytes;
    const auto from = static_cast<std::size_t>((position + offset) % CrashableBytes::kPageBytes);
    const auto part = std::min<std::uint64_t>(size - offset, CrashableBytes::kPageBytes - from);
    visit(page, from, from + static_cast<std::size_t>(part), static_cast<std::size_t>(offset));
    offset += part;
  }
}

}  // namespace

std::size_t CrashableBytes::missing_pages(std::uint64_t position, std::uint64_t size) const {
  std::size_t missing = 0;
  for_each_page(position, size, [&](std::uint64_t page, std::size_t, std::size_t, std::size_t) {
    if (!pages_.contains(page)) ++missing;
  });
  return missing;
}

std::size_t CrashableBytes::read(std::uint64_t position, MutableByteView into) const {
  if (position >= size_) return 0;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - position));
  for_each_page(position, size,
                [&](std::uint64_t page, std::size_t from, std::size_t to, std::size_t offset) {
                  const auto found = pages_.find(page);
                  if (found == pages_.end()) {
                    std::memset(into.data() + offset, 0, to - from);
                  } else {
                    std::memcpy(into.data() + offset, found->second->data() + from, to - from);
                  }
                });
  return size;
}

void CrashableBytes::write(std::uint64_t position, ByteView from_bytes) {
  if (from_bytes.empty()) return;
  for_each_page(position, from_bytes.size(),
                [&](std::uint64_t page, std::size_t from, std::size_t to, std::size_t offset) {
                  mark_unsynced(page, from, to);
                  std::memcpy(page_at(page).data() + from, from_bytes.data() + offset, to - from);
                });
  size_ = std::max(size_, position + from_bytes.size());
}

void CrashableBytes::truncate(std::uint64_t size) {
  if (size < size_) {
    for (auto it = pages_.lower_bound(size / kPageBytes); it != pages_.end(); ++it) {
      const std::uint64_t start = it->first * kPageBytes;
      mark_unsynced(it->first, start < size ? static_cast<std::size_t>(size - start) : 0, kPageBytes);
    }
    cut_pages(size);
  }
  size_ = size;
}

void CrashableBytes::sync() {
  if (sync_failed_) return;
  unsynced_.clear();
  synced_size_ = size_;
}

void CrashableBytes::lose_unsynced() {
  for (auto& [page, change] : unsynced_) {
    if (change.before == nullptr) {
      pages_.erase(page);
    } else {
      pages_[page] = std::move(change.before);
    }
  }
  unsynced_.clear();
  size_ = synced_size_;
  cut_pages(size_);
  sync_failed_ = false;
}

void CrashableBytes::lose_unsynced(Random& random) {
  const std::uint64_t live_size = size_;
  const std::uint64_t low = std::min(live_size, synced_size_);
  const std::uint64_t high = std::max(live_size, synced_size_);
  const std::uint64_t way = random.below(3);
  size_ = way == 0 ? synced_size_ : way == 1 ? live_size : low + random.below(high - low + 1);
  for (const auto& [page, change] : unsynced_) {
    for (std::size_t sector = 0; sector < kPageBytes / kSectorBytes; ++sector) {
      if ((change.sectors >> sector & 1) == 0) continue;
      lose_sector(page, change, sector, random);
    }
  }
  // A cut that did not reach the disk took nothing with it.
  for (const auto& [page, change] : unsynced_) {
    const std::uint64_t start = page * kPageBytes;
    if (size_ <= live_size || start + kPageBytes <= live_size || change.before == nullptr) continue;
    const std::size_t from = start < live_size ? static_cast<std::size_t>(live_size - start) : 0;
    std::memcpy(page_at(page).data() + from, change.before->data() + from, kPageBytes - from);
  }
  unsynced_.clear();
  cut_pages(size_);
  synced_size_ = size_;
  sync_failed_ = false;
}

void CrashableBytes::lose_sector(std::uint64_t page, const Unsynced& change, std::size_t sector,
                                 Random& random) {
  const std::uint64_t fate = random.below(3);
  if (fate == 0) return;  // it reached the disk
  // A torn sector is new up to somewhere in its middle and old from there on.
  const std::size_t start = sector * kSectorBytes;
  const std::size_t kept = fate == 1 ? 0 : 1 + random.below(kSectorBytes - 1);
  std::uint8_t* const into = page_at(page).data() + start + kept;
  if (change.before == nullptr) {
    std::memset(into, 0, kSectorBytes - kept);
  } else {
    std::memcpy(into, change.before->data() + start + kept, kSectorBytes - kept);
  }
}

void CrashableBytes::corrupt(std::uint64_t position, std::uint64_t size) {
  if (position >= size_) return;
  const std::uint64_t within = std::min(size, size_ - position);
  for_each_page(position, within, [&](std::uint64_t page, std::size_t from, std::size_t to, std::size_t) {
    Page& live = page_at(page);
    for (std::size_t i = from; i < to; ++i) live[i] ^= 0x5A;
    const auto change = unsynced_.find(page);
    if (change == unsynced_.end() || change->second.before == nullptr) return;
    for (std::size_t i = from; i < to; ++i) (*change->second.before)[i] ^= 0x5A;
  });
}

void CrashableBytes::mark_unsynced(std::uint64_t page, std::size_t from, std::size_t to) {
  const auto [change, first_change] = unsynced_.try_emplace(page);
  if (first_change) {
    const auto live = pages_.find(page);
    if (live != pages_.end()) change->second.before = std::make_unique<Page>(*live->second);
  }
  for (std::size_t sector = from / kSectorBytes; sector * kSectorBytes < to; ++sector) {
    change->second.sectors = static_cast<std::uint8_t>(change->second.sectors | (1U << sector));
  }
}

void CrashableBytes::cut_pages(std::uint64_t size) {
  const std::uint64_t boundary = size / kPageBytes;
  const auto kept = static_cast<std::size_t>(size % kPageBytes);
  const auto straddling = kept == 0 ? pages_.end() : pages_.find(boundary);
  if (straddling != pages_.end()) {
    std::memset(straddling->second->data() + kept, 0, kPageBytes - kept);
  }
  pages_.erase(pages_.lower_bound(kept == 0 ? boundary : boundary + 1), pages_.end());
}

CrashableBytes::Page& CrashableBytes::page_at(std::uint64_t page) {
  std::unique_ptr<Page>& slot = pages_[page];
  if (slot == nullptr) slot = std::make_unique<Page>();  // zeros
  return *slot;
}

}  // namespace barnabas
