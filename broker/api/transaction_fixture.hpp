// For tests of transactions: a node with both coordinators and a topic t, and what a client's producer asks
// of it; what another broker is asked, and would answer.
//
// Owned by a test, as ApiFixture; not thread-safe.
#pragma once

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/api/api_fixture.hpp"
#include "broker/drivers/transaction_peers.hpp"
#include "protocol/messages/api_add_offsets_to_txn.hpp"
#include "protocol/messages/api_add_partitions_to_txn.hpp"
#include "protocol/messages/api_describe_transactions.hpp"
#include "protocol/messages/api_end_txn.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_find_coordinator.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/messages/api_txn_offset_commit.hpp"
#include "protocol/messages/api_write_txn_markers.hpp"

namespace barnabas::broker::testing {

inline constexpr BrokerId kOther{2};

/// Keeps what is asked, and answers as a test tells it to.
struct KeptPeers final : TransactionPeers {
  void write_markers(BrokerId to, protocol::WriteTxnMarkersRequest request,
                     Handler<protocol::WriteTxnMarkersResponse> handler) override {
    CHECK(to == kOther);
    markers.push_back({std::move(request), std::move(handler)});
  }
  void add_partitions(BrokerId to, protocol::AddPartitionsToTxnRequest request,
                      Handler<protocol::AddPartitionsToTxnResponse> handler) override {
    CHECK(to == kOther);
    additions.push_back({std::move(request), std::move(handler)});
  }
  void answer_markers(ErrorCode error) {
    auto& [request, handler] = markers.back();
    protocol::WriteTxnMarkersResponse response;
    for (const auto& asked : request.markers) {
      auto& marker = response.markers.emplace_back();
      marker.producer_id = asked.producer_id;
      for (const auto& topic : asked.topics) {
        auto& result = marker.topics.emplace_back();
        result.name = topic.name;
        for (const std::int32_t index : topic.partition_indexes)
          result.partitions.push_back({index, static_cast<std::int16_t>(error)});
      }
    }
    std::exchange(handler, nullptr)(std::move(response));
  }
  void answer_addition(const std::vector<ErrorCode>& errors) {
    auto& [request, handler] = additions.back();
    protocol::AddPartitionsToTxnResponse response;
    auto& result = response.results_by_transaction.emplace_back();
    result.transactional_id = request.transactions.at(0).transactional_id;
    auto& topic = result.topic_results.emplace_back();
    topic.name = request.transactions[0].topics.at(0).name;
    for (std::size_t i = 0; i < errors.size(); ++i)
      topic.results_by_partition.push_back(
          {request.transactions[0].topics[0].partitions.at(i), static_cast<std::int16_t>(errors[i])});
    std::exchange(handler, nullptr)(std::move(response));
  }

  std::vector<std::pair<protocol::WriteTxnMarkersRequest, Handler<protocol::WriteTxnMarkersResponse>>>
      markers;
  std::vector<std::pair<protocol::AddPartitionsToTxnRequest, Handler<protocol::AddPartitionsToTxnResponse>>>
      additions;
};

/// The same, but that `leader` leads the partition.
inline kraft::MetadataImagePtr led_by(kraft::MetadataImage image, const std::string& topic,
                                      std::size_t partition, BrokerId leader) {
  kraft::TopicImage changed = *image.topic(topic);
  changed.partitions.at(partition).leader = leader;
  kraft::TopicsImage topics = *image.topics;
  auto shared = std::make_shared<const kraft::TopicImage>(std::move(changed));
  topics.by_id[shared->id] = shared;
  topics.by_name[topic] = shared;
  image.topics = std::make_shared<const kraft::TopicsImage>(std::move(topics));
  return std::make_shared<const kraft::MetadataImage>(std::move(image));
}

inline ApiFixtureOptions with_coordinators(ConfigMap properties = {}, TransactionPeers* peers = nullptr) {
  properties.insert({{"transaction.state.log.replication.factor", "1"},
                     {"transaction.state.log.min.isr", "1"},
                     {"transaction.state.log.num.partitions", "3"},
                     {"offsets.topic.replication.factor", "1"},
                     {"offsets.topic.num.partitions", "2"}});
  return {.properties = std::move(properties), .peers = peers};
}

struct Producer {
  std::string id;
  std::int64_t producer_id = -1;
  std::int16_t epoch = -1;
  std::int32_t sequence = 0;
};

struct TransactionNode : ApiFixture {
  explicit TransactionNode(ConfigMap properties = {}, TransactionPeers* peers = nullptr)
      : ApiFixture(with_coordinators(std::move(properties), peers)) {
    topic_id = create_topic("t", 2);
    find_coordinator(1);
    find_coordinator(0);
  }

