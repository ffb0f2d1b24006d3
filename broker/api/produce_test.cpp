#include <catch2/catch.hpp>

#include "base/crc32c.hpp"
#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::ProduceRequest;
using protocol::ProduceResponse;
using PartitionAnswer = ProduceResponse::PartitionProduceResponse;

constexpr std::int16_t kLowest = 3;
constexpr std::int16_t kNewest = 13;

struct Produced {
  ApiFixture node;
  Uuid topic_id = node.create_topic("t", 2);

  ProduceRequest request(std::int16_t version, ByteView records, std::int32_t partition = 0) {
    ProduceRequest asked;
    asked.acks = -1;
    asked.timeout_ms = 1000;
    auto& topic = asked.topic_data.emplace_back();
    if (version >= 13) topic.topic_id = topic_id;
    if (version < 13) topic.name = "t";
    topic.partition_data.push_back({partition, protocol::Records{records}});
    return asked;
  }
  PartitionAnswer produce(std::int16_t version, const Bytes& records, std::int32_t partition = 0) {
    const auto response = node.ask<ProduceResponse>(request(version, records, partition), version);
    REQUIRE(response.responses.size() == 1);
    REQUIRE(response.responses[0].partition_responses.size() == 1);
    return response.responses[0].partition_responses[0];
  }
};

TEST_CASE("a batch is appended at every version") {
  Produced at;
  std::int64_t expected = 0;
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    INFO("version " << version);
    const auto answer = at.produce(version, at.node.make_batch(3));
    CHECK(answer.error_code == 0);
    CHECK(answer.base_offset == expected);
    CHECK(answer.log_append_time_ms == -1);
    CHECK(answer.log_start_offset == (version >= 5 ? 0 : -1));
    CHECK(answer.record_errors.empty());
    CHECK_FALSE(answer.error_message);
    expected += 3;
  }
}

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

void recompute_crc(Bytes& batch) {
  const std::uint32_t crc = crc32c(ByteView(batch).subspan(21));
  protocol::store_big_endian<std::uint32_t>(batch.data() + protocol::batch_field::kCrc, crc);
}

/// A refused batch tells the error and no offset, at every version, and appends nothing.
void check_refused(Produced& at, const Bytes& batch, ErrorCode error, std::int16_t from = kLowest) {
  for (std::int16_t version = from; version <= kNewest; ++version) {
    INFO("version " << version);
    const auto answer = at.produce(version, batch);
    CHECK(answer.error_code == code(error));
    CHECK(answer.base_offset == -1);
    CHECK(answer.log_append_time_ms == -1);
  }
  CHECK(at.node.find("t", 0).with_log([](auto& log) { return log.log_end_offset(); }) == Offset(0));
}

TEST_CASE("acks other than -1, 0 and 1 are refused at every version") {
  Produced at;
  const Bytes batch = at.node.make_batch();
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    for (const std::int16_t acks : {2, -2}) {
      auto request = at.request(version, batch);
      request.acks = acks;
      const auto response = at.node.ask<ProduceResponse>(request, version);
      const auto& answer = response.responses.at(0).partition_responses.at(0);
      CHECK(answer.error_code == code(ErrorCode::kInvalidRequiredAcks));
      CHECK(answer.base_offset == -1);
      CHECK(answer.log_start_offset == -1);
    }
  }
}

TEST_CASE("acks=0 answers nothing, or closes the connection after a failure") {
  Produced at;
  const Bytes batch = at.node.make_batch();
  auto request = at.request(9, batch);
  request.acks = 0;
  const Call good = at.node.start(request, 9);
  CHECK(good->answers == 1);
  CHECK(good->response.kind == EncodedResponse::Kind::kNothing);
  request.topic_data[0].name = "nope";
  const Call bad = at.node.start(request, 9);
  CHECK(bad->response.kind == EncodedResponse::Kind::kClose);
}

