// The partitions of both coordinators move to another broker, as in a rolling restart, and back. Who still
// asks here is told NOT_COORDINATOR, whereupon clients look their coordinator up anew; any other error they
// would take for the end of their membership or of their transaction, or repeat here for ever.
#include <catch2/catch.hpp>

#include "broker/api/transaction_fixture.hpp"
#include "protocol/messages/api_consumer_group_describe.hpp"
#include "protocol/messages/api_consumer_group_heartbeat.hpp"
#include "protocol/messages/api_delete_groups.hpp"
#include "protocol/messages/api_describe_groups.hpp"
#include "protocol/messages/api_heartbeat.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_leave_group.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_delete.hpp"
#include "protocol/messages/api_sync_group.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace protocol;  // NOLINT: the messages

constexpr std::int32_t kOtherPort = 9192;

struct MovingCoordinators : TransactionNode {
  MovingCoordinators() : TransactionNode(ConfigMap{{"group.initial.rebalance.delay.ms", "60000"}}) {}

  /// As the controller would have it: `leader` leads every partition of both topics, in a new epoch.
  void move_to(BrokerId leader) {
    kraft::MetadataImage image = *cache.image();
    kraft::ClusterImage cluster = *image.cluster;
    kraft::BrokerRegistration other = cluster.brokers.at(BrokerId(1));
    other.id = kOther;
    for (auto& endpoint : other.endpoints) endpoint.endpoint = {"other", kOtherPort};
    cluster.brokers[kOther] = other;
    image.cluster = std::make_shared<const kraft::ClusterImage>(std::move(cluster));
    kraft::TopicsImage topics = *image.topics;
    for (const char* name : {"__consumer_offsets", "__transaction_state"}) {
      kraft::TopicImage topic = *image.topic(name);
      for (kraft::PartitionRegistration& partition : topic.partitions) {
        partition.replicas = {BrokerId(1), kOther};
        partition.directories.resize(2);
        partition.isr = {leader};
        partition.leader = leader;
        partition.leader_epoch = LeaderEpoch(partition.leader_epoch.value() + 1);
        ++partition.partition_epoch;
      }
      auto shared = std::make_shared<const kraft::TopicImage>(std::move(topic));
      topics.by_id[shared->id] = shared;
      topics.by_name[shared->name] = shared;
    }
    image.topics = std::make_shared<const kraft::TopicsImage>(std::move(topics));
    take(std::make_shared<const kraft::MetadataImage>(std::move(image)), nullptr);
    settle();
  }

  /// Node and port, at every version.
  void check_found(BrokerId node, std::int32_t port) {
    for (std::int16_t version = 0; version <= 6; ++version) {
      for (std::int8_t type = 0; type <= (version == 0 ? 0 : 1); ++type) {
        CAPTURE(version, type);
        FindCoordinatorRequest request;
        request.key_type = type;
        if (version < 4) request.key = "tx";
        if (version >= 4) request.coordinator_keys = {"tx"};
        const auto response = ask<FindCoordinatorResponse>(request, version);
        if (version >= 4) {
          const auto& found = response.coordinators.at(0);
          CHECK(found.error_code == 0);
          CHECK(found.node_id == node.value());
          CHECK(found.port == port);
        } else {
          CHECK(response.error_code == 0);
          CHECK(response.node_id == node.value());
          CHECK(response.port == port);
        }
      }
    }
  }

  JoinGroupRequest join_request() {
    JoinGroupRequest request;
    request.group_id = "g";
    request.session_timeout_ms = 10000;
    request.rebalance_timeout_ms = 60000;
    request.protocol_type = "consumer";
    request.protocols.push_back({"range", {}});
    return request;
  }
  ErrorCode commit() {
    OffsetCommitRequest request;
    request.group_id = "g";
    request.topics.emplace_back().name = "t";
    request.topics.back().partitions.emplace_back().committed_offset = 3;
    return static_cast<ErrorCode>(
        ask<OffsetCommitResponse>(request, 8).topics.at(0).partitions.at(0).error_code);
  }
  ErrorCode beat() {
    HeartbeatRequest request;
    request.group_id = "g";
    request.member_id = "m";
    return static_cast<ErrorCode>(ask<HeartbeatResponse>(request, 4).error_code);
  }
  /// What each API that a coordinator of groups serves says.
  std::map<std::string, std::int16_t> asked_about_groups();
  std::map<std::string, std::int16_t> asked_about_transactions();
};

