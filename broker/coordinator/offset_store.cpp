#include "broker/coordinator/offset_store.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace barnabas::broker {

void OffsetStore::put(const OffsetKey& key, CommittedOffset committed) {
  groups_[key.group][key.topic][key.partition] = std::move(committed);
}

void OffsetStore::erase(const OffsetKey& key) {
  const auto group = groups_.find(key.group);
  if (group == groups_.end()) return;
  const auto topic = group->second.find(key.topic);
  if (topic == group->second.end()) return;
  topic->second.erase(key.partition);
  if (topic->second.empty()) group->second.erase(topic);
  if (group->second.empty()) groups_.erase(group);
}

const CommittedOffset* OffsetStore::find(std::string_view group, std::string_view topic,
                                         std::int32_t partition) const {
  const Topics* topics = topics_of(group);
  if (topics == nullptr) return nullptr;
  const auto partitions = topics->find(topic);
  if (partitions == topics->end()) return nullptr;
  const auto it = partitions->second.find(partition);
  return it == partitions->second.end() ? nullptr : &it->second;
}

const OffsetStore::Topics* OffsetStore::topics_of(std::string_view group) const {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

void OffsetStore::put_pending(ProducerId producer, OffsetKey key, std::optional<CommittedOffset> committed) {
  pending_[producer].emplace_back(std::move(key), std::move(committed));
}

std::vector<std::pair<OffsetKey, std::optional<CommittedOffset>>> OffsetStore::take_pending(
    ProducerId producer) {
  auto node = pending_.extract(producer);
  if (node.empty()) return {};
  return std::move(node.mapped());
}

bool OffsetStore::is_pending(std::string_view group, std::string_view topic, std::int32_t partition) const {
  return std::ranges::any_of(pending_, [&](const auto& transaction) {
    return std::ranges::any_of(transaction.second, [&](const auto& entry) {
      return entry.first.partition == partition && entry.first.group == group && entry.first.topic == topic;
    });
  });
}

bool OffsetStore::has_pending(std::string_view group) const {
  return std::ranges::any_of(pending_, [&](const auto& transaction) {
    return std::ranges::any_of(transaction.second,
                               [&](const auto& entry) { return entry.first.group == group; });
  });
}

void OffsetStore::clear() {
  groups_.clear();
  pending_.clear();
}

void OffsetStore::check_invariants() const {
  for (const auto& [group, topics] : groups_) {
    CHECK(!topics.empty());
    for (const auto& [topic, partitions] : topics) CHECK(!partitions.empty());
  }
}

}  // namespace barnabas::broker