TEST_CASE("null records are refused, where Apache Kafka never answers") {
  Produced at;
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    auto request = at.request(version, {});
    request.topic_data[0].partition_data[0].records.reset();
    const auto response = at.node.ask<ProduceResponse>(request, version);
    CHECK(response.responses.at(0).partition_responses.at(0).error_code == code(ErrorCode::kInvalidRecord));
  }
}

TEST_CASE("of a partition named several times the last is appended, wherever it stands") {
  Produced at;
  const Bytes one = at.node.make_batch(1);
  const Bytes two = at.node.make_batch(2);
  for (std::int16_t version : {9, 13}) {
    auto request = at.request(version, one);
    request.topic_data[0].partition_data.push_back({1, protocol::Records{one}});
    request.topic_data[0].partition_data.push_back({0, protocol::Records{two}});
    request.topic_data.push_back(request.topic_data[0]);
    const auto response = at.node.ask<ProduceResponse>(request, version);
    REQUIRE(response.responses.size() == 1);
    CHECK(response.responses[0].partition_responses.size() == 2);
  }
  CHECK(at.node.find("t", 0).with_log([](auto& log) { return log.log_end_offset(); }) == Offset(4));
  CHECK(at.node.find("t", 1).with_log([](auto& log) { return log.log_end_offset(); }) == Offset(2));
}

TEST_CASE("a produce that names a partition very often is answered soon") {
  Produced at;
  auto request = at.request(9, {});
  request.topic_data[0].partition_data.assign(200'000, {0, std::nullopt});
  const auto response = at.node.ask<ProduceResponse>(request, 9);
  CHECK(response.responses.at(0).partition_responses.size() == 1);
}

TEST_CASE("unknown topics, partitions and topic ids are refused") {
  Produced at;
  const Bytes batch = at.node.make_batch();
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    INFO("version " << version);
    for (const std::int32_t partition : {2, -1, INT32_MAX, INT32_MIN}) {
      CHECK(at.produce(version, batch, partition).error_code == code(ErrorCode::kUnknownTopicOrPartition));
    }
    auto request = at.request(version, batch);
    request.topic_data[0].name = version < 13 ? "nope" : "";
    request.topic_data[0].topic_id = version < 13 ? Uuid{} : Uuid::of_low(4711);
    const auto response = at.node.ask<ProduceResponse>(request, version);
    const ErrorCode expected =
        version < 13 ? ErrorCode::kUnknownTopicOrPartition : ErrorCode::kUnknownTopicId;
    CHECK(response.responses.at(0).partition_responses.at(0).error_code == code(expected));
    CHECK(response.responses[0].topic_id == request.topic_data[0].topic_id);
  }
}

TEST_CASE("a partition that is not led is refused at every version, and so is one that is offline") {
  Produced at;
  const bool is_offline = GENERATE(false, true);
  Partition& partition = at.node.find("t", 0);
  is_offline ? partition.go_offline() : partition.resign();
  check_refused(at, at.node.make_batch(),
                is_offline ? ErrorCode::kKafkaStorageError : ErrorCode::kNotLeaderOrFollower);
}

TEST_CASE("clients may not produce to internal topics, the admin client may") {
  Produced at;
  (void)at.node.create_topic("__consumer_offsets");
  const Bytes batch = at.node.make_batch();
  auto request = at.request(9, batch);
  request.topic_data[0].name = "__consumer_offsets";
  const auto error = [&] {
    return at.node.ask<ProduceResponse>(request, 9).responses.at(0).partition_responses.at(0).error_code;
  };
  CHECK(error() == code(ErrorCode::kInvalidTopicException));
  at.node.client_id = "__admin_client";
  CHECK(error() == 0);
}

TEST_CASE("a client without the right to write is refused") {
  Produced at;
  at.node.authorizer.refused = {{Operation::kWrite, ResourceKind::kTopic, "t"}};
  check_refused(at, at.node.make_batch(), ErrorCode::kTopicAuthorizationFailed);
}