std::map<std::string, std::int16_t> MovingCoordinators::asked_about_groups() {
  std::map<std::string, std::int16_t> told;
  told["JoinGroup"] = ask<JoinGroupResponse>(join_request(), 9).error_code;
  told["Heartbeat"] = static_cast<std::int16_t>(beat());
  told["OffsetCommit"] = static_cast<std::int16_t>(commit());
  SyncGroupRequest sync;
  sync.group_id = "g";
  sync.member_id = "m";
  sync.protocol_type = "consumer";
  sync.protocol_name = "range";
  told["SyncGroup"] = ask<SyncGroupResponse>(sync, 5).error_code;
  LeaveGroupRequest leave;
  leave.group_id = "g";
  leave.members.emplace_back().member_id = "m";
  told["LeaveGroup"] = ask<LeaveGroupResponse>(leave, 5).error_code;
  OffsetFetchRequest fetch;
  fetch.groups.emplace_back().group_id = "g";
  told["OffsetFetch"] = ask<OffsetFetchResponse>(fetch, 9).groups.at(0).error_code;
  fetch = {};
  fetch.group_id = "g";
  told["OffsetFetch 7"] = ask<OffsetFetchResponse>(fetch, 7).error_code;
  DescribeGroupsRequest describe;
  describe.groups = {"g"};
  told["DescribeGroups"] = ask<DescribeGroupsResponse>(describe, 6).groups.at(0).error_code;
  DeleteGroupsRequest remove;
  remove.groups_names = {"g"};
  told["DeleteGroups"] = ask<DeleteGroupsResponse>(remove, 2).results.at(0).error_code;
  OffsetDeleteRequest forget;
  forget.group_id = "g";
  forget.topics.emplace_back().name = "t";
  forget.topics.back().partitions.emplace_back();
  told["OffsetDelete"] = ask<OffsetDeleteResponse>(forget, 0).error_code;
  ConsumerGroupHeartbeatRequest heartbeat;
  heartbeat.group_id = "g";
  heartbeat.member_id = "m";
  heartbeat.member_epoch = 1;
  told["ConsumerGroupHeartbeat"] = ask<ConsumerGroupHeartbeatResponse>(heartbeat, 1).error_code;
  ConsumerGroupDescribeRequest consumers;
  consumers.group_ids = {"g"};
  told["ConsumerGroupDescribe"] = ask<ConsumerGroupDescribeResponse>(consumers, 1).groups.at(0).error_code;
  return told;
}

std::map<std::string, std::int16_t> MovingCoordinators::asked_about_transactions() {
  const Producer producer{"tx", 5, 0, 0};
  std::map<std::string, std::int16_t> told;
  told["InitProducerId"] = init("tx").error_code;
  told["AddPartitionsToTxn"] = static_cast<std::int16_t>(add(producer));
  told["AddOffsetsToTxn"] = static_cast<std::int16_t>(add_offsets(producer));
  told["EndTxn"] = end_once(producer, true, 5).error_code;
  told["EndTxn 4"] = end_once(producer, true, 4).error_code;
  AddPartitionsToTxnRequest verify;
  verify.transactions = {{"tx", 5, 0, true, {{"t", {0}}}}};
  told["AddPartitionsToTxn of a broker"] = ask<AddPartitionsToTxnResponse>(verify, 5)
                                               .results_by_transaction.at(0)
                                               .topic_results.at(0)
                                               .results_by_partition.at(0)
                                               .partition_error_code;
  for (const std::int16_t version : {3, 4, 5})
    told["TxnOffsetCommit " + std::to_string(version)] =
        static_cast<std::int16_t>(commit_offset(producer, 1, version));
  DescribeTransactionsRequest describe;
  describe.transactional_ids = {"tx"};
  told["DescribeTransactions"] =
      ask<DescribeTransactionsResponse>(describe, 0).transaction_states.at(0).error_code;
  return told;
}

TEST_CASE_METHOD(MovingCoordinators,
                 "who asks the coordinator that was is sent to look for the one that is") {
  CHECK(commit() == ErrorCode::kNone);
  check_found(BrokerId(1), 9092);
  // Whoever waits here is not left waiting.
  const Call joining = start(join_request(), 3);
  settle();
  CHECK(joining->answers == 0);
  move_to(kOther);
  REQUIRE(joining->answers == 1);
  CHECK(decode<JoinGroupResponse>(joining, 3).error_code ==
        static_cast<std::int16_t>(ErrorCode::kNotCoordinator));

  for (const auto& asked : {asked_about_groups(), asked_about_transactions()}) {
    for (const auto& [api, error] : asked) {
      CAPTURE(api);
      CHECK(static_cast<ErrorCode>(error) == ErrorCode::kNotCoordinator);
    }
  }
  check_found(kOther, kOtherPort);
  // And back: what it had kept is there once it has read it again.
  move_to(BrokerId(1));
  check_found(BrokerId(1), 9092);
  for (int i = 0; i < 100 && beat() != ErrorCode::kUnknownMemberId; ++i) settle();
  CHECK(beat() == ErrorCode::kUnknownMemberId);
  CHECK(committed(false).committed_offset == 3);
  CHECK(begin().epoch == 0);
}

TEST_CASE_METHOD(MovingCoordinators, "a batch of a transaction is tried again while its coordinator moves") {
  const Producer producer = begin();
  move_to(kOther);
  for (const std::int16_t version : {9, 11, 12}) {
    CAPTURE(version);
    Producer sends = producer;
    CHECK(produce(sends, version) == ErrorCode::kNotEnoughReplicas);
  }
  move_to(BrokerId(1));
  for (int i = 0; i < 100 && state("tx") != "Empty"; ++i) settle();
  Producer sends = producer;
  CHECK(produce(sends, 12) == ErrorCode::kNone);
  CHECK(end(sends, true, 5) == ErrorCode::kNone);
}

}  // namespace
}  // namespace barnabas::broker::testing
