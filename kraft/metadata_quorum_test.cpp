// Quorums of several metadata nodes: elections, replication, crashes, divergence, snapshots, observers.
#include <catch2/catch.hpp>

#include "kraft/image_changes.hpp"
#include "kraft/quorum_testing.hpp"
#include "kraft/raft_log.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

QuorumFixtureOptions dynamic(int controllers, int initial_voters, int observers = 0) {
  QuorumFixtureOptions options;
  options.is_static = false;
  options.controllers = controllers;
  options.initial_voters = initial_voters;
  options.observers = observers;
  return options;
}

int other_than(int id) {
  return id == 1 ? 2 : 1;
}

protocol::DescribeQuorumRequest about_metadata() {
  protocol::DescribeQuorumRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic_name = "__cluster_metadata";
  topic.partitions.emplace_back();
  return request;
}

}  // namespace

TEST_CASE("three controllers elect one, which writes the records of a new cluster for all") {
  QuorumFixture quorum;
  quorum.start_all();
  CHECK_FALSE(quorum.node(1).is_lone_voter());
  const int leader = quorum.wait_for_leader();
  REQUIRE(quorum.wait_until_equal());
  for (int id = 1; id <= 3; ++id) {
    CHECK(quorum.node(id).image()->features->metadata_version == 30);
    CHECK(quorum.node(id).is_active_controller() == (id == leader));
    const ActiveController active = quorum.node(id).active_controller();
    CHECK(active.id == BrokerId(leader));
    CHECK(active.is_local == (id == leader));
    CHECK(active.endpoint == Endpoint{"node-" + std::to_string(leader), 9093});
  }
}

TEST_CASE("a controller that is not registered says what the active one must be told") {
  QuorumFixture quorum;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  REQUIRE(quorum.wait_until_equal());
  CHECK_FALSE(quorum.node(leader).wanted_registration());
  const int other = other_than(leader);
  const auto wanted = quorum.node(other).wanted_registration();
  REQUIRE(wanted);
  CHECK(wanted->controller_id == other);
  std::int16_t error = -1;
  quorum.node(leader).submit(*wanted, ReplyTo<protocol::ControllerRegistrationResponse>(
                                          [&](auto response) { error = response.error_code; }));
  quorum.member(leader).due = quorum.clock.monotonic();
  REQUIRE(quorum.run_until([&] { return !quorum.node(other).wanted_registration(); }));
  CHECK(error == 0);
}

TEST_CASE("what is acknowledged survives its leader, who follows when it comes back") {
  QuorumFixture quorum;
  quorum.start_all();
  const int first = quorum.wait_for_leader();
  REQUIRE(quorum.set_quota_now(first, "before") == ErrorCode::kNone);
  quorum.crash(first);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  const int second = quorum.leader();
  REQUIRE(second != first);
  CHECK(quorum.has_quota(second, "before"));
  REQUIRE(quorum.set_quota_now(second, "after") == ErrorCode::kNone);
  REQUIRE(quorum.start(first));
  REQUIRE(quorum.wait_until_equal());
  CHECK(quorum.has_quota(first, "before"));
  CHECK(quorum.has_quota(first, "after"));
  CHECK(quorum.node(first).leader() == BrokerId(second));
}

TEST_CASE("who does not lead refuses requests") {
  QuorumFixture quorum;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  CHECK(quorum.set_quota_now(other_than(leader), "u") == ErrorCode::kNotController);
}

