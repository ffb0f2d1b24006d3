// Controllers that join the voters by themselves (controller.quorum.auto.join.enable, KIP-1186), as nodes.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "kraft/quorum_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

/// Three controllers of which the first one or two are voters.
struct JoiningQuorum : QuorumFixture {
  explicit JoiningQuorum(int voters)
      : QuorumFixture({.controllers = 3, .observers = 1, .is_static = false, .initial_voters = voters}) {}
  /// {voter: its directory}, as the leader tells; nothing without one.
  [[nodiscard]] std::map<int, DirectoryId> voters() {
    if (leader() == 0) return {};
    protocol::DescribeQuorumRequest request;
    auto& topic = request.topics.emplace_back();
    topic.topic_name = "__cluster_metadata";
    topic.partitions.emplace_back();
    const auto told = node(leader()).describe_quorum(request, 2);
    std::map<int, DirectoryId> found;
    for (const auto& voter : told.topics.at(0).partitions.at(0).current_voters)
      found[voter.replica_id] = DirectoryId(voter.replica_directory_id);
    return found;
  }
  [[nodiscard]] std::set<int> voter_ids() {
    std::set<int> ids;
    for (const auto& [id, directory] : voters()) ids.insert(id);
    return ids;
  }
};

}  // namespace

TEST_CASE("a controller that is to join by itself becomes a voter, one that is not stays an observer") {
  JoiningQuorum quorum(1);
  quorum.member(2).options.auto_join = true;
  quorum.start_all();
  REQUIRE(quorum.wait_for_leader() == 1);
  REQUIRE(quorum.run_until([&] { return quorum.voter_ids() == std::set{1, 2}; }));
  quorum.run_ms(20'000);
  CHECK(quorum.voter_ids() == std::set{1, 2});
  REQUIRE(quorum.set_quota_now(1, "u") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  // It counts: without it nothing is committed, with it another leads.
  quorum.crash(2);
  const auto outcome = quorum.set_quota(1, "v");
  quorum.run_ms(1000);
  CHECK_FALSE((outcome->has_value() && **outcome == ErrorCode::kNone));
  REQUIRE(quorum.start(2));
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0 && quorum.has_quota(2, "u"); }));
  CHECK(quorum.voter_ids() == std::set{1, 2});
}

TEST_CASE("several controllers that join at once all become voters") {
  JoiningQuorum quorum(1);
  for (const int id : {2, 3}) quorum.member(id).options.auto_join = true;
  quorum.start_all();
  REQUIRE(quorum.run_until([&] { return quorum.voter_ids() == std::set{1, 2, 3}; }, 60'000));
  quorum.crash(1);
  REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
  REQUIRE(quorum.set_quota_now(quorum.leader(), "u") == ErrorCode::kNone);
}

TEST_CASE("a voter that comes back on an empty disk takes the place of what it was") {
  JoiningQuorum quorum(3);
  for (const int id : {1, 2, 3}) quorum.member(id).options.auto_join = true;
  quorum.start_all();
  const int leader = quorum.wait_for_leader();
  const int lost = leader == 1 ? 2 : 1;
  REQUIRE(quorum.set_quota_now(leader, "u") == ErrorCode::kNone);
  REQUIRE(quorum.wait_until_equal());
  quorum.crash(lost);
  quorum.move_to_another_disk(lost);
  REQUIRE(quorum.member(lost).files.remove_all("/data/__cluster_metadata-0"));
  REQUIRE(quorum.start(lost));
  const auto is_back = [&] {
    const auto voters = quorum.voters();
    const auto found = voters.find(lost);
    return voters.size() == 3 && found != voters.end() && found->second == DirectoryId(Uuid::of_low(7700));
  };
  REQUIRE(quorum.run_until(is_back, 60'000));
  REQUIRE(quorum.wait_until_equal());
  CHECK(quorum.has_quota(lost, "u"));
}
