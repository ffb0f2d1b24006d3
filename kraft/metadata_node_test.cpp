#include <catch2/catch.hpp>

#include "kraft/metadata_batch.hpp"
#include "kraft/node_testing.hpp"
#include "kraft/raft_log.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

/// Formatted, open, with the broker registered and unfenced.
void start(NodeFixture& fixture, std::int64_t previous_epoch = -1) {
  auto opened = fixture.open();
  INFO((opened ? std::string() : opened.error().detail));
  REQUIRE(opened);
  REQUIRE(fixture.run());
  auto registered = fixture.register_broker(previous_epoch);
  REQUIRE(registered);
  REQUIRE(registered->error_code == 0);
  auto beat = fixture.heartbeat();
  REQUIRE(beat);
  REQUIRE(beat->error_code == 0);
  REQUIRE_FALSE(beat->is_fenced);
}

}  // namespace

TEST_CASE("a formatted node elects itself and writes the records of a new cluster") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  REQUIRE(fixture.open());
  REQUIRE(fixture.run());
  REQUIRE(fixture.node->is_active_controller());
  CHECK(fixture.node->epoch() == LeaderEpoch(1));
  CHECK(fixture.node->kraft_version() == 1);
  const MetadataImagePtr image = fixture.node->image();
  CHECK(image->features->metadata_version == 30);
  CHECK(image->feature("eligible.leader.replicas.version") == 1);
  CHECK(image->feature("transaction.version") == 2);
  CHECK(image->config(ConfigResourceType::kBroker, "").at("min.insync.replicas") == "1");
  CHECK(image->cluster->controllers.contains(BrokerId(1)));
  // LeaderChange, KRaftVersion, Voters; Begin, 6 levels, config, End; RegisterController: as 4.3.1 writes
  // them.
  CHECK(image->offset == Offset(12));
}

TEST_CASE("with static voters the control records of kraft.version 1 are not written") {
  NodeFixture fixture;
  REQUIRE(fixture.format(FormatOptions::Voters::kStatic));
  fixture.options.static_voters = *parse_static_voters("1@localhost:9093", "CONTROLLER");
  REQUIRE(fixture.open());
  REQUIRE(fixture.run());
  CHECK(fixture.node->kraft_version() == 0);
  CHECK(fixture.node->image()->offset == Offset(10));
  REQUIRE(fixture.node->close());
  CHECK(*fixture.files.read_file("/data/__cluster_metadata-0/quorum-state") ==
        R"({"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,)"
        R"("currentVoters":[{"voterId":1}],"data_version":0})");
}

TEST_CASE("a topic survives a restart") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  start(fixture);
  auto created = fixture.create_topic("t1", 3);
  REQUIRE(created);
  REQUIRE(created->topics.size() == 1);
  CHECK(created->topics[0].error_code == 0);
  CHECK(created->topics[0].num_partitions == 3);
  const MetadataImagePtr before = fixture.node->image();
  REQUIRE(before->topic("t1") != nullptr);
  CHECK(before->topic("t1")->id.value() == created->topics[0].topic_id);
  CHECK(before->partition("t1", PartitionIndex(2))->leader == BrokerId(1));
  CHECK(before->partition("t1", PartitionIndex(2))->directories == std::vector{fixture.options.directory_id});
  REQUIRE(fixture.node->close());

  const std::int64_t epoch = fixture.broker_epoch;
  REQUIRE(fixture.open());
  REQUIRE(fixture.run());
  CHECK(fixture.node->epoch() == LeaderEpoch(2));
  REQUIRE(fixture.node->image()->topic("t1") != nullptr);
  CHECK(*fixture.node->image()->topic("t1") == *before->topic("t1"));
  start(fixture, epoch);
  CHECK(fixture.node->image()->partition("t1", PartitionIndex(0))->leader == BrokerId(1));
}

TEST_CASE("a lone broker's clean stop leaves no leader and itself eligible, its return leads again") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  start(fixture);
  REQUIRE(fixture.create_topic("t1"));
  auto leaving = fixture.heartbeat(true);
  REQUIRE(leaving);
  CHECK_FALSE(leaving->should_shut_down);
  const PartitionRegistration stopped = *fixture.node->image()->partition("t1", PartitionIndex(0));
  CHECK(stopped.leader == kNoBroker);
  CHECK(stopped.isr.empty());
  CHECK(stopped.eligible_leader_replicas == std::vector{BrokerId(1)});
  CHECK(stopped.last_known_elr == std::vector{BrokerId(1)});
  CHECK(stopped.leader_epoch == LeaderEpoch(1));
  auto gone = fixture.heartbeat(true);
  REQUIRE(gone);
  CHECK(gone->should_shut_down);
  CHECK(fixture.node->image()->broker(BrokerId(1))->fenced);
  REQUIRE(fixture.node->close());

  const std::int64_t epoch = fixture.broker_epoch;
  start(fixture, epoch);
  const PartitionRegistration back = *fixture.node->image()->partition("t1", PartitionIndex(0));
  CHECK(back.leader == BrokerId(1));
  CHECK(back.isr == std::vector{BrokerId(1)});
  CHECK(back.eligible_leader_replicas.empty());
  CHECK(back.last_known_elr.empty());
  CHECK(back.leader_recovery_state == 0);
}

