// For tests: members of consumer groups over a ShardFixture, as clients of KIP-848 behave.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/coordinator/shard_fixture.hpp"

namespace barnabas::broker::testing {

struct BeatInput {
  std::string group = "g";
  std::string member = "m";
  std::int32_t epoch = 0;
  std::optional<std::string> instance = {};
  std::optional<std::string> rack = {};
  std::int32_t rebalance_ms = -1;
  std::optional<std::vector<std::string>> topics = {};
  std::optional<std::string> pattern = {};
  std::optional<std::string> assignor = {};
  std::optional<Assignment> owned = {};
  std::int16_t version = 1;
};

/// A member's first heartbeat.
inline BeatInput joining(const std::string& member, std::vector<std::string> topics = {"t"}) {
  BeatInput input;
  input.member = member;
  input.rebalance_ms = 60000;
  input.topics = std::move(topics);
  input.owned.emplace();
  return input;
}

using BeatAnswer = Caught<protocol::ConsumerGroupHeartbeatResponse>;

inline BeatAnswer beat(ShardFixture& fixture, const BeatInput& input,
                       const std::set<std::string>& hidden_topics = {}) {
  BeatAnswer caught;
  protocol::ConsumerGroupHeartbeatRequest request;
  request.group_id = input.group;
  request.member_id = input.member;
  request.member_epoch = input.epoch;
  request.instance_id = input.instance;
  request.rack_id = input.rack;
  request.rebalance_timeout_ms = input.rebalance_ms;
  request.subscribed_topic_names = input.topics;
  request.subscribed_topic_regex = input.pattern;
  request.server_assignor = input.assignor;
  if (input.owned) {
    request.topic_partitions.emplace();
    for (const auto& [topic, partitions] : *input.owned)
      request.topic_partitions->push_back({topic.value(), {partitions.begin(), partitions.end()}});
  }
  HeartbeatContext context;
  context.version = input.version;
  context.client_id = "client";
  context.client_host = "/127.0.0.1";
  context.may_describe = [&](std::string_view topic) { return !hidden_topics.contains(std::string(topic)); };
  fixture.exclusive(
      [&](Step& step) { fixture.shard.consumer().heartbeat(request, context, caught.answer(), step); });
  return caught;
}

inline Assignment assigned_in(const BeatAnswer& answer) {
  Assignment assignment;
  if (!answer->assignment) return assignment;
  for (const auto& topic : answer->assignment->topic_partitions)
    assignment[TopicId(topic.topic_id)] = {topic.partitions.begin(), topic.partitions.end()};
  return assignment;
}

/// A member that does what it is told.
class Consumer {
 public:
  Consumer(ShardFixture& fixture, BeatInput subscription)
      : fixture_(&fixture), subscription_(std::move(subscription)) {}

  BeatAnswer join() {
    BeatInput input = subscription_;
    input.epoch = 0;
    input.owned.emplace();
    if (input.rebalance_ms == -1) input.rebalance_ms = 60000;
    owned_.clear();
    return take(beat(*fixture_, input));
  }
  /// What a member sends when nothing is new, and what it has whenever that has changed.
  BeatAnswer beat_once() {
    BeatInput input;
    input.group = subscription_.group;
    input.member = subscription_.member;
    input.instance = subscription_.instance;
    input.epoch = epoch_;
    if (reported_ != owned_) input.owned = owned_;
    reported_ = owned_;
    return take(beat(*fixture_, input));
  }
  BeatAnswer subscribe(std::vector<std::string> topics) {
    subscription_.topics = topics;
    BeatInput input;
    input.group = subscription_.group;
    input.member = subscription_.member;
    input.epoch = epoch_;
    input.topics = std::move(topics);
    return take(beat(*fixture_, input));
  }
  BeatAnswer leave(std::int32_t epoch = kLeaveEpoch) {
    BeatInput input;
    input.group = subscription_.group;
    input.member = subscription_.member;
    input.instance = subscription_.instance;
    input.epoch = epoch;
    return beat(*fixture_, input);
  }
  [[nodiscard]] std::int32_t epoch() const { return epoch_; }
  [[nodiscard]] const Assignment& owned() const { return owned_; }
  [[nodiscard]] const std::string& id() const { return subscription_.member; }

 private:
  BeatAnswer take(const BeatAnswer& answer) {
    REQUIRE(answer.came());
    if (answer.error() != ErrorCode::kNone) {
      reported_.reset();
      return answer;
    }
    epoch_ = answer->member_epoch;
    if (answer->assignment) owned_ = assigned_in(answer);
    return answer;
  }

  ShardFixture* fixture_;
  BeatInput subscription_;
  std::int32_t epoch_ = 0;
  Assignment owned_;
  std::optional<Assignment> reported_;  // nothing: it has to say everything again
};

}  // namespace barnabas::broker::testing
