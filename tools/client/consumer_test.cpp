#include "tools/client/consumer.hpp"

#include <catch2/catch.hpp>

#include "protocol/messages/api_consumer_group_heartbeat.hpp"
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
  // Of the new protocol.
  std::deque<std::int16_t> heartbeat_errors;
  std::deque<std::int16_t> commit_errors;
  std::vector<ConsumerGroupHeartbeatRequest> heartbeats;
  std::vector<std::int32_t> assigned = {0};  // partitions of "t"
  int joins = 0;
  int leaves = 0;
  std::int16_t max_fetch = 18;
  std::int16_t max_heartbeat = 1;  // negative: not there
  std::optional<ScriptedServer> server;

  void start() {
    std::vector<ServedApi> apis = {{18, 0, 4}, {3, 0, 13}, {2, 1, 11}, {1, 4, max_fetch},
                                   {10, 0, 6}, {11, 0, 9}, {14, 0, 5}, {12, 0, 4},
                                   {9, 0, 10}, {8, 2, 10}, {13, 0, 5}, {68, 0, max_heartbeat}};
    if (max_heartbeat < 0) apis.pop_back();
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
        if (!commit_errors.empty()) {
          OffsetCommitResponse refused;
          refused.topics.push_back({"t", {}, {{0, commit_errors.front()}}});
          commit_errors.pop_front();
          return refused.write(writer, version);
        }
        committed = request.topics.at(0).partitions.at(0).committed_offset;
        return OffsetCommitResponse{}.write(writer, version);
      }
      case 68:
        heartbeats.push_back(read_request<ConsumerGroupHeartbeatRequest>(reader, header));
        return heartbeat(heartbeats.back()).write(writer, version);
      default:
        ++leaves;
        return LeaveGroupResponse{}.write(writer, version);
    }
  }
  ConsumerGroupHeartbeatResponse heartbeat(const ConsumerGroupHeartbeatRequest& request) {
    ConsumerGroupHeartbeatResponse told;
    if (!heartbeat_errors.empty()) {
      told.error_code = heartbeat_errors.front();
      heartbeat_errors.pop_front();
      return told;
    }
    told.member_id = request.member_id;
    told.member_epoch = request.member_epoch == 0 ? ++joins : request.member_epoch;
    told.heartbeat_interval_ms = 1;
    if (request.member_epoch == 0 || assigned != last_assigned)
      told.assignment.emplace().topic_partitions.push_back({Uuid::of_low(7), assigned});
    last_assigned = assigned;
    return told;
  }
  std::vector<std::int32_t> last_assigned;
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

ConsumerConfig quick_in_new_protocol() {
  ConsumerConfig config = quick();
  config.is_new_protocol = true;
  return config;
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

TEST_CASE("a member of the new protocol takes what it is told, and tells what changed") {
  Broker broker;
  broker.append({"a", "b", "c", "d"});
  broker.heartbeat_errors = {14};  // the coordinator loads
  broker.commit_errors = {113};    // the epoch is another meanwhile
  broker.start();
  ConsumerConfig config = quick_in_new_protocol();
  config.group_instance_id = GENERATE("", "static");
  config.remote_assignor = "range";
  Consumer consumer({broker.server->address()}, config);
  consumer.subscribe({"t"});
  CHECK(read(consumer, 1) == Values{"a"});
  CHECK(read(consumer, 1) == Values{"b"});
  consumer.close();
  const std::lock_guard lock(broker.mutex);
  CHECK(broker.committed == 2);
  const auto& told = broker.heartbeats;
  REQUIRE(told.size() >= 4);
  for (int i = 0; i < 2; ++i) {
    CHECK(told[i].member_epoch == 0);
    CHECK(told[i].subscribed_topic_names == Values{"t"});
    CHECK(told[i].server_assignor == "range");
    REQUIRE(told[i].topic_partitions.has_value());
    CHECK(told[i].topic_partitions->empty());
  }
  CHECK(told[2].member_epoch == 1);
  CHECK(!told[2].subscribed_topic_names);
  CHECK(!told[2].server_assignor);
  REQUIRE(told[2].topic_partitions.has_value());
  CHECK(told[2].topic_partitions->at(0).partitions == std::vector<std::int32_t>{0});
  CHECK(!told[3].topic_partitions);
  CHECK(told.back().member_epoch == (config.group_instance_id.empty() ? -1 : -2));
  CHECK(told.back().member_id == told[0].member_id);
}

TEST_CASE(
    "a member of the new protocol that is fenced or forgotten has lost its partitions and joins again") {
  Broker broker;
  broker.append({"a", "b", "c", "d"});
  broker.start();
  Consumer consumer({broker.server->address()}, quick_in_new_protocol());
  std::vector<std::string> events;
  consumer.on_rebalance([&](const auto& all) { events.push_back("+" + std::to_string(all.size())); },
                        [&](const auto& all) { events.push_back("-" + std::to_string(all.size())); });
  consumer.subscribe({"t"});
  CHECK(read(consumer, 2) == Values{"a", "b"});
  const std::int16_t error = GENERATE(110, 25);
  {
    const std::lock_guard lock(broker.mutex);
    broker.heartbeat_errors = {error};
  }
  // It has committed nothing, and reads again what it read.
  while (events.size() < 3) REQUIRE(consumer.poll(deadline_after(20ms), [](const auto&) { return false; }));
  CHECK(events == std::vector<std::string>{"+1", "-1", "+1"});
  CHECK(broker.committed == -1);
  CHECK(broker.joins == 2);
  {
    const std::lock_guard lock(broker.mutex);
    broker.assigned.clear();
  }
  while (events.size() < 5) REQUIRE(consumer.poll(deadline_after(20ms), [](const auto&) { return true; }));
  CHECK(events.back() == "+0");
  CHECK(broker.committed > 0);
  CHECK(consumer.positions().empty());
}

TEST_CASE("a broker without the new protocol ends its members, as does what no retry mends") {
  Broker broker;
  broker.max_heartbeat = -1;
  broker.start();
  Consumer consumer({broker.server->address()}, quick_in_new_protocol());
  consumer.subscribe({"t"});
  const auto polled = consumer.poll(deadline_after(5s), [](const auto&) { return true; });
  CHECK(polled.error().code == ErrorCode::kUnsupportedVersion);
  CHECK(polled.error().detail.starts_with("The cluster does not support the new CONSUMER group protocol."));
  Broker another;
  another.heartbeat_errors = {111};
  another.start();
  Consumer refused({another.server->address()}, quick_in_new_protocol());
  refused.subscribe({"t"});
  CHECK(refused.poll(deadline_after(5s), [](const auto&) { return true; }).error().code ==
        ErrorCode::kUnreleasedInstanceId);
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