TEST_CASE(
    "a leader that is cut off takes back what it could not commit, and replays what the next one wrote") {
  QuorumFixture quorum;
  quorum.start_all();
  const int first = quorum.wait_for_leader();
  REQUIRE(quorum.wait_until_equal());
  quorum.cut(first);
  const auto lost = quorum.set_quota(first, "lost");
  quorum.run_ms(5);
  CHECK_FALSE(lost->has_value());
  CHECK_FALSE(quorum.has_quota(first, "lost"));
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  const int second = quorum.leader();
  REQUIRE(quorum.set_quota_now(second, "kept") == ErrorCode::kNone);
  REQUIRE(quorum.run_until([&] { return lost->has_value(); }));
  CHECK(**lost == ErrorCode::kNotController);
  quorum.join(first);
  REQUIRE(quorum.wait_until_equal());
  const int now = quorum.leader();
  CHECK(quorum.has_quota(first, "kept"));
  CHECK_FALSE(quorum.has_quota(first, "lost"));
  CHECK_FALSE(quorum.has_quota(now, "lost"));
}

TEST_CASE("a leader that stops hands over at once") {
  QuorumFixture quorum;
  quorum.start_all();
  const int first = quorum.wait_for_leader();
  REQUIRE(quorum.wait_until_equal());
  quorum.stop(first);
  const auto begun = quorum.clock.now_ms;
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK(quorum.clock.now_ms - begun < 500);
}

TEST_CASE("a quorum that lost its machines all at once comes back with what it acknowledged") {
  QuorumFixture quorum;
  quorum.start_all();
  for (int round = 0; round < 5; ++round) {
    const std::string user = "u" + std::to_string(round);
    const int leader = quorum.wait_for_leader();
    REQUIRE(quorum.set_quota_now(leader, user) == ErrorCode::kNone);
    for (int id = 1; id <= 3; ++id) quorum.crash(id);
    for (int id = 1; id <= 3; ++id) REQUIRE(quorum.start(id));
    REQUIRE(quorum.wait_until_equal());
    for (int id = 1; id <= 3; ++id) CHECK(quorum.has_quota(id, user));
  }
}

TEST_CASE("a follower that was away for longer than the log reaches back is given a snapshot") {
  QuorumFixture quorum;
  for (int id = 1; id <= 3; ++id) {
    quorum.member(id).options.retention_bytes = 1;
    quorum.member(id).options.segment_bytes = 2000;
  }
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  const int away = other_than(leader);
  REQUIRE(quorum.set_quota_now(leader, "old") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  quorum.crash(away);
  for (int i = 0; i < 60; ++i)
    REQUIRE(quorum.set_quota_now(leader, "u" + std::to_string(i)) == ErrorCode::kNone);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(quorum.node(leader).write_snapshot());
    REQUIRE(quorum.set_quota_now(leader, "s" + std::to_string(i)) == ErrorCode::kNone);
  }
  // Back without what it had, it is behind the log's start: at offset 0.
  REQUIRE(quorum.member(away).files.remove_all("/data/__cluster_metadata-0"));
  REQUIRE(quorum.start(away));
  REQUIRE(quorum.wait_until_equal());
  CHECK(quorum.has_quota(away, "u59"));
  CHECK(quorum.has_quota(away, "s2"));
  const auto names = *quorum.member(away).files.list("/data/__cluster_metadata-0");
  CHECK(std::ranges::any_of(names, [](const auto& entry) { return entry.name.ends_with(".checkpoint"); }));
  SECTION("and starts from it") {
    quorum.crash(away);
    REQUIRE(quorum.start(away));
    CHECK(quorum.has_quota(away, "u59"));
    REQUIRE(quorum.wait_until_equal());
  }
  SECTION("and leads from it") {
    for (int id = 1; id <= 3; ++id)
      if (id != away && id != leader) quorum.crash(id);
    REQUIRE(quorum.set_quota_now(leader, "shared") == ErrorCode::kNone);
    quorum.crash(leader);
    for (int id = 1; id <= 3; ++id)
      if (id != away && id != leader) REQUIRE(quorum.start(id));
    REQUIRE(quorum.wait_until_equal());
    CHECK(quorum.leader() == away);
    CHECK(quorum.has_quota(away, "shared"));
  }
}

