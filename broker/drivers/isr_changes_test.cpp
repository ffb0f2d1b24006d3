#include "broker/drivers/isr_changes.hpp"

#include <catch2/catch.hpp>

#include "broker/drivers/controller_testing.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;
using protocol::AlterPartitionRequest;
using protocol::AlterPartitionResponse;

const TopicId kTopic{Uuid{{1}}};
const TopicId kOther{Uuid{{2}}};

struct Changes {
  Changes()
      : controller(world, "controller"),
        channel(world.node("broker"), world.clock(), world.random(), driver, {}),
        changes({world.node("broker"), world.clock(), channel, BrokerId(7), [] { return 5; }}) {
    driver.tell(1, controller.endpoint());
    controller.serve<AlterPartitionRequest, AlterPartitionResponse>(
        [this](const AlterPartitionRequest& request) { return answer(request); });
  }

  std::optional<AlterPartitionResponse> answer(const AlterPartitionRequest& request) {
    requests.push_back(request);
    AlterPartitionResponse response;
    response.error_code = static_cast<std::int16_t>(refusals.empty() ? ErrorCode::kNone : refusals.back());
    if (!refusals.empty()) {
      refusals.pop_back();
      return response;
    }
    for (const auto& topic : request.topics) {
      auto& to = response.topics.emplace_back();
      to.topic_id = topic.topic_id;
      for (const auto& partition : topic.partitions) {
        auto& result = to.partitions.emplace_back();
        result.partition_index = partition.partition_index;
        result.error_code = static_cast<std::int16_t>(partition_error);
        result.leader_id = 7;
        result.leader_epoch = partition.leader_epoch;
        result.leader_recovery_state = partition.leader_recovery_state;
        result.partition_epoch = partition.partition_epoch + 1;
        for (const auto& member : partition.new_isr_with_epochs) result.isr.push_back(member.broker_id);
      }
    }
    return response;
  }
  void submit(TopicId topic, std::int32_t partition, std::int32_t partition_epoch = 3) {
    IsrChange change;
    change.topic = topic;
    change.partition = partition;
    change.leader_epoch = LeaderEpoch(2);
    change.isr = {{BrokerId(7), 5}, {BrokerId(8), 6}};
    change.partition_epoch = partition_epoch;
    changes.submit(std::move(change),
                   [this](Result<AcceptedIsr> result) { told.push_back(std::move(result)); });
  }
  void run_for(std::chrono::nanoseconds time) { world.run_until(world.clock().monotonic() + time); }

  SimulatedWorld world{3};
  testing::FakeController controller;
  testing::ToldDriver driver;
  ControllerChannel channel;
  IsrChanges changes;
  std::vector<ErrorCode> refusals;
  ErrorCode partition_error = ErrorCode::kNone;
  std::vector<AlterPartitionRequest> requests;
  std::vector<Result<AcceptedIsr>> told;
};

TEST_CASE("changes go in one request, and each is told what became of it") {
  Changes c;
  c.submit(kTopic, 0);
  c.submit(kTopic, 1);
  c.submit(kOther, 0);
  c.run_for(1s);
  REQUIRE(c.requests.size() == 1);
  CHECK(c.requests[0].broker_id == 7);
  CHECK(c.requests[0].broker_epoch == 5);
  REQUIRE(c.requests[0].topics.size() == 2);
  CHECK(c.requests[0].topics[0].partitions.size() == 2);
  REQUIRE(c.told.size() == 3);
  for (const auto& result : c.told) {
    REQUIRE(result.has_value());
    CHECK(result->leader == BrokerId(7));
    CHECK(result->leader_epoch == LeaderEpoch(2));
    CHECK(result->partition_epoch == 4);
    CHECK(result->isr == std::vector<BrokerId>{BrokerId(7), BrokerId(8)});
  }
}

TEST_CASE("what is submitted while a request is in flight goes with the next") {
  Changes c;
  c.submit(kTopic, 0);
  c.run_for(0ms);  // the request is made
  c.submit(kTopic, 1);
  c.submit(kTopic, 2);
  c.run_for(1s);
  REQUIRE(c.requests.size() == 2);
  CHECK(c.requests[1].topics[0].partitions.size() == 2);
  CHECK(c.told.size() == 3);
}

TEST_CASE("an error of a partition is told to who changed it") {
  Changes c;
  c.partition_error = ErrorCode::kFencedLeaderEpoch;
  c.submit(kTopic, 0);
  c.run_for(1s);
  REQUIRE(c.told.size() == 1);
  REQUIRE_FALSE(c.told[0].has_value());
  CHECK(c.told[0].error().code == ErrorCode::kFencedLeaderEpoch);
  CHECK(c.requests.size() == 1);
}

TEST_CASE("a request that is refused as a whole is sent again") {
  Changes c;
  c.refusals = {ErrorCode::kStaleBrokerEpoch, ErrorCode::kStaleBrokerEpoch};
  c.submit(kTopic, 0);
  c.run_for(40ms);
  CHECK(c.told.empty());
  c.run_for(1s);
  CHECK(c.requests.size() == 3);
  REQUIRE(c.told.size() == 1);
  CHECK(c.told[0].has_value());
}

TEST_CASE("a second change of a partition is not attempted before the first is answered") {
  Changes c;
  c.submit(kTopic, 0);
  c.submit(kTopic, 0, 9);
  c.run_for(1s);
  REQUIRE(c.told.size() == 2);
  REQUIRE_FALSE(c.told[0].has_value());
  CHECK(c.told[0].error().code == ErrorCode::kOperationNotAttempted);
  CHECK(c.told[1].has_value());
  c.submit(kTopic, 0, 4);
  c.run_for(1s);
  CHECK(c.told.size() == 3);
}

TEST_CASE("changes survive a controller that dies") {
  Changes c;
  c.submit(kTopic, 0);
  c.controller.crash();
  c.run_for(5s);
  CHECK(c.told.empty());
  c.controller.restart();
  c.run_for(3s);
  REQUIRE(c.told.size() == 1);
  CHECK(c.told[0].has_value());
}

}  // namespace
}  // namespace barnabas::broker
