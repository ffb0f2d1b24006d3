// The hash over the topics that a group subscribes to: when it changes, the group assigns anew.
//
// Pure functions. Kept in ConsumerGroupMetadata records, so it is Kafka's to the bit: a coordinator of either
// kind that takes the group over finds it unchanged. It covers ids, names, numbers of partitions and the
// racks of each partition's replicas. Source: KIP-1101; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

[[nodiscard]] std::uint64_t topic_hash(const kraft::MetadataImage& image, const kraft::TopicImage& topic);
/// Of topics in the order of their names; those that are not there do not count. 0 without any.
[[nodiscard]] std::int64_t group_hash(const kraft::MetadataImage& image,
                                      const std::vector<std::string_view>& sorted_names);

}  // namespace barnabas::broker
