// What a node tells of its coordinators on its page of metrics.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_add_partitions_to_txn.hpp"
#include "protocol/messages/api_consumer_group_heartbeat.hpp"
#include "protocol/messages/api_end_txn.hpp"
#include "protocol/messages/api_find_coordinator.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_delete.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace protocol;  // NOLINT: the messages
using namespace std::chrono_literals;

struct Counted : ApiFixture {
  Counted()
      : ApiFixture({.properties = {{"transaction.state.log.replication.factor", "1"},
                                   {"transaction.state.log.min.isr", "1"},
                                   {"transaction.state.log.num.partitions", "1"},
                                   {"offsets.topic.replication.factor", "1"},
                                   {"offsets.topic.num.partitions", "1"},
                                   {"offsets.retention.minutes", "1"},
                                   {"offsets.retention.check.interval.ms", "60000"}}}) {
    create_topic("t", 2);
    for (const std::int8_t type : {std::int8_t{0}, std::int8_t{1}}) {
      FindCoordinatorRequest request;
      request.key_type = type;
      request.key = "x";
      for (int i = 0; i < 100; ++i) {
        if (ask<FindCoordinatorResponse>(request, 2).error_code == 0) break;
        run(10ms);
      }
    }
    run(2s);
  }

  void run(std::chrono::nanoseconds time) { world.run_until(clock.monotonic() + time); }
  /// The value of one line of the page; -1 without it.
  [[nodiscard]] double value(const std::string& line) const {
    const std::string text = metrics.prometheus_text();
    const auto at = text.find("\n" + line + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + line.size() + 2));
  }
  void commit(const std::string& group, std::int32_t partition) {
    OffsetCommitRequest request;
    request.group_id = group;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().partition_index = partition;
    CHECK(ask<OffsetCommitResponse>(request, 8).topics.at(0).partitions.at(0).error_code == 0);
  }
  InitProducerIdResponse init(const std::string& transaction, std::int32_t timeout_ms) {
    InitProducerIdRequest request;
    request.transactional_id = transaction;
    request.transaction_timeout_ms = timeout_ms;
    return ask<InitProducerIdResponse>(request, 4);
  }
  void add(const std::string& transaction, const InitProducerIdResponse& producer) {
    AddPartitionsToTxnRequest request;
    request.v3_and_below_transactional_id = transaction;
    request.v3_and_below_producer_id = producer.producer_id;
    request.v3_and_below_producer_epoch = producer.producer_epoch;
    request.v3_and_below_topics = {{"t", {0}}};
    (void)ask<AddPartitionsToTxnResponse>(request, 3);
  }
};

std::string groups_in(const std::string& protocol, const std::string& state) {
  return "barnabas_groups{protocol=\"" + protocol + "\",state=\"" + state + "\"}";
}

TEST_CASE_METHOD(Counted, "groups, their members and their offsets are counted, and what becomes of them") {
  CHECK(value("barnabas_coordinator_loads_total{coordinator=\"group\"}") == 1);
  CHECK(value(groups_in("classic", "empty")) == 0);
  commit("one", 0);
  commit("one", 1);
  commit("one", 1);
  commit("two", 0);
  ConsumerGroupHeartbeatRequest join;
  join.group_id = "three";
  join.member_id = "m";
  join.rebalance_timeout_ms = 60000;
  join.topic_partitions.emplace();
  join.subscribed_topic_names = {"t"};
  CHECK(ask<ConsumerGroupHeartbeatResponse>(join).error_code == 0);
  run(2s);
  CHECK(value(groups_in("classic", "empty")) == 2);
  CHECK(value(groups_in("consumer", "stable")) == 1);
  CHECK(value("barnabas_group_members{protocol=\"consumer\"}") == 1);
  CHECK(value("barnabas_group_offsets") == 3);
  CHECK(value("barnabas_group_offset_commits_total") == 4);
  CHECK(value("barnabas_group_rebalances_total{protocol=\"consumer\"}") >= 1);
  CHECK(value("barnabas_group_rebalances_total{protocol=\"classic\"}") == 0);
  CHECK(value("barnabas_coordinator_appended_operations_total{coordinator=\"group\"}") == 5);
  CHECK(value("barnabas_coordinator_appends_total{coordinator=\"group\"}") <= 5);
  CHECK(value("barnabas_coordinator_appended_records_total{coordinator=\"group\"}") > 5);
  OffsetDeleteRequest request;
  request.group_id = "one";
  request.topics = {{"t", {{1}}}};
  CHECK(ask<OffsetDeleteResponse>(request).error_code == 0);
  run(2s);
  CHECK(value("barnabas_group_offset_deletions_total") == 1);
  CHECK(value("barnabas_group_offsets") == 2);
  run(200s);
  CHECK(value("barnabas_group_offset_expirations_total") == 2);
  CHECK(value("barnabas_group_offsets") == 0);
  CHECK(value(groups_in("classic", "empty")) == 0);
  CHECK(value(groups_in("consumer", "stable")) == 0);  // its member is silent
}

TEST_CASE_METHOD(Counted,
                 "a shard that goes takes what it told with it, and its load is counted when it comes back") {
  commit("one", 0);
  run(2s);
  CHECK(value(groups_in("classic", "empty")) == 1);
  const double records = value("barnabas_coordinator_appended_records_total{coordinator=\"group\"}");
  CHECK(value("barnabas_coordinator_loaded_records_total{coordinator=\"group\"}") == 0);
  groups->on_image(kraft::MetadataImage::empty(), nullptr);
  run(1s);
  CHECK(value(groups_in("classic", "empty")) == 0);
  groups->on_image(cache.image(), nullptr);
  run(2s);
  CHECK(value("barnabas_coordinator_loads_total{coordinator=\"group\"}") == 2);
  CHECK(value("barnabas_coordinator_loaded_records_total{coordinator=\"group\"}") == records);
  CHECK(value(groups_in("classic", "empty")) == 1);
  CHECK(value("barnabas_group_offset_commits_total") == 1);  // what is loaded is not committed again
}

TEST_CASE_METHOD(Counted, "transactions are counted by their states, and those that time out") {
  add("slow", init("slow", 5000));
  const auto quick = init("quick", 60000);
  add("quick", quick);
  run(2s);
  CHECK(value("barnabas_transactions{state=\"ongoing\"}") == 2);
  EndTxnRequest end;
  end.transactional_id = "quick";
  end.producer_id = quick.producer_id;
  end.producer_epoch = quick.producer_epoch;
  end.committed = true;
  CHECK(ask<EndTxnResponse>(end, 4).error_code == 0);
  run(20s);
  CHECK(value("barnabas_transactions{state=\"ongoing\"}") == 0);
  CHECK(value("barnabas_transactions{state=\"complete_commit\"}") == 1);
  CHECK(value("barnabas_transactions{state=\"complete_abort\"}") == 1);
  CHECK(value("barnabas_transactions_timed_out_total") == 1);
  CHECK(value("barnabas_transaction_markers_waiting") == 0);
  CHECK(value("barnabas_transaction_marker_requests_total") == 0);  // this node leads everything
}

}  // namespace
}  // namespace barnabas::broker::testing
