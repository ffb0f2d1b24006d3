// Quorums of several metadata nodes: elections, replication, crashes, divergence, snapshots, observers.
#include <catch2/catch.hpp>

#include "kraft/quorum_testing.hpp"
#include "kraft/raft_log.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

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
  QuorumFixture quorum(dynamic_quorum(3, 3, 1));
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
  QuorumFixture quorum(dynamic_quorum(3, 1, 1));
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