TEST_CASE("a lone broker that crashed leads its partitions again when it comes back") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  start(fixture);
  REQUIRE(fixture.create_topic("t1"));
  fixture.node.reset();
  fixture.files.crash();
  start(fixture, -1);
  const PartitionRegistration* back = fixture.node->image()->partition("t1", PartitionIndex(0));
  REQUIRE(back != nullptr);
  CHECK(back->leader == BrokerId(1));
  CHECK(back->isr == std::vector{BrokerId(1)});
}

TEST_CASE("requests queued together take effect in order and share one commit") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  start(fixture);
  std::vector<std::int16_t> errors;
  const auto submit = [&](const std::string& name) {
    protocol::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    fixture.node->submit(request, ReplyTo<protocol::CreateTopicsResponse>([&](auto response) {
                           errors.push_back(response.topics[0].error_code);
                         }));
  };
  submit("a");
  submit("b");
  submit("a");
  CHECK(errors.empty());
  REQUIRE(fixture.run());
  CHECK((errors == std::vector<std::int16_t>{0, 0, 36}));
}

TEST_CASE("an idle leader writes a NoOp every half second, and says when it wants to be called") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  REQUIRE(fixture.open());
  auto deadline = fixture.run();
  REQUIRE(deadline);
  CHECK(*deadline == fixture.clock.monotonic() + std::chrono::milliseconds(500));
  const Offset before = fixture.node->image()->offset;
  fixture.clock.now_ms += 499;
  REQUIRE(fixture.run());
  CHECK(fixture.node->image()->offset == before);
  fixture.clock.now_ms += 1;
  REQUIRE(fixture.run());
  CHECK(fixture.node->image()->offset.value() == before.value() + 1);
}

TEST_CASE("a leader stays on a full disk, refuses what would be written, and goes on when there is room") {
  NodeFixture fixture;
  fixture.options.controller.broker_session_timeout_ms = 1'000'000;
  REQUIRE(fixture.format());
  start(fixture);
  fixture.files.set_capacity_bytes(fixture.files.used_bytes());
  Offset last;
  for (int i = 0; i < 200; ++i) {
    last = fixture.node->image()->offset;
    fixture.clock.now_ms += 500;
    auto ran = fixture.run();
    INFO((ran ? "" : ran.error().detail));
    REQUIRE(ran);
  }
  CHECK(fixture.node->image()->offset == last);
  const auto refused = fixture.create_topic("refused");
  REQUIRE(refused);
  CHECK(refused->topics.at(0).error_code == static_cast<std::int16_t>(ErrorCode::kKafkaStorageError));
  CHECK(fixture.node->image()->topic("refused") == nullptr);
  fixture.files.set_capacity_bytes(std::nullopt);
  REQUIRE(fixture.create_topic("made"));
  fixture.clock.now_ms += 500;
  REQUIRE(fixture.run());
  CHECK(fixture.node->image()->offset > last);
  REQUIRE(fixture.node->close());
  REQUIRE(fixture.open());
  REQUIRE(fixture.run());
  CHECK(fixture.node->image()->topic("made") != nullptr);
}

TEST_CASE("a snapshot replaces the log below it") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  start(fixture);
  for (int i = 0; i < 5; ++i) REQUIRE(fixture.create_topic("t" + std::to_string(i), 2));
  auto end = fixture.node->write_snapshot();
  REQUIRE(end);
  REQUIRE(fixture.create_topic("after"));
  const MetadataImagePtr before = fixture.node->image();
  REQUIRE(fixture.node->close());
  REQUIRE(fixture.open());
  REQUIRE(fixture.run());
  CHECK(fixture.node->image()->topic("after") != nullptr);
  CHECK(fixture.node->image()->topics->by_name.size() == 6);
  CHECK(*fixture.node->image()->topic("t3") == *before->topic("t3"));
  const auto mode = fixture.files.mode_of("/data/__cluster_metadata-0/" +
                                          std::string("00000000000000000000-0000000000.checkpoint"));
  CHECK(mode.value_or(0) == 0400);
}

