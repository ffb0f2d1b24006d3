// The hash over topics' metadata is Kafka's to the bit.
#include "broker/coordinator/metadata_hash.hpp"

#include <catch2/catch.hpp>

#include "kraft/metadata_image.hpp"

namespace barnabas::broker {
namespace {

Uuid uuid(std::uint64_t high, std::uint64_t low) {
  Uuid id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    id.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return id;
}

/// Brokers 1 and 2 in racks, 3 in none; partition 0 of each topic is on all of them, the others on 3.
kraft::MetadataImage two_topics() {
  kraft::MetadataImage image = *kraft::MetadataImage::empty();
  kraft::ClusterImage cluster;
  for (const std::int32_t id : {1, 2, 3}) {
    kraft::BrokerRegistration broker;
    broker.id = BrokerId(id);
    if (id != 3) broker.rack = "rack-" + std::to_string(3 - id);
    cluster.brokers.emplace(broker.id, broker);
  }
  image.cluster = std::make_shared<kraft::ClusterImage>(cluster);
  kraft::TopicsImage topics;
  for (const std::uint64_t number : {1, 2}) {
    kraft::TopicImage topic;
    topic.name = number == 1 ? "orders" : "pa\u00fdments";
    topic.id = TopicId(uuid(0x0102030405060708, number));
    for (std::size_t i = 0; i < 2 * number; ++i) {
      kraft::PartitionRegistration partition;
      partition.replicas = {BrokerId(3)};
      if (i == 0) partition.replicas = {BrokerId(1), BrokerId(2), BrokerId(3)};
      topic.partitions.push_back(partition);
    }
    topics.by_name.emplace(topic.name, std::make_shared<kraft::TopicImage>(topic));
  }
  image.topics = std::make_shared<kraft::TopicsImage>(topics);
  return image;
}

// What Utils.computeTopicHash and computeGroupHash of Kafka 4.3.1 make of the same image.
TEST_CASE("the hash over topics' metadata is Kafka's") {
  const kraft::MetadataImage image = two_topics();
  CHECK(topic_hash(image, *image.topic("orders")) == 0x799F6C4E42C810DA);
  CHECK(topic_hash(image, *image.topic("pa\u00fdments")) == 0x1D81A0AFF671F9E3);
  CHECK(group_hash(image, {"missing", "orders", "pa\u00fdments"}) == 0x23F7777946F1A904);
  CHECK(group_hash(image, {"missing"}) == 0);
}

}  // namespace
}  // namespace barnabas::broker
