#include "kraft/image_changes.hpp"

namespace barnabas::kraft {

namespace {

/// Keys whose values differ, or that only one of both has.
template <class Map>
auto changed_keys(const Map& before, const Map& after) {
  std::set<typename Map::key_type> changed;
  for (const auto& [key, value] : after)
    if (const auto known = before.find(key); known == before.end() || known->second != value)
      changed.insert(key);
  for (const auto& [key, value] : before)
    if (!after.contains(key)) changed.insert(key);
  return changed;
}

std::set<PartitionIndex> changed_partitions(const TopicImage* before, const TopicImage& after) {
  std::set<PartitionIndex> changed;
  for (std::size_t i = 0; i < after.partitions.size(); ++i) {
    const bool is_same =
        before != nullptr && i < before->partitions.size() && before->partitions[i] == after.partitions[i];
    if (!is_same) changed.insert(PartitionIndex(static_cast<std::int32_t>(i)));
  }
  return changed;
}

void compare_topics(const TopicsImage& before, const TopicsImage& after, MetadataChanges& changes) {
  for (const auto& [id, topic] : after.by_id) {
    const auto known = before.by_id.find(id);
    if (known != before.by_id.end() && known->second == topic) continue;
    const bool is_new = known == before.by_id.end();
    std::set<PartitionIndex> partitions = changed_partitions(is_new ? nullptr : known->second.get(), *topic);
    if (is_new) changes.created_topics.insert(id);
    if (is_new || !partitions.empty()) changes.changed_partitions[id] = std::move(partitions);
  }
  for (const auto& [id, topic] : before.by_id)
    if (!after.by_id.contains(id)) changes.removed_topics[id] = topic;
}

template <class Part>
bool differs(const std::shared_ptr<const Part>& before, const std::shared_ptr<const Part>& after) {
  return before != after && *before != *after;
}

}  // namespace

MetadataChanges changes_between(const MetadataImage& before, const MetadataImage& after) {
  MetadataChanges changes;
  if (before.topics != after.topics) compare_topics(*before.topics, *after.topics, changes);
  if (before.configs != after.configs)
    changes.changed_configs = changed_keys(*before.configs, *after.configs);
  if (before.cluster != after.cluster) {
    changes.changed_brokers = changed_keys(before.cluster->brokers, after.cluster->brokers);
    changes.controllers = before.cluster->controllers != after.cluster->controllers;
  }
  changes.features = differs(before.features, after.features);
  changes.acls = differs(before.acls, after.acls);
  changes.scram = before.scram != after.scram;  // credentials are not compared byte by byte
  changes.quotas = differs(before.quotas, after.quotas);
  changes.tokens = differs(before.tokens, after.tokens);
  changes.producer_ids = before.next_producer_id != after.next_producer_id;
  return changes;
}

}  // namespace barnabas::kraft