TEST_CASE("whatever call fails or crashes the machine, nothing acknowledged is lost") {
  bool struck = true;
  for (std::uint64_t n = 1; struck; ++n) {
    REQUIRE(n < 1000);
    NodeFixture fixture;
    REQUIRE(fixture.format());
    start(fixture);
    fixture.files.fail_nth_call(n);
    std::vector<std::string> acknowledged;
    for (int i = 0; i < 6; ++i) {
      const std::string name = "t" + std::to_string(i);
      auto created = fixture.create_topic(name);
      if (created && created->topics.at(0).error_code == 0) acknowledged.push_back(name);
      if (i == 3) (void)fixture.node->write_snapshot();
    }
    struck = fixture.files.fault_struck();
    fixture.files.fail_nth_call(0);
    fixture.node.reset();
    SeededRandom chance(n);
    fixture.files.crash(chance);
    INFO("call " << n);
    auto opened = fixture.open();
    INFO((opened ? std::string() : opened.error().detail));
    REQUIRE(opened);
    REQUIRE(fixture.run());
    for (const std::string& name : acknowledged) CHECK(fixture.node->image()->topic(name) != nullptr);
  }
}

TEST_CASE("a crash at any call of the first start leaves a directory that starts") {
  bool struck = true;
  for (std::uint64_t n = 1; struck; ++n) {
    REQUIRE(n < 1000);
    NodeFixture fixture;
    REQUIRE(fixture.format());
    fixture.files.fail_nth_call(n);
    if (fixture.open()) (void)fixture.run();
    struck = fixture.files.fault_struck();
    fixture.files.fail_nth_call(0);
    fixture.node.reset();
    SeededRandom chance(n * 31);
    fixture.files.crash(chance);
    INFO("call " << n);
    auto opened = fixture.open();
    INFO((opened ? std::string() : opened.error().detail));
    REQUIRE(opened);
    REQUIRE(fixture.run());
    CHECK(fixture.node->image()->features->metadata_version == 30);
  }
}

TEST_CASE("a node that formats for itself begins with the same records as a formatted one") {
  NodeFixture formatted;
  REQUIRE(formatted.format());
  start(formatted);
  NodeFixture at_once;
  REQUIRE(at_once.format(FormatOptions::Voters::kStandalone, true));
  start(at_once);
  CHECK(at_once.node->image()->offset == formatted.node->image()->offset);
  CHECK(*at_once.node->image()->features == *formatted.node->image()->features);
}

TEST_CASE("what a node that formatted for itself has acknowledged survives a crash") {
  NodeFixture fixture;
  REQUIRE(fixture.format(FormatOptions::Voters::kStandalone, true));
  start(fixture);
  REQUIRE(fixture.create_topic("t1"));
  fixture.node.reset();
  fixture.files.crash();
  CHECK(*fixture.files.exists("/data/meta.properties"));
  start(fixture);
  CHECK(fixture.node->image()->topic("t1") != nullptr);
  CHECK(fixture.node->epoch() == LeaderEpoch(2));
}

TEST_CASE(
    "a crash at any call of a first start that formats leaves what a next start formats or goes on with") {
  bool struck = true;
  int formatted_anew = 0;
  int gone_on = 0;
  for (std::uint64_t n = 1; struck; ++n) {
    REQUIRE(n < 1000);
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      NodeFixture fixture;
      fixture.files.fail_nth_call(n);
      bool acknowledged = false;
      if (fixture.format(FormatOptions::Voters::kStandalone, true) && fixture.open() && fixture.run()) {
        (void)fixture.register_broker();
        auto created = fixture.create_topic("t1");
        acknowledged = created && created->topics.at(0).error_code == 0;
      }
      struck = fixture.files.fault_struck();
      fixture.files.fail_nth_call(0);
      fixture.node.reset();
      SeededRandom chance(n * 31 + seed);
      if (seed == 0)
        fixture.files.crash();
      else
        fixture.files.crash(chance);
      INFO("call " << n << ", seed " << seed);
      const bool known = *fixture.files.exists("/data/meta.properties");
      ++(known ? gone_on : formatted_anew);
      if (acknowledged) CHECK(known);
      if (!known) REQUIRE(fixture.format(FormatOptions::Voters::kStandalone, true));
      auto opened = fixture.open();
      INFO((opened ? std::string() : opened.error().detail));
      REQUIRE(opened);
      REQUIRE(fixture.run());
      CHECK(fixture.node->image()->features->metadata_version == 30);
      if (acknowledged) CHECK(fixture.node->image()->topic("t1") != nullptr);
    }
  }
  CHECK(formatted_anew > 0);
  CHECK(gone_on > 0);
}

