#include "broker/coordinator/offset_store.hpp"

#include <utility>

#include "base/check.hpp"

namespace barnabas::broker {
namespace {

/// Null when nothing is there. `groups`: by group, topic and partition.
template <class Groups>
auto* find_in(Groups& groups, std::string_view group, std::string_view topic, std::int32_t partition) {
  using Found = decltype(&groups.begin()->second.begin()->second.begin()->second);
  const auto topics = groups.find(group);
  if (topics == groups.end()) return Found(nullptr);
  const auto partitions = topics->second.find(topic);
  if (partitions == topics->second.end()) return Found(nullptr);
  const auto found = partitions->second.find(partition);
  return found == partitions->second.end() ? Found(nullptr) : &found->second;
}

/// And what is empty without it. False when nothing was there.
template <class Groups>
bool erase_in(Groups& groups, std::string_view group, std::string_view topic, std::int32_t partition) {
  const auto topics = groups.find(group);
  if (topics == groups.end()) return false;
  const auto partitions = topics->second.find(topic);
  if (partitions == topics->second.end()) return false;
  if (partitions->second.erase(partition) == 0) return false;
  if (partitions->second.empty()) topics->second.erase(partitions);
  if (topics->second.empty()) groups.erase(topics);
  return true;
}

}  // namespace

void OffsetStore::put(const OffsetKey& key, CommittedOffset committed) {
  committed.order = ++last_order_;
  size_ += groups_[key.group][key.topic].insert_or_assign(key.partition, std::move(committed)).second ? 1 : 0;
}

void OffsetStore::erase(const OffsetKey& key) {
  if (erase_in(groups_, key.group, key.topic, key.partition)) --size_;
  if (!is_pending(key.group, key.topic, key.partition)) return;
  for (auto& [producer, groups] : pending_) erase_in(groups, key.group, key.topic, key.partition);
  std::erase_if(pending_, [](const auto& transaction) { return transaction.second.empty(); });
  erase_in(open_, key.group, key.topic, key.partition);
}

const CommittedOffset* OffsetStore::find(std::string_view group, std::string_view topic,
                                         std::int32_t partition) const {
  return find_in(groups_, group, topic, partition);
}

const OffsetStore::Topics* OffsetStore::topics_of(std::string_view group) const {
  const auto it = groups_.find(group);
  return it == groups_.end() ? nullptr : &it->second;
}

void OffsetStore::put_pending(ProducerId producer, const OffsetKey& key, CommittedOffset committed) {
  committed.order = ++last_order_;
  const bool is_new =
      pending_[producer][key.group][key.topic].insert_or_assign(key.partition, std::move(committed)).second;
  if (is_new) ++open_[key.group][key.topic][key.partition];
}

/// One transaction less has an offset for the partition.
void OffsetStore::close(std::string_view group, std::string_view topic, std::int32_t partition) {
  int* count = find_in(open_, group, topic, partition);
  CHECK(count != nullptr && *count > 0, "what is pending is counted");
  if (--*count == 0) erase_in(open_, group, topic, partition);
}

std::vector<std::string> OffsetStore::end_transaction(ProducerId producer, bool committed) {
  auto transaction = pending_.extract(producer);
  if (transaction.empty()) return {};
  std::vector<std::string> groups;
  for (auto& [group, topics] : transaction.mapped()) {
    if (committed) groups.push_back(group);
    for (auto& [topic, partitions] : topics) {
      for (auto& [partition, offset] : partitions) {
        close(group, topic, partition);
        if (!committed) continue;
        const CommittedOffset* present = find(group, topic, partition);
        if (present != nullptr && present->order > offset.order) continue;  // committed later, by itself
        size_ += groups_[group][topic].insert_or_assign(partition, std::move(offset)).second ? 1 : 0;
      }
    }
  }
  return groups;
}

bool OffsetStore::is_pending(std::string_view group, std::string_view topic, std::int32_t partition) const {
  return find_in(open_, group, topic, partition) != nullptr;
}

std::vector<OffsetKey> OffsetStore::keys_of(std::string_view group) const {
  std::vector<OffsetKey> keys;
  const auto add = [&](const auto& groups, const auto& is_wanted) {
    const auto found = groups.find(group);
    if (found == groups.end()) return;
    for (const auto& [topic, partitions] : found->second) {
      for (const auto& [partition, value] : partitions) {
        if (is_wanted(topic, partition)) keys.push_back({std::string(group), topic, partition});
      }
    }
  };
  add(groups_, [](std::string_view, std::int32_t) { return true; });
  add(open_, [&](std::string_view topic, std::int32_t partition) {
    return find(group, topic, partition) == nullptr;
  });
  return keys;
}

void OffsetStore::clear() {
  groups_.clear();
  size_ = 0;
  pending_.clear();
  open_.clear();
}

void OffsetStore::check_invariants() const {
  std::size_t size = 0;
  for (const auto& [group, topics] : groups_) {
    CHECK(!topics.empty());
    for (const auto& [topic, partitions] : topics) {
      CHECK(!partitions.empty());
      size += partitions.size();
    }
  }
  CHECK(size == size_, "what is committed is counted");
  Open counted;
  for (const auto& [producer, groups] : pending_) {
    CHECK(!groups.empty());
    for (const auto& [group, topics] : groups) {
      for (const auto& [topic, partitions] : topics) {
        for (const auto& [partition, offset] : partitions) ++counted[group][topic][partition];
      }
    }
  }
  CHECK(counted == open_, "what is pending is counted");
}

}  // namespace barnabas::broker
