// Elections, reassignments and moves between log directories on a node that is alone. Measured on
// Kafka 4.3.1.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_alter_replica_log_dirs.hpp"
#include "protocol/messages/api_list_partition_reassignments.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::AlterPartitionReassignmentsRequest;
using protocol::AlterPartitionReassignmentsResponse;
using protocol::AlterReplicaLogDirsRequest;
using protocol::AlterReplicaLogDirsResponse;
using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;
using protocol::ListPartitionReassignmentsRequest;
using protocol::ListPartitionReassignmentsResponse;

ErrorCode error_of(std::int16_t code) {
  return static_cast<ErrorCode>(code);
}

TEST_CASE("partitions that have their leader need no election") {
  ApiFixture node;
  node.create_topic("t", 2);
  ElectLeadersRequest request;
  request.topic_partitions.emplace().push_back({"t", {0, 9}});
  request.topic_partitions->push_back({"nowhere", {0}});
  for (std::int16_t version = 0; version <= 2; ++version) {
    const auto response = node.ask<ElectLeadersResponse>(request, version);
    REQUIRE(response.replica_election_results.size() == 2);
    const auto& partitions = response.replica_election_results[0].partition_result;
    CHECK(error_of(partitions.at(0).error_code) == ErrorCode::kElectionNotNeeded);
    CHECK(error_of(partitions.at(1).error_code) == ErrorCode::kUnknownTopicOrPartition);
    CHECK(partitions.at(1).error_message == "No such partition as t-9");
    CHECK(response.replica_election_results[1].partition_result.at(0).error_message ==
          "No such topic as nowhere");
  }
  request.topic_partitions = std::nullopt;
  const auto all = node.ask<ElectLeadersResponse>(request);
  REQUIRE(all.replica_election_results.size() == 1);
  CHECK(all.replica_election_results[0].partition_result.empty());
  request.election_type = 7;
  CHECK(error_of(node.ask<ElectLeadersResponse>(request).error_code) == ErrorCode::kInvalidRequest);
}

struct Outcome {
  ErrorCode code;
  std::string message;
  bool operator==(const Outcome&) const = default;
};

Outcome reassign(ApiFixture& node, std::int32_t index, std::optional<std::vector<std::int32_t>> replicas) {
  AlterPartitionReassignmentsRequest request;
  request.topics.push_back({"t", {{index, std::move(replicas)}}});
  const auto response = node.ask<AlterPartitionReassignmentsResponse>(request);
  CHECK(response.allow_replication_factor_change);
  const auto& told = response.responses.at(0).partitions.at(0);
  return {error_of(told.error_code), told.error_message.value_or("")};
}

TEST_CASE("a partition is reassigned to where it is and nowhere else") {
  ApiFixture node;
  node.create_topic("t");
  CHECK(reassign(node, 0, {{1}}) == Outcome{ErrorCode::kNone, ""});
  CHECK(reassign(node, 0, std::nullopt) == Outcome{ErrorCode::kNoReassignmentInProgress, ""});
  CHECK(reassign(node, 9, {{1}}) ==
        Outcome{ErrorCode::kUnknownTopicOrPartition, "Unable to find partition t:9."});
  CHECK(reassign(node, 0, {{1, 77}}) ==
        Outcome{ErrorCode::kInvalidReplicaAssignment,
                "The manual partition assignment includes broker 77, but no such broker is registered."});
  CHECK(reassign(node, 0, std::vector<std::int32_t>{}).code == ErrorCode::kInvalidReplicaAssignment);
  const auto under_way = node.ask<ListPartitionReassignmentsResponse>(ListPartitionReassignmentsRequest());
  CHECK(under_way.topics.empty());
  CHECK(under_way.error_message == std::nullopt);
}

TEST_CASE("a replica is in the directory that it is asked to move to, or stays") {
  ApiFixture node;
  node.create_topic("t");
  const auto move = [&](const std::string& path, std::int32_t index) {
    AlterReplicaLogDirsRequest request;
    request.dirs.push_back({path, {{"t", {index}}}});
    const auto response = node.ask<AlterReplicaLogDirsResponse>(request);
    return error_of(response.results.at(0).partitions.at(0).error_code);
  };
  const std::string here = node.config->settings()->log_dirs.front();
  CHECK(move(here, 0) == ErrorCode::kNone);
  CHECK(move(here, 9) == ErrorCode::kUnknownTopicOrPartition);
  CHECK(move("/elsewhere", 0) == ErrorCode::kLogDirNotFound);
}

}  // namespace
}  // namespace barnabas::broker::testing
