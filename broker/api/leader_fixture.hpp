// Broker 1 of a cluster of three in a test, which leads some topics of three partitions: brokers 2 and 3 are
// known to its metadata and have replicas. Owned by a test, as ApiFixture; not thread-safe.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "broker/api/api_fixture.hpp"

namespace barnabas::broker::testing {

inline constexpr int kTopics = 3;
inline constexpr std::int32_t kPartitions = 3;

/// Keeps what leaders ask for until a test answers it.
struct IsrQuestions final : AlterPartitionChannel {
  struct Question {
    IsrChange change;
    Callback callback;
  };
  void submit(IsrChange change, Callback callback) override {
    questions.push_back({std::move(change), std::move(callback)});
  }
  std::deque<Question> questions;
};

inline std::string name_of(int topic) {
  return "t" + std::to_string(topic);
}

struct LeaderFixture {
  IsrQuestions questions;
  ApiFixture node{options()};
  std::array<Uuid, kTopics> ids;

  LeaderFixture() {
    for (const std::int32_t broker : {2, 3}) register_broker(broker);
    for (int topic = 0; topic < kTopics; ++topic) create(topic);
  }
  ApiFixtureOptions options() {
    ApiFixtureOptions options;
    options.properties = {
        {"replica.selector.class", "org.apache.kafka.common.replica.RackAwareReplicaSelector"}};
    options.isr_changes = &questions;
    return options;
  }
  /// In another life, after it has shut down in the one before.
  void register_broker(std::int32_t broker) {
    if (epoch_of(broker) >= 0) heartbeat(broker, epoch_of(broker), true);
    protocol::BrokerRegistrationRequest request;
    request.broker_id = broker;
    request.cluster_id = kClusterId;
    request.incarnation_id = Uuid::random(node.random);
    request.previous_broker_epoch = -1;
    request.listeners.push_back({"PLAINTEXT", "other", 9092, 0});
    for (const auto& [feature, range] : kraft::supported_features())
      request.features.push_back({feature, range.min, range.max});
    request.log_dirs.push_back(Uuid::random(node.random));
    request.rack = "there";
    std::int64_t epoch = -1;
    node.driver.node->submit(std::move(request), [&](const auto& answer) { epoch = answer.broker_epoch; });
    (void)demand(node.driver.node->run_once(node.clock.monotonic()));
    demand(epoch >= 0, "the other broker is registered");
    heartbeat(broker, epoch, false);
  }
  void heartbeat(std::int32_t broker, std::int64_t epoch, bool goes) {
    protocol::BrokerHeartbeatRequest request;
    request.broker_id = broker;
    request.broker_epoch = epoch;
    request.current_metadata_offset = node.driver.node->image()->offset.value();
    request.want_fence = request.want_shut_down = goes;
    node.driver.node->submit(std::move(request), [](const auto&) {});
    (void)demand(node.driver.node->run_once(node.clock.monotonic()));
  }
  [[nodiscard]] std::int64_t epoch_of(std::int32_t broker) const {
    const auto image = node.cache.image();
    const auto* found = image->broker(BrokerId(broker));
    return found == nullptr ? -1 : found->epoch;
  }
  void create(int topic) {
    protocol::CreateTopicsRequest request;
    request.timeout_ms = 10000;
    auto& made = request.topics.emplace_back();
    made.name = name_of(topic);
    made.num_partitions = made.replication_factor = -1;
    for (std::int32_t index = 0; index < kPartitions; ++index) made.assignments.push_back({index, {1, 2, 3}});
    const auto response = node.ask<protocol::CreateTopicsResponse>(request, 7);
    demand(response.topics.at(0).error_code == 0, "the topic is created");
    ids[static_cast<std::size_t>(topic)] = response.topics[0].topic_id;
  }
  void remove(int topic) {
    protocol::DeleteTopicsRequest request;
    request.timeout_ms = 10000;
    request.topic_names.emplace_back(name_of(topic));
    demand(node.ask<protocol::DeleteTopicsResponse>(request, 3).responses.at(0).error_code == 0,
           "the topic is deleted");
  }
  [[nodiscard]] std::shared_ptr<Partition> find(int topic, std::int32_t index) const {
    return node.replicas->find(name_of(topic), PartitionIndex(index));
  }
};

}  // namespace barnabas::broker::testing