  void find_coordinator(std::int8_t type) {
    protocol::FindCoordinatorRequest request;
    request.key_type = type;
    request.coordinator_keys = {"tx"};
    for (int i = 0; i < 100; ++i) {
      const auto found = ask<protocol::FindCoordinatorResponse>(request, 6).coordinators.at(0);
      if (found.error_code == 0) {
        CHECK(found.node_id == 1);
        CHECK(found.port == 9092);
        return;
      }
      CHECK(found.error_code == static_cast<std::int16_t>(ErrorCode::kCoordinatorNotAvailable));
      world.run_until(clock.monotonic() + std::chrono::milliseconds(10));
    }
    FAIL("the coordinator's topic was not created");
  }

  protocol::InitProducerIdResponse init(const std::string& transaction, std::int16_t version = 5) {
    protocol::InitProducerIdRequest request;
    request.transactional_id = transaction;
    request.transaction_timeout_ms = 60000;
    return ask<protocol::InitProducerIdResponse>(request, version);
  }
  Producer begin(const std::string& transaction = "tx") {
    // As a client: CONCURRENT_TRANSACTIONS is tried again.
    for (int i = 0; i < 100; ++i) {
      const auto made = init(transaction);
      if (made.error_code == 0) return {transaction, made.producer_id, made.producer_epoch};
      CHECK(made.error_code == static_cast<std::int16_t>(ErrorCode::kConcurrentTransactions));
      settle();
    }
    FAIL("no producer id");
    return {};
  }
  ErrorCode add(const Producer& producer, const std::string& topic = "t", std::int32_t partition = 0,
                std::int16_t version = 3) {
    protocol::AddPartitionsToTxnRequest request;
    request.v3_and_below_transactional_id = producer.id;
    request.v3_and_below_producer_id = producer.producer_id;
    request.v3_and_below_producer_epoch = producer.epoch;
    request.v3_and_below_topics = {{topic, {partition}}};
    const auto response = ask<protocol::AddPartitionsToTxnResponse>(request, version);
    return static_cast<ErrorCode>(
        response.results_by_topic_v3_and_below.at(0).results_by_partition.at(0).partition_error_code);
  }
  Bytes batch_of(const Producer& producer) {
    protocol::BatchOptions how;
    how.producer_id = ProducerId(producer.producer_id);
    how.producer_epoch = ProducerEpoch(producer.epoch);
    how.base_sequence = producer.sequence;
    how.is_transactional = true;
    return make_batch(1, "v", how);
  }
  protocol::ProduceRequest produce_request(const Producer& producer, const Bytes& batch, std::int16_t version,
                                           std::int32_t partition = 0) {
    protocol::ProduceRequest request;
    request.transactional_id = producer.id;
    request.acks = -1;
    request.timeout_ms = 1000;
    auto& topic = request.topic_data.emplace_back();
    if (version >= 13) topic.topic_id = topic_id;
    if (version < 13) topic.name = "t";
    topic.partition_data.push_back({partition, protocol::Records{batch}});
    return request;
  }
  ErrorCode produce(Producer& producer, std::int16_t version, std::int32_t partition = 0) {
    const Bytes batch = batch_of(producer);
    const auto response =
        ask<protocol::ProduceResponse>(produce_request(producer, batch, version, partition), version);
    const auto error = static_cast<ErrorCode>(response.responses.at(0).partition_responses.at(0).error_code);
    if (error == ErrorCode::kNone) ++producer.sequence;
    return error;
  }
  protocol::EndTxnResponse end_once(const Producer& producer, bool commit, std::int16_t version) {
    protocol::EndTxnRequest request;
    request.transactional_id = producer.id;
    request.producer_id = producer.producer_id;
    request.producer_epoch = producer.epoch;
    request.committed = commit;
    return ask<protocol::EndTxnResponse>(request, version);
  }
  /// As a client: with the id and epoch of the answer from version 5 on.
  ErrorCode end(Producer& producer, bool commit, std::int16_t version) {
    const auto response = end_once(producer, commit, version);
    if (version >= 5 && response.error_code == 0) {
      producer.producer_id = response.producer_id;
      producer.epoch = response.producer_epoch;
      producer.sequence = 0;
    }
    settle();
    return static_cast<ErrorCode>(response.error_code);
  }
  /// Lets the markers be written.
  void settle() { world.run_until(clock.monotonic() + std::chrono::milliseconds(2)); }