TEST_CASE("bytes that are no batch are refused") {
  Produced at;
  Bytes bad_crc = at.node.make_batch();
  bad_crc.back() ^= 1;
  check_refused(at, bad_crc, ErrorCode::kCorruptMessage);
  check_refused(at, {}, ErrorCode::kInvalidRecord);
  Bytes cut = at.node.make_batch();
  cut.pop_back();
  check_refused(at, cut, ErrorCode::kInvalidRecord);
  Bytes two = at.node.make_batch();
  const Bytes more = at.node.make_batch();
  two.insert(two.end(), more.begin(), more.end());
  check_refused(at, two, ErrorCode::kInvalidRecord);
  for (const std::uint8_t magic : {0, 1}) {
    Bytes old = at.node.make_batch();
    old[protocol::batch_field::kMagic] = magic;
    check_refused(at, old, ErrorCode::kInvalidRecord);
  }
  Bytes at_77 = at.node.make_batch();
  at_77[7] = 77;
  check_refused(at, at_77, ErrorCode::kInvalidRecord);
  protocol::BatchOptions control;
  control.is_control = true;
  check_refused(at, at.node.make_batch(1, "v", control), ErrorCode::kInvalidRecord);
}

TEST_CASE("a codec that is unknown or whose data is broken is refused") {
  Produced at;
  for (const std::uint8_t codec : {1, 2, 3, 4, 5}) {
    INFO("codec " << int(codec));
    Bytes batch = at.node.make_batch();
    batch[protocol::batch_field::kAttributes + 1] = codec;
    recompute_crc(batch);
    check_refused(at, batch, ErrorCode::kUnknownServerError, 7);
  }
}

TEST_CASE("zstd is refused below version 7 and taken from there on") {
  Produced at;
  protocol::BatchOptions options;
  options.codec = protocol::Codec::kZstd;
  const Bytes batch = at.node.make_batch(3, "value", options);
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    INFO("version " << version);
    CHECK(at.produce(version, batch).error_code ==
          (version < 7 ? code(ErrorCode::kUnsupportedCompressionType) : 0));
  }
}

TEST_CASE("a batch larger than max.message.bytes is refused") {
  Produced at;
  check_refused(at, at.node.make_batch(1, std::string(2'100'000, 'x')), ErrorCode::kMessageTooLarge);
}

TEST_CASE("records without a key are refused by a compacted topic, each by its index") {
  Produced at;
  const Uuid id = at.node.create_topic("compacted", 1, {{"cleanup.policy", "compact"}});
  protocol::RecordBatchBuilder builder{protocol::BatchOptions{}};
  for (const bool keyed : {true, false, false}) {
    protocol::RecordInput record;
    record.timestamp = at.node.clock.wall_ms();
    if (keyed) record.key = as_bytes("k");
    record.value = as_bytes("v");
    builder.append(record);
  }
  const Bytes batch = builder.build();
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    INFO("version " << version);
    auto request = at.request(version, batch);
    request.topic_data[0].name = version < 13 ? "compacted" : "";
    request.topic_data[0].topic_id = version < 13 ? Uuid{} : id;
    const auto response = at.node.ask<ProduceResponse>(request, version);
    const auto& answer = response.responses.at(0).partition_responses.at(0);
    CHECK(answer.error_code == code(ErrorCode::kInvalidRecord));
    if (version < 8) continue;
    REQUIRE(answer.record_errors.size() == 2);
    CHECK(answer.record_errors[0].batch_index == 1);
    CHECK(answer.record_errors[1].batch_index == 2);
    CHECK(answer.record_errors[0].batch_index_error_message ==
          "Compacted topic cannot accept message without key in topic partition compacted-0");
    REQUIRE(answer.error_message);
    CHECK(answer.error_message->starts_with("One or more records have been rejected due to 2 record errors"));
  }
}

