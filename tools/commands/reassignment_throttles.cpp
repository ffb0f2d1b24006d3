#include "tools/commands/reassignment_throttles.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "protocol/messages/api_incremental_alter_configs.hpp"
#include "tools/client/config_description.hpp"

namespace barnabas::tools {
namespace {

using protocol::IncrementalAlterConfigsRequest;
using protocol::IncrementalAlterConfigsResponse;

constexpr const char* kLeaderRate = "leader.replication.throttled.rate";
constexpr const char* kFollowerRate = "follower.replication.throttled.rate";
constexpr const char* kLogDirRate = "replica.alter.log.dirs.io.max.bytes.per.second";
constexpr const char* kLeaderReplicas = "leader.replication.throttled.replicas";
constexpr const char* kFollowerReplicas = "follower.replication.throttled.replicas";

/// A partition's replicas that are copied from, and those that are copied to.
struct Move {
  std::set<std::int32_t> sources;
  std::set<std::int32_t> destinations;
};
using Moves = std::map<TopicPartition, Move>;

std::set<std::int32_t> set_of(const Replicas& replicas) {
  return {replicas.begin(), replicas.end()};
}

Moves moves_of(const Assignment& wanted, const Assignment& current, const OngoingReassignments& ongoing) {
  Moves moves;
  for (const auto& [partition, reassignment] : ongoing) {
    Move& move = moves[partition];
    move.destinations = set_of(reassignment.adding);
    std::ranges::set_difference(set_of(reassignment.replicas), move.destinations,
                                std::inserter(move.sources, move.sources.end()));
  }
  for (const auto& [partition, replicas] : wanted) {
    const auto [entry, is_new] = moves.try_emplace(partition);
    Move& move = entry->second;
    if (is_new) move.sources = set_of(current.at(partition));
    move.destinations.clear();
    std::ranges::set_difference(set_of(replicas), move.sources,
                                std::inserter(move.destinations, move.destinations.end()));
  }
  return moves;
}

using Changes = std::map<std::string, std::optional<std::string>>;  // without a value: back to the standard

Result<void> alter(Admin& admin, ConfigResource type, const std::string& name, const Changes& changes) {
  enum Operation : std::int8_t { kSet = 0, kDelete = 1 };
  IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = static_cast<std::int8_t>(type);
  resource.resource_name = name;
  for (const auto& [key, value] : changes)
    resource.configs.push_back(
        {.name = key, .config_operation = value ? kSet : kDelete, .value = value.value_or("")});
  // What is refused stays refused, also a topic that is not there, which other calls would wait for.
  const auto answer = TRY(admin.call<IncrementalAlterConfigsResponse>(config_target(type, name), request,
                                                                      "incrementalAlterConfigs"));
  return first_refusal(answer->responses);
}

Result<void> alter_brokers(Admin& admin, const std::set<std::int32_t>& brokers, const Changes& changes) {
  for (const auto id : brokers) TRY(alter(admin, ConfigResource::kBroker, std::to_string(id), changes));
  return {};
}

/// Which replicas of each topic the rates of the brokers count for: "partition:broker", apart by commas.
Result<void> name_throttled_replicas(Admin& admin, const Moves& moves) {
  struct Names {
    std::set<std::string> leaders;
    std::set<std::string> followers;
  };
  std::map<std::string, Names> topics;
  for (const auto& [partition, move] : moves) {
    Names& names = topics[partition.topic];
    const auto name = [&](std::int32_t id) { return fmt::format("{}:{}", partition.partition.value(), id); };
    for (const auto id : move.sources) names.leaders.insert(name(id));
    for (const auto id : move.destinations) names.followers.insert(name(id));
  }
  for (const auto& [topic, names] : topics)
    TRY(alter(admin, ConfigResource::kTopic, topic,
              {{kLeaderReplicas, fmt::format("{}", fmt::join(names.leaders, ","))},
               {kFollowerReplicas, fmt::format("{}", fmt::join(names.followers, ","))}}));
  return {};
}

}  // namespace

Result<void> throttle_moves(Admin& admin, const Assignment& wanted, const Assignment& current,
                            const OngoingReassignments& ongoing, std::int64_t bytes_per_second) {
  const Moves moves = moves_of(wanted, current, ongoing);
  TRY(name_throttled_replicas(admin, moves));
  std::set<std::int32_t> brokers;
  for (const auto& [partition, move] : moves) {
    brokers.insert(move.sources.begin(), move.sources.end());
    brokers.insert(move.destinations.begin(), move.destinations.end());
  }
  const std::string rate = std::to_string(bytes_per_second);
  return alter_brokers(admin, brokers, {{kLeaderRate, rate}, {kFollowerRate, rate}});
}

Result<void> throttle_log_dir_moves(Admin& admin, const LogDirs& moves, std::int64_t bytes_per_second) {
  std::set<std::int32_t> brokers;
  for (const auto& [replica, directory] : moves) brokers.insert(replica.broker);
  return alter_brokers(admin, brokers, {{kLogDirRate, std::to_string(bytes_per_second)}});
}

Result<void> clear_throttles(Admin& admin, const Assignment& assignment) {
  std::set<std::int32_t> brokers;
  std::set<std::string> topics;
  const auto nodes = TRY(admin.nodes("listNodes"));
  for (const auto& node : nodes) brokers.insert(node.id.value());
  for (const auto& [partition, replicas] : assignment) {
    brokers.insert(replicas.begin(), replicas.end());
    topics.insert(partition.topic);
  }
  fmt::print("Clearing broker-level throttles on broker{} {}\n", brokers.size() == 1 ? "" : "s",
             fmt::join(brokers, ","));
  TRY(alter_brokers(
      admin, brokers,
      {{kLeaderRate, std::nullopt}, {kFollowerRate, std::nullopt}, {kLogDirRate, std::nullopt}}));
  fmt::print("Clearing topic-level throttles on topic{} {}\n", topics.size() == 1 ? "" : "s",
             fmt::join(topics, ","));
  for (const auto& topic : topics)
    TRY(alter(admin, ConfigResource::kTopic, topic,
              {{kLeaderReplicas, std::nullopt}, {kFollowerReplicas, std::nullopt}}));
  return {};
}

}  // namespace barnabas::tools
