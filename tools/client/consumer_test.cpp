#include "tools/client/consumer.hpp"

#include <catch2/catch.hpp>

#include "protocol/messages/api_find_coordinator.hpp"
#include "protocol/messages/api_heartbeat.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_leave_group.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "protocol/messages/api_sync_group.hpp"
#include "protocol/record_batch_builder.hpp"
#include "tools/client/scripted_server.hpp"

using namespace barnabas;
using namespace barnabas::tools;
using namespace barnabas::protocol;
using namespace std::chrono_literals;

namespace {

/// A broker of topic "t" with one partition, and coordinator of every group, which has one member.
struct Broker {
  std::mutex mutex;
  Bytes batches;
  Offset end{0};
  std::vector<FetchResponse::AbortedTransaction> aborted;
  std::deque<std::int16_t> join_errors;
  std::deque<std::int16_t> fetch_errors;
  std::int64_t committed = -1;
  Bytes assignment;
  int joins = 0;
  int leaves = 0;
  std::int16_t max_fetch = 18;
  std::optional<ScriptedServer> server;

  void start() {
    const std::vector<ServedApi> apis = {{18, 0, 4}, {3, 0, 13}, {2, 1, 11}, {1, 4, max_fetch},
                                         {10, 0, 6}, {11, 0, 9}, {14, 0, 5}, {12, 0, 4},
                                         {9, 0, 10}, {8, 2, 10}, {13, 0, 5}};
    server.emplace(apis, [this](const RequestPrefix& header, Reader& reader, Writer& writer) {
      const std::lock_guard lock(mutex);
      answer(header, reader, writer);
      return true;
    });
  }
  void append(const std::vector<std::string>& values, BatchOptions options = {}) {
    options.base_offset = end;
    RecordBatchBuilder builder(options);
    for (const std::string& value : values) builder.append({.timestamp = 1, .value = as_bytes(value)});
    end = builder.next_offset();
    const Bytes batch = builder.build();
    batches.insert(batches.end(), batch.begin(), batch.end());
  }

  void answer(const RequestPrefix& header, Reader& reader, Writer& writer) {
    const std::int16_t version = header.api_version;
    switch (header.api_key) {
      case 3:
        return metadata().write(writer, version);
      case 2:
        return offsets(read_request<ListOffsetsRequest>(reader, header)).write(writer, version);
      case 1:
        return fetch(read_request<FetchRequest>(reader, header), version).write(writer, version);
      case 10: {
        FindCoordinatorResponse found;
        found.coordinators.push_back({"g", 1, "127.0.0.1", server->address().port, 0, std::nullopt});
        return found.write(writer, version);
      }
      case 11:
        return join(read_request<JoinGroupRequest>(reader, header)).write(writer, version);
      case 14: {
        const auto request = read_request<SyncGroupRequest>(reader, header);
        if (!request.assignments.empty()) assignment = to_bytes(request.assignments.front().assignment);
        SyncGroupResponse synced;
        synced.assignment = assignment;
        return synced.write(writer, version);
      }
      case 12:
        return HeartbeatResponse{}.write(writer, version);
      case 9: {
        OffsetFetchResponse known;
        known.groups.emplace_back();
        known.groups.back().topics.emplace_back();
        known.groups.back().topics.back().name = "t";
        known.groups.back().topics.back().partitions.emplace_back();
        known.groups.back().topics.back().partitions.back().committed_offset = committed;
        return known.write(writer, version);
      }
      case 8: {
        const auto request = read_request<OffsetCommitRequest>(reader, header);
        committed = request.topics.at(0).partitions.at(0).committed_offset;
        return OffsetCommitResponse{}.write(writer, version);
      }
      default:
        ++leaves;
        return LeaveGroupResponse{}.write(writer, version);
    }
  }
  [[nodiscard]] MetadataResponse metadata() const {
    MetadataResponse told;
    told.brokers.push_back({1, "127.0.0.1", server->address().port, std::nullopt});
    told.topics.emplace_back();
    told.topics.back().name = "t";
    told.topics.back().topic_id = Uuid::of_low(7);
    told.topics.back().partitions.emplace_back();
    told.topics.back().partitions.back().leader_id = 1;
    return told;
  }
  [[nodiscard]] ListOffsetsResponse offsets(const ListOffsetsRequest& request) const {
    ListOffsetsResponse told;
    told.topics.emplace_back();
    told.topics.back().name = "t";
    told.topics.back().partitions.emplace_back();
    const bool is_end = request.topics.at(0).partitions.at(0).timestamp == -1;
    told.topics.back().partitions.back().offset = is_end ? end.value() : 0;
    return told;
  }
  FetchResponse fetch(const FetchRequest& request, std::int16_t version) {
    const auto& topic = request.topics.at(0);
    FetchResponse told;
    told.responses.emplace_back();
    if (version < 13) told.responses.back().topic = topic.topic;
    if (version >= 13) told.responses.back().topic_id = topic.topic_id;
    told.responses.back().partitions.emplace_back();
    auto& partition = told.responses.back().partitions.back();
    partition.records.emplace();
    partition.aborted_transactions = aborted;
    if (!fetch_errors.empty()) {
      partition.error_code = fetch_errors.front();
      fetch_errors.pop_front();
      return told;
    }
    const std::int64_t from = topic.partitions.at(0).fetch_offset;
    BatchCursor cursor(batches);
    while (const auto entry = cursor.next().value()) {
      if (entry->last_offset().value() < from) continue;
      partition.records->bytes = {entry->bytes().data(), batches.data() + batches.size()};
      break;
    }
    return told;
  }
  JoinGroupResponse join(const JoinGroupRequest& request) {
    ++joins;
    JoinGroupResponse told;
    told.protocol_name = request.protocols.at(0).name;
    told.leader = told.member_id = "member";
    if (!join_errors.empty()) {
      told.error_code = join_errors.front();
      join_errors.pop_front();
      return told;
    }
    told.generation_id = joins;
    subscription = to_bytes(request.protocols.at(0).metadata);
    told.members.push_back({"member", std::nullopt, subscription});
    return told;
  }
  Bytes subscription;
};

ConsumerConfig quick() {
  ConsumerConfig config;
  config.client.retry_backoff = 1ms;
  config.fetch_max_wait = 10ms;
  config.group_id = "g";
  config.reset.kind = OffsetReset::Kind::kEarliest;
  return config;
}

/// Values up to `count` of them.
std::vector<std::string> read(Consumer& consumer, std::size_t count) {
  std::vector<std::string> values;
  const Deadline deadline = deadline_after(5s);
  while (values.size() < count && std::chrono::steady_clock::now() < deadline) {
    const auto polled = consumer.poll(deadline, [&](const ConsumedRecord& consumed) {
      values.emplace_back(as_text(*consumed.record.value));
      return values.size() < count;
    });
    if (!polled) FAIL(polled.error().detail);
  }
  return values;
}

using Values = std::vector<std::string>;
const TopicPartition kPartition{"t", PartitionIndex(0)};

}  // namespace

