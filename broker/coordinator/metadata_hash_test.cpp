// The hash over topics' metadata is Kafka's to the bit.
#include "broker/coordinator/metadata_hash.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <memory>

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

/// An image with topics of these ids and numbers of partitions, on brokers of these racks.
kraft::MetadataImage image_of(const std::map<std::string, std::pair<std::string, std::size_t>>& topics,
                              const std::vector<std::string>& racks = {}) {
  kraft::MetadataImage image = *kraft::MetadataImage::empty();
  auto made = std::make_shared<kraft::TopicsImage>();
  auto cluster = std::make_shared<kraft::ClusterImage>();
  std::vector<BrokerId> brokers;
  for (const std::string& rack : racks) {
    brokers.emplace_back(static_cast<std::int32_t>(brokers.size()));
    cluster->brokers[brokers.back()].rack = rack;
  }
  for (const auto& [name, what] : topics) {
    auto topic = std::make_shared<kraft::TopicImage>();
    topic->name = name;
    topic->id = TopicId(*Uuid::parse(what.first));
    topic->partitions.resize(what.second);
    for (auto& partition : topic->partitions) partition.replicas = brokers;
    made->by_name[name] = topic;
    made->by_id[topic->id] = topic;
  }
  image.topics = std::move(made);
  image.cluster = std::move(cluster);
  return image;
}

TEST_CASE("Groups have the hashes that Apache Kafka 4.3.1 wrote for the same topics") {
  const auto image = image_of({{"vp", {"laX93-3WRNy2B4Pk9sTzLQ", 1}},
                               {"p1", {"AsN4m9U6TFa7LA3TRJ8iHQ", 1}},
                               {"pp", {"g12Tfp6KSm-WQw0YMbdfaw", 2}}});
  CHECK(static_cast<std::uint64_t>(group_hash(image, {"vp"})) == 0x081001D28A5E1835);
  CHECK(static_cast<std::uint64_t>(group_hash(image, {"p1", "pp"})) == 0xFE4B1C2A20833634);
}

TEST_CASE("Topics that are not there do not count, and a group without topics has no hash") {
  const auto image = image_of({{"vp", {"laX93-3WRNy2B4Pk9sTzLQ", 1}}});
  CHECK(group_hash(image, {"another", "vp"}) == group_hash(image, {"vp"}));
  CHECK(group_hash(image, {"another"}) == 0);
  CHECK(group_hash(image, {}) == 0);
}

TEST_CASE("Partitions and racks make another hash, the order of replicas does not") {
  const std::string id = "laX93-3WRNy2B4Pk9sTzLQ";
  const auto hash = [&](std::size_t partitions, const std::vector<std::string>& racks) {
    return group_hash(image_of({{"vp", {id, partitions}}}, racks), {"vp"});
  };
  CHECK(hash(1, {}) != hash(2, {}));
  CHECK(hash(1, {}) != hash(1, {"a"}));
  CHECK(hash(1, {"a", "b"}) == hash(1, {"b", "a"}));
  CHECK(hash(1, {"a", "b"}) != hash(1, {"ab"}));
}

}  // namespace
}  // namespace barnabas::broker