TEST_CASE("a leader's state is written when its first rush is over, and not before") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  const std::string state = "/data/__cluster_metadata-0/quorum-state";
  REQUIRE(fixture.open());
  auto due = fixture.run();
  REQUIRE(due);
  CHECK_FALSE(*fixture.files.exists(state));
  CHECK(*due <= fixture.clock.monotonic() + std::chrono::milliseconds(500));
  fixture.clock.now_ms += 500;
  REQUIRE(fixture.run());
  CHECK(fixture.files.read_file(state)->starts_with(R"({"leaderId":1,"leaderEpoch":1,)"));
}

TEST_CASE("a broker registers and is unfenced in one commit, and a refused one stays out") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  REQUIRE(fixture.open());
  protocol::BrokerRegistrationRequest request;
  request.broker_id = 1;
  request.cluster_id = kTestClusterId;
  request.incarnation_id = Uuid::random(fixture.random);
  request.log_dirs = {fixture.options.directory_id.value()};
  for (const auto& [name, range] : supported_features())
    request.features.push_back({name, range.min, range.max});
  std::int16_t registered = -1;
  std::int16_t unfenced = -1;
  const auto join = [&](protocol::BrokerRegistrationRequest from) {
    fixture.node->submit(
        std::move(from),
        ReplyTo<protocol::BrokerRegistrationResponse>([&](auto answer) { registered = answer.error_code; }),
        ReplyTo<protocol::BrokerHeartbeatResponse>([&](auto answer) { unfenced = answer.error_code; }));
    REQUIRE(fixture.run());
  };
  SECTION("accepted") {
    join(request);
    CHECK(registered == 0);
    CHECK(unfenced == 0);
    REQUIRE(fixture.node->image()->broker(BrokerId(1)) != nullptr);
    CHECK_FALSE(fixture.node->image()->broker(BrokerId(1))->fenced);
  }
  SECTION("refused") {
    request.cluster_id = "another";
    join(request);
    CHECK(registered != 0);
    CHECK(unfenced != 0);
    CHECK(fixture.node->image()->broker(BrokerId(1)) == nullptr);
  }
}

TEST_CASE("a directory of another node or cluster, or of none, is refused") {
  NodeFixture fixture;
  auto unformatted = fixture.open();
  REQUIRE_FALSE(unformatted);
  CHECK(unformatted.error().code == ErrorCode::kInvalidConfig);
  REQUIRE(fixture.format());
  fixture.options.node_id = BrokerId(2);
  CHECK_FALSE(fixture.open());
  fixture.options.node_id = BrokerId(1);
  fixture.options.controller.cluster_id = "another";
  CHECK_FALSE(fixture.open());
  fixture.options.controller.cluster_id = kTestClusterId;
  CHECK(fixture.open());
}

TEST_CASE("formatting twice is refused unless formatted directories are to be ignored") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  CHECK_FALSE(fixture.format());
}

TEST_CASE("a leader that finds a metadata transaction open aborts it") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  start(fixture);
  REQUIRE(fixture.create_topic("whole"));
  REQUIRE(fixture.node->close());
  fixture.node.reset();
  {
    auto log = RaftLog::open(fixture.files, fixture.clock, {"/data/__cluster_metadata-0"});
    REQUIRE(log);
    protocol::TopicRecord topic;
    topic.name = "half";
    topic.topic_id = Uuid::of_low(500);
    const std::vector<Bytes> values{encode(protocol::BeginTransactionRecord(), 30), encode(topic, 30)};
    const LogPosition end = (*log)->position();
    REQUIRE((*log)->append(make_data_batch({end.end, end.last_epoch, fixture.clock.wall_ms()}, values),
                           end.last_epoch));
    REQUIRE((*log)->sync());
    REQUIRE((*log)->close());
  }
  for (int restart = 0; restart < 2; ++restart) {
    INFO(restart);
    REQUIRE(fixture.open());
    REQUIRE(fixture.run());
    CHECK(fixture.node->image()->topic("whole") != nullptr);
    CHECK(fixture.node->image()->topic("half") == nullptr);
    REQUIRE(fixture.register_broker());
    REQUIRE(fixture.heartbeat());
    const auto made = fixture.create_topic("after-" + std::to_string(restart));
    REQUIRE(made);
    CHECK(made->topics.at(0).error_code == 0);
    REQUIRE(fixture.node->close());
  }
}
