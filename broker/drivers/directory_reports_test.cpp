#include "broker/drivers/directory_reports.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

const TopicId kTopic{Uuid{{1}}};
const DirectoryId kHere{Uuid{{2}}};
const DirectoryId kThere{Uuid{{3}}};

DirectoryReports::Replica replica(std::int32_t index) {
  return {kTopic, PartitionIndex(index)};
}

/// For partitions 0, 1, ...
protocol::AssignReplicasToDirsResponse answer(const std::vector<ErrorCode>& errors) {
  protocol::AssignReplicasToDirsResponse response;
  auto& directory = response.directories.emplace_back();
  directory.id = kHere.value();
  auto& topic = directory.topics.emplace_back();
  topic.topic_id = kTopic.value();
  for (std::size_t i = 0; i < errors.size(); ++i)
    topic.partitions.push_back({static_cast<std::int32_t>(i), static_cast<std::int16_t>(errors[i])});
  return response;
}

TEST_CASE("what the controller refuses for a single replica is told again, unless the replica is gone") {
  const DirectoryReports::Places sent = {{replica(0), kHere},
                                         {replica(1), kHere},
                                         {replica(2), kHere},
                                         {replica(3), kHere},
                                         {replica(4), kHere}};
  DirectoryReports::Places untold = sent;
  const auto answered = answer({ErrorCode::kNone, ErrorCode::kUnknownServerError, ErrorCode::kUnknownTopicId,
                                ErrorCode::kUnknownTopicOrPartition, ErrorCode::kNotLeaderOrFollower});
  CHECK(DirectoryReports::settle(untold, sent, answered) == 1);
  CHECK(untold == DirectoryReports::Places{{replica(1), kHere}});
}

TEST_CASE("a replica that moved on while its place was being told is told of again") {
  const DirectoryReports::Places sent = {{replica(0), kHere}, {replica(1), kHere}};
  DirectoryReports::Places untold = {{replica(0), kThere}, {replica(1), kHere}};
  CHECK(DirectoryReports::settle(untold, sent, answer({ErrorCode::kNone, ErrorCode::kNone})) == 0);
  CHECK(untold == DirectoryReports::Places{{replica(0), kThere}});
}

}  // namespace
}  // namespace barnabas::broker