TEST_CASE("a timestamp two hours ahead is refused") {
  Produced at;
  const Bytes batch = [&] {
    protocol::RecordBatchBuilder builder{protocol::BatchOptions{}};
    protocol::RecordInput record;
    record.timestamp = at.node.clock.wall_ms() + 7'200'000;
    record.value = as_bytes("v");
    builder.append(record);
    return builder.build();
  }();
  check_refused(at, batch, ErrorCode::kInvalidTimestamp);
  const auto answer = at.produce(9, batch);
  CHECK(answer.record_errors.size() == 1);
  CHECK(answer.error_message == "One or more records have been rejected due to invalid timestamp");
}

TEST_CASE("LogAppendTime is stamped and told") {
  Produced at;
  const Uuid id = at.node.create_topic("stamped", 1, {{"message.timestamp.type", "LogAppendTime"}});
  const Bytes batch = at.node.make_batch(2);
  auto request = at.request(13, batch);
  request.topic_data[0].topic_id = id;
  const auto response = at.node.ask<ProduceResponse>(request, 13);
  CHECK(response.responses.at(0).partition_responses.at(0).log_append_time_ms == at.node.clock.wall_ms());
}

TEST_CASE("an idempotent producer's sequences are held together") {
  Produced at;
  const auto send = [&](std::int32_t sequence, std::int16_t epoch = 0) {
    protocol::BatchOptions options;
    options.producer_id = ProducerId(7);
    options.producer_epoch = ProducerEpoch(epoch);
    options.base_sequence = sequence;
    return at.produce(9, at.node.make_batch(1, "v", options));
  };
  // An unknown producer may start anywhere.
  CHECK(send(5).error_code == 0);
  CHECK(send(7).error_code == code(ErrorCode::kOutOfOrderSequenceNumber));
  CHECK(send(0).error_code == code(ErrorCode::kOutOfOrderSequenceNumber));
  for (std::int32_t sequence = 6; sequence <= 10; ++sequence) CHECK(send(sequence).error_code == 0);
  // The last five are known again, with the offset they got.
  const auto duplicate = send(7);
  CHECK(duplicate.error_code == 0);
  CHECK(duplicate.base_offset == 2);
  CHECK(duplicate.log_append_time_ms == at.node.clock.wall_ms());
  CHECK(send(5).error_code == code(ErrorCode::kOutOfOrderSequenceNumber));
  CHECK(send(1, 1).error_code == code(ErrorCode::kOutOfOrderSequenceNumber));
  CHECK(send(0, 1).error_code == 0);
  CHECK(send(11, 0).error_code == code(ErrorCode::kInvalidProducerEpoch));
}

TEST_CASE("a transactional batch needs an id, and a coordinator that knows it") {
  Produced at;
  protocol::BatchOptions options;
  options.producer_id = ProducerId(7);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  options.is_transactional = true;
  const Bytes batch = at.node.make_batch(1, "v", options);
  check_refused(at, batch, ErrorCode::kTransactionalIdAuthorizationFailed);
  auto request = at.request(9, batch);
  request.transactional_id = "tx";
  const auto named = at.node.ask<ProduceResponse>(request, 9);
  const PartitionAnswer& told = named.responses.at(0).partition_responses.at(0);
  CHECK(told.error_code == code(ErrorCode::kNotEnoughReplicas));
  CHECK(told.error_message ==
        "Unable to verify the partition has been added to the transaction. Underlying error: "
        "COORDINATOR_NOT_AVAILABLE");
}

TEST_CASE("a produce of no topics has an answer of none") {
  Produced at;
  for (std::int16_t version = kLowest; version <= kNewest; ++version) {
    ProduceRequest request;
    request.acks = 1;
    CHECK(at.node.ask<ProduceResponse>(request, version).responses.empty());
  }
}

}  // namespace
}  // namespace barnabas::broker::testing