TEST_CASE("an assigned partition is read from where it is told, and a stop in a batch loses nothing") {
  for (const std::int16_t version : {18, 12, 4}) {
    Broker broker;
    broker.max_fetch = version;
    broker.append({"a", "b", "c"});
    broker.append({"d"}, {.codec = Codec::kZstd});
    broker.start();
    Consumer consumer({broker.server->address()}, quick());
    consumer.assign({{kPartition, {StartAt::Kind::kOffset, Offset(1)}}});
    CHECK(read(consumer, 1) == Values{"b"});
    CHECK(consumer.positions().at(kPartition).offset == Offset(2));
    CHECK(read(consumer, 2) == Values{"c", "d"});
  }
}

TEST_CASE("a member gets its partition, begins at what is committed, and commits when it leaves") {
  Broker broker;
  broker.append({"a", "b", "c", "d"});
  broker.join_errors = {79, 14};  // a member id comes with the first answer; then the coordinator loads
  broker.start();
  {
    Consumer consumer({broker.server->address()}, quick());
    consumer.subscribe({"t"});
    CHECK(read(consumer, 2) == Values{"a", "b"});
    consumer.close();
  }
  CHECK(broker.committed == 2);
  CHECK(broker.joins == 3);
  CHECK(broker.leaves == 1);
  Consumer consumer({broker.server->address()}, quick());
  REQUIRE(consumer.subscribe_pattern("[a-z]").has_value());
  CHECK(read(consumer, 2) == Values{"c", "d"});
}

TEST_CASE("what ends a consumer is returned, what a retry mends is not") {
  Broker broker;
  broker.append({"a"});
  broker.fetch_errors = {6, 3, 75};
  broker.start();
  Consumer consumer({broker.server->address()}, quick());
  consumer.assign({{kPartition, {StartAt::Kind::kBeginning}}});
  CHECK(read(consumer, 1) == Values{"a"});
  broker.join_errors = {30};
  Consumer refused({broker.server->address()}, quick());
  refused.subscribe({"t"});
  const auto polled = refused.poll(deadline_after(5s), [](const auto&) { return true; });
  REQUIRE(!polled.has_value());
  CHECK(polled.error().code == ErrorCode::kGroupAuthorizationFailed);
  ConsumerConfig strict = quick();
  strict.reset.kind = OffsetReset::Kind::kNone;
  Consumer lost({broker.server->address()}, strict);
  lost.subscribe({"t"});
  CHECK(lost.poll(deadline_after(5s), [](const auto&) { return true; }).error().detail ==
        "Undefined offset with no reset policy for partitions: [t-0]");
  CHECK(!lost.subscribe_pattern("[").has_value());
  CHECK(!lost.subscribe_pattern("a(?!b)").has_value());  // of Java's, not of RE2
}

TEST_CASE("records of aborted transactions, control records and damaged batches are told apart") {
  Broker broker;
  const BatchOptions transactional{.producer_id = ProducerId(5),
                                   .producer_epoch = ProducerEpoch(0),
                                   .base_sequence = 0,
                                   .is_transactional = true};
  BatchOptions marker = transactional;
  marker.is_control = true;
  broker.append({"aborted"}, transactional);
  broker.append({"marker"}, marker);
  broker.append({"kept"}, transactional);
  broker.aborted = {{5, 0}};
  broker.start();
  ConsumerConfig config = quick();
  config.read_committed = true;
  Consumer committed({broker.server->address()}, config);
  committed.assign({{kPartition, {StartAt::Kind::kBeginning}}});
  CHECK(read(committed, 1) == Values{"kept"});
  Consumer all({broker.server->address()}, quick());
  all.assign({{kPartition, {StartAt::Kind::kBeginning}}});
  CHECK(read(all, 2) == Values{"aborted", "kept"});
  {
    const std::lock_guard lock(broker.mutex);
    broker.batches.back() ^= 1;
  }
  Consumer careful({broker.server->address()}, quick());
  careful.assign({{kPartition, {StartAt::Kind::kOffset, Offset(2)}}});
  CHECK(careful.poll(deadline_after(5s), [](const auto&) { return true; }).error().code ==
        ErrorCode::kCorruptMessage);
}