  protocol::FetchResponse::PartitionData fetch(bool committed, std::int32_t partition = 0) {
    protocol::FetchRequest request;
    request.max_bytes = 1 << 20;
    request.isolation_level = committed ? 1 : 0;
    auto& topic = request.topics.emplace_back();
    topic.topic = "t";
    auto& asked = topic.partitions.emplace_back();
    asked.partition = partition;
    asked.partition_max_bytes = 1 << 20;
    return ask<protocol::FetchResponse>(request, 12).responses.at(0).partitions.at(0);
  }
  ErrorCode add_offsets(const Producer& producer, std::int16_t version = 4) {
    protocol::AddOffsetsToTxnRequest request;
    request.transactional_id = producer.id;
    request.producer_id = producer.producer_id;
    request.producer_epoch = producer.epoch;
    request.group_id = "g";
    return static_cast<ErrorCode>(ask<protocol::AddOffsetsToTxnResponse>(request, version).error_code);
  }
  static protocol::TxnOffsetCommitRequest offset_commit(const Producer& producer, std::int64_t offset) {
    protocol::TxnOffsetCommitRequest request;
    request.transactional_id = producer.id;
    request.group_id = "g";
    request.producer_id = producer.producer_id;
    request.producer_epoch = producer.epoch;
    auto& topic = request.topics.emplace_back();
    topic.name = "t";
    topic.partitions.emplace_back().committed_offset = offset;
    return request;
  }
  ErrorCode commit_offset(const Producer& producer, std::int64_t offset, std::int16_t version) {
    const auto response = ask<protocol::TxnOffsetCommitResponse>(offset_commit(producer, offset), version);
    return static_cast<ErrorCode>(response.topics.at(0).partitions.at(0).error_code);
  }
  protocol::OffsetFetchResponse::OffsetFetchResponsePartitions committed(bool stable) {
    protocol::OffsetFetchRequest request;
    request.require_stable = stable;
    auto& group = request.groups.emplace_back();
    group.group_id = "g";
    group.topics.emplace().push_back({"t", {}, {0}});
    return ask<protocol::OffsetFetchResponse>(request, 9).groups.at(0).topics.at(0).partitions.at(0);
  }
  std::string state(const std::string& transaction) {
    protocol::DescribeTransactionsRequest request;
    request.transactional_ids = {transaction};
    return ask<protocol::DescribeTransactionsResponse>(request, 0).transaction_states.at(0).transaction_state;
  }
  ErrorCode write_marker(const Producer& producer, std::int32_t coordinator_epoch, std::int16_t version,
                         const std::string& topic = "t", std::int32_t partition = 0) {
    protocol::WriteTxnMarkersRequest request;
    auto& marker = request.markers.emplace_back();
    marker.producer_id = producer.producer_id;
    marker.producer_epoch = producer.epoch;
    marker.coordinator_epoch = coordinator_epoch;
    marker.topics = {{topic, {partition}}};
    const auto response = ask<protocol::WriteTxnMarkersResponse>(request, version);
    return static_cast<ErrorCode>(response.markers.at(0).topics.at(0).partitions.at(0).error_code);
  }

  Uuid topic_id;
};

}  // namespace barnabas::broker::testing
