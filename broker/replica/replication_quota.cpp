#include "broker/replica/replication_quota.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace barnabas::broker {
namespace {

std::optional<std::int32_t> number(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

ThrottledPartitions ThrottledPartitions::parse(std::string_view text, BrokerId self) {
  ThrottledPartitions found;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const std::string_view item = trimmed(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (item == "*") found.all = true;
    const auto colon = item.find(':');
    if (colon == std::string_view::npos) continue;
    const auto partition = number(trimmed(item.substr(0, colon)));
    const auto broker = number(trimmed(item.substr(colon + 1)));
    if (partition && broker == self.value()) found.partitions.insert(PartitionIndex(*partition));
  }
  return found;
}

void ReplicationQuota::set_limit(std::int64_t bytes_per_second) {
  std::lock_guard lock(mutex_);
  limit_ = bytes_per_second;
}

void ReplicationQuota::set_windows(std::int32_t count, std::chrono::nanoseconds size) {
  std::lock_guard lock(mutex_);
  window_count_ = std::max(count, 1);
  window_size_ = size;
}

void ReplicationQuota::set_throttled(const std::string& topic, ThrottledPartitions partitions) {
  std::lock_guard lock(mutex_);
  if (partitions.empty())
    throttled_.erase(topic);
  else
    throttled_[topic] = std::move(partitions);
  has_throttled_ = !throttled_.empty();
}

bool ReplicationQuota::is_throttled(const TopicPartition& tp) const {
  if (is_idle()) return false;
  std::lock_guard lock(mutex_);
  const auto found = throttled_.find(tp.topic);
  return found != throttled_.end() && (found->second.all || found->second.partitions.contains(tp.partition));
}

void ReplicationQuota::drop_old(std::chrono::nanoseconds now) {
  while (!windows_.empty() && now - windows_.front().begin >= window_count_ * window_size_)
    windows_.pop_front();
}

bool ReplicationQuota::is_exceeded() {
  std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic();
  drop_old(now);
  if (windows_.empty()) return false;
  std::int64_t bytes = 0;
  for (const Window& window : windows_) bytes += window.bytes;
  const auto elapsed = std::max(now - windows_.front().begin, window_size_);
  return static_cast<double>(bytes) >
         static_cast<double>(limit_) * std::chrono::duration<double>(elapsed).count();
}

void ReplicationQuota::record(std::int64_t bytes) {
  std::lock_guard lock(mutex_);
  const auto now = clock_.monotonic();
  drop_old(now);
  if (windows_.empty() || now - windows_.back().begin >= window_size_) windows_.push_back({now});
  windows_.back().bytes += bytes;
}

}  // namespace barnabas::broker