TEST_CASE("a broker observes: it finds the quorum by its bootstrap servers and has every image in order") {
  QuorumFixture quorum(dynamic(3, 3, 1));
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  REQUIRE(quorum.set_quota_now(leader, "u") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  CHECK(quorum.has_quota(4, "u"));
  CHECK(quorum.node(4).kraft_version() == 1);
  CHECK(quorum.node(4).active_controller().endpoint == Endpoint{"node-" + std::to_string(leader), 9093});
  CHECK_FALSE(quorum.node(4).wanted_registration());
  const auto description = quorum.node(leader).describe_quorum(about_metadata(), 2);
  const auto& partition = description.topics.at(0).partitions.at(0);
  CHECK(partition.error_code == 0);
  CHECK(partition.leader_id == leader);
  CHECK(partition.current_voters.size() == 3);
  REQUIRE(partition.observers.size() == 1);
  CHECK(partition.observers[0].replica_id == 4);
  CHECK(partition.observers[0].log_end_offset > 0);
  CHECK(description.nodes.size() == 3);
  const auto refused = quorum.node(other_than(leader)).describe_quorum(about_metadata(), 2);
  CHECK(refused.topics.at(0).partitions.at(0).error_code ==
        static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower));

  SECTION("it follows the next leader") {
    quorum.crash(leader);
    REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
    REQUIRE(quorum.set_quota_now(quorum.leader(), "v") == ErrorCode::kNone);
    REQUIRE(quorum.run_until([&] { return quorum.has_quota(4, "v"); }));
  }
  SECTION("it starts again from what it has") {
    quorum.stop(4);
    REQUIRE(quorum.start(4));
    CHECK_FALSE(quorum.node(4).is_caught_up());
    REQUIRE(quorum.wait_until_equal());
  }
}

TEST_CASE("a lone controller serves observers, and becomes one of several when voters are added") {
  QuorumFixture quorum(dynamic(3, 1, 1));
  quorum.start_all();
  CHECK(quorum.node(1).is_lone_voter());
  REQUIRE(quorum.wait_for_leader() == 1);
  REQUIRE(quorum.set_quota_now(1, "u") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  CHECK(quorum.has_quota(4, "u"));
  quorum.run_ms(10000);  // Longer than a leader may be without a majority of others.
  for (const int id : {2, 3}) {
    AddRaftVoterRequest request;
    request.voter.key = {BrokerId(id), quorum.member(id).options.directory_id};
    request.voter.endpoints = {{"CONTROLLER", {"node-" + std::to_string(id), 9093}}};
    request.timeout = std::chrono::seconds(10);
    std::optional<ErrorCode> answered;
    quorum.node(1).receive(kNoBroker, request, 0, [&](QuorumAnswer answer) {
      answered = std::get<ChangeRaftVoterResponse>(answer.message).error;
    });
    quorum.member(1).due = quorum.clock.monotonic();
    REQUIRE(quorum.run_until([&] { return answered.has_value(); }));
    REQUIRE(*answered == ErrorCode::kNone);
  }
  CHECK_FALSE(quorum.node(1).is_lone_voter());
  CHECK(quorum.node(1).epoch() == LeaderEpoch(1));
  REQUIRE(quorum.set_quota_now(1, "v") == ErrorCode::kNone);
  quorum.crash(1);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK(quorum.has_quota(quorum.leader(), "v"));
  REQUIRE(quorum.start(1));
  CHECK_FALSE(quorum.node(1).is_lone_voter());
  REQUIRE(quorum.wait_until_equal());
}

TEST_CASE("random crashes and cuts lose nothing that was acknowledged") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    INFO("seed " << seed);
    QuorumFixture quorum;
    SeededRandom chance(seed);
    quorum.start_all();
    std::vector<std::pair<std::string, QuorumFixture::Outcome>> asked;
    for (int i = 0; i < 60; ++i) {
      const int id = 1 + static_cast<int>(chance.below(3));
      switch (chance.below(6)) {
        case 0:
          if (quorum.member(id).node) quorum.crash(id);
          break;
        case 1:
          quorum.cut(id);
          break;
        case 2:
          if (quorum.member(id).node) REQUIRE(quorum.node(id).write_snapshot());
          break;
        default:
          for (int back = 1; back <= 3; ++back) {
            quorum.join(back);
            if (!quorum.member(back).node) REQUIRE(quorum.start(back));
          }
      }
      const std::string user = "u" + std::to_string(i);
      for (int leader = 1; leader <= 3; ++leader)
        if (quorum.member(leader).node && quorum.node(leader).is_active_controller())
          asked.emplace_back(user, quorum.set_quota(leader, user));
      quorum.run_ms(static_cast<int>(chance.below(1500)));
    }
    for (int back = 1; back <= 3; ++back) {
      quorum.join(back);
      if (!quorum.member(back).node) REQUIRE(quorum.start(back));
    }
    REQUIRE(quorum.wait_until_equal());
    int kept = 0;
    for (const auto& [user, outcome] : asked) {
      if (!outcome->has_value() || **outcome != ErrorCode::kNone) continue;
      ++kept;
      for (int id = 1; id <= 3; ++id) CHECK(quorum.has_quota(id, user));
    }
    CHECK(kept > 0);
    for (int id = 1; id <= 3; ++id) CHECK_FALSE(quorum.member(id).failure);
  }
}

TEST_CASE("other static voters than those of the directory are refused, and nothing is touched") {
  QuorumFixture quorum;
  quorum.start_all();
  (void)quorum.wait_for_leader();
  quorum.stop(1);
  const auto before = *quorum.member(1).files.list("/data/__cluster_metadata-0");
  quorum.member(1).options.static_voters = *parse_static_voters("1@node-1:9093,2@node-2:9093", "CONTROLLER");
  const auto opened = quorum.start(1);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kInvalidConfig);
  CHECK(opened.error().detail.find("controller.quorum.voters names the nodes 1, 2") != std::string::npos);
  CHECK(quorum.member(1).files.list("/data/__cluster_metadata-0")->size() == before.size());
}

TEST_CASE("a sole voter whose directory is another one is refused") {
  QuorumFixture quorum(dynamic(1, 1));
  quorum.start_all();
  REQUIRE(quorum.wait_for_leader() == 1);
  quorum.stop(1);
  quorum.move_to_another_disk(1);
  const auto opened = quorum.start(1);
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kInvalidConfig);
  CHECK(opened.error().detail.find("directory.id") != std::string::npos);
}

TEST_CASE("a node that was formatted for another cluster fails with what to do") {
  QuorumFixture quorum;
  quorum.stranger = 2;
  quorum.start_all();
  REQUIRE(quorum.run_until([&] { return quorum.member(2).failure.has_value(); }));
  CHECK(quorum.member(2).failure->code == ErrorCode::kInvalidConfig);
  CHECK(quorum.member(2).failure->detail.find("is of another cluster") != std::string::npos);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK_FALSE(quorum.member(quorum.leader()).failure);
}

TEST_CASE("a node of another cluster that first reaches only itself fails as well") {
  // controller.quorum.bootstrap.servers names every controller, itself among them.
  QuorumFixture quorum(dynamic(3, 3));
  quorum.stranger = 3;
  for (const int other : {1, 2}) quorum.cut(other);
  quorum.start_all();
  quorum.run_ms(500);
  REQUIRE_FALSE(quorum.member(3).failure);
  for (const int other : {1, 2}) quorum.join(other);
  REQUIRE(quorum.run_until([&] { return quorum.member(3).failure.has_value(); }));
  CHECK(quorum.member(3).failure->detail.find("is of another cluster") != std::string::npos);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK_FALSE(quorum.member(quorum.leader()).failure);
}

TEST_CASE("a single voter of another cluster does not end those that are right") {
  // Node 3 is asked as a voter and as a bootstrap server while node 2 is down.
  QuorumFixture quorum(dynamic(3, 3));
  quorum.stranger = 3;
  REQUIRE(quorum.start(3));
  REQUIRE(quorum.start(1));
  quorum.run_ms(20000);
  CHECK_FALSE(quorum.member(1).failure);
  REQUIRE(quorum.start(2));
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  CHECK(quorum.run_until([&] { return quorum.member(3).failure.has_value(); }));
  for (const int right : {1, 2}) CHECK_FALSE(quorum.member(right).failure);
}

TEST_CASE(
    "a broker whose bootstrap servers are another cluster's fails, unless it finds the voters it knows") {
  QuorumFixture quorum(dynamic(1, 1, 1));
  quorum.start_all();
  REQUIRE(quorum.set_quota_now(quorum.wait_for_leader(), "u") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  quorum.stop(2);
  quorum.bootstrap_is_elsewhere = true;
  REQUIRE(quorum.start(2));
  quorum.run_ms(20000);
  CHECK_FALSE(quorum.member(2).failure);
  CHECK(quorum.has_quota(2, "u"));
  quorum.stop(2);
  quorum.stop(1);
  REQUIRE(quorum.start(2));
  REQUIRE(quorum.run_until([&] { return quorum.member(2).failure.has_value(); }));
  CHECK(quorum.member(2).failure->detail.find("is of another cluster") != std::string::npos);
}

/// As a controller of this id and incarnation registers itself.
void register_as(QuorumFixture& quorum, int id, const Uuid& incarnation) {
  protocol::ControllerRegistrationRequest request;
  request.controller_id = id;
  request.incarnation_id = incarnation;
  request.listeners.push_back({"CONTROLLER", "elsewhere", 9093, 0});
  bool is_registered = false;
  quorum.node(quorum.leader())
      .submit(std::move(request),
              ReplyTo<protocol::ControllerRegistrationResponse>(
                  [&](const auto& response) { is_registered = response.error_code == 0; }));
  REQUIRE(quorum.run_until([&] { return is_registered; }));
}
const ControllerRegistration& registration_of(QuorumFixture& quorum, int id) {
  return quorum.node(quorum.leader()).image()->cluster->controllers.at(BrokerId(id));
}

TEST_CASE("a controller whose node.id another one has had before it, and still uses, fails with what to do") {
  QuorumFixture quorum;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  const int newcomer = other_than(leader);
  quorum.stop(newcomer);
  const Uuid first = Uuid::of_low(4711);
  register_as(quorum, newcomer, first);
  REQUIRE(quorum.start(newcomer));
  REQUIRE(quorum.wait_until_equal());
  const auto wanted = quorum.node(newcomer).wanted_registration();
  REQUIRE(wanted);
  register_as(quorum, newcomer, wanted->incarnation_id);
  REQUIRE(quorum.wait_until_equal());
  CHECK_FALSE(quorum.member(newcomer).failure);

  SECTION("the one before it registers again") {
    register_as(quorum, newcomer, first);
    REQUIRE(quorum.run_until([&] { return quorum.member(newcomer).failure.has_value(); }));
    CHECK(quorum.member(newcomer).failure->code == ErrorCode::kInvalidConfig);
    CHECK(quorum.member(newcomer).failure->detail.find("is alive at elsewhere:9093") != std::string::npos);
  }
  SECTION("one that came after it registers: that one is to go") {
    register_as(quorum, newcomer, Uuid::of_low(4712));
    REQUIRE(quorum.wait_until_equal());
    CHECK_FALSE(quorum.member(newcomer).failure);
    CHECK(quorum.node(newcomer).wanted_registration());
  }
}

TEST_CASE("a controller with a voter's node.id fails when the voter registers after it, if only then") {
  // As a voter of Apache Kafka may that was started before it: its registration takes some seconds.
  QuorumFixture quorum(dynamic(3, 3));
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  const int used = other_than(leader);
  REQUIRE(quorum.wait_until_equal());
  quorum.stop(used);
  quorum.move_to_another_disk(used);
  REQUIRE(quorum.start(used));
  REQUIRE(quorum.wait_until_equal());
  const auto wanted = quorum.node(used).wanted_registration();
  REQUIRE(wanted);
  register_as(quorum, used, wanted->incarnation_id);
  REQUIRE(quorum.run_until([&] { return !quorum.node(used).wanted_registration(); }));
  CHECK_FALSE(quorum.member(used).failure);
  register_as(quorum, used, Uuid::of_low(4711));
  REQUIRE(quorum.run_until([&] { return quorum.member(used).failure.has_value(); }));
  CHECK(quorum.member(used).failure->detail.find("is alive at elsewhere:9093") != std::string::npos);
}

TEST_CASE("a leader whose registration another node takes registers again") {
  QuorumFixture quorum;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  REQUIRE(quorum.run_until(
      [&] { return quorum.node(leader).image()->cluster->controllers.contains(BrokerId(leader)); }));
  const Uuid own = registration_of(quorum, leader).incarnation_id;
  register_as(quorum, leader, Uuid::of_low(4711));
  REQUIRE(quorum.run_until([&] { return registration_of(quorum, leader).incarnation_id == own; }));
  CHECK_FALSE(quorum.member(leader).failure);
}

TEST_CASE("a metadata.version that is newer than this software is refused by name") {
  NodeFixture fixture;
  REQUIRE(fixture.format());
  {
    auto log = RaftLog::open(fixture.files, fixture.clock, {"/data/__cluster_metadata-0"});
    REQUIRE(log);
    protocol::FeatureLevelRecord feature;
    feature.name = kMetadataVersionFeature;
    feature.feature_level = 99;
    const std::vector<Bytes> values{encode(feature, 30)};
    REQUIRE((*log)->append(make_data_batch({Offset(0), LeaderEpoch(1), 0}, values), LeaderEpoch(1)));
    REQUIRE((*log)->sync());
    REQUIRE((*log)->close());
  }
  const auto opened = fixture.open();
  REQUIRE_FALSE(opened);
  CHECK(opened.error().code == ErrorCode::kUnsupportedVersion);
  CHECK(opened.error().detail.find("metadata.version 99") != std::string::npos);
  CHECK(opened.error().detail.starts_with("/data/__cluster_metadata-0: "));
}

TEST_CASE("what differs between two images is found by comparing them") {
  MetadataDelta delta(MetadataImage::empty());
  protocol::TopicRecord topic;
  topic.name = "kept";
  topic.topic_id = Uuid::of_low(500);
  REQUIRE(delta.replay(topic));
  topic.name = "gone";
  topic.topic_id = Uuid::of_low(501);
  REQUIRE(delta.replay(topic));
  const MetadataImagePtr before = delta.build(Offset(1), LeaderEpoch(1));
  protocol::RemoveTopicRecord removal;
  removal.topic_id = Uuid::of_low(501);
  REQUIRE(delta.replay(removal));
  protocol::PartitionRecord partition;
  partition.partition_id = 0;
  partition.topic_id = Uuid::of_low(500);
  partition.replicas = {1};
  partition.isr = {1};
  REQUIRE(delta.replay(partition));
  protocol::FeatureLevelRecord feature;
  feature.name = kMetadataVersionFeature;
  feature.feature_level = 30;
  REQUIRE(delta.replay(feature));
  const MetadataImagePtr after = delta.build(Offset(4), LeaderEpoch(1));
  const MetadataChanges changes = changes_between(*before, *after);
  CHECK(changes.created_topics.empty());
  CHECK(changes.removed_topics.size() == 1);
  REQUIRE(changes.changed_partitions.size() == 1);
  CHECK(changes.changed_partitions.at(TopicId(Uuid::of_low(500))) == std::set{PartitionIndex(0)});
  CHECK(changes.features);
  CHECK_FALSE(changes.acls);
  CHECK(changes_between(*after, *after).changed_partitions.empty());
}
