#include "kraft/raft/raft_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;
using std::chrono::milliseconds;

namespace {

FetchResponse response_of(int leader, int epoch, std::int64_t high_watermark) {
  FetchResponse response;
  response.leader = BrokerId(leader);
  response.epoch = LeaderEpoch(epoch);
  response.high_watermark = Offset(high_watermark);
  return response;
}
FetchResponse fetched(TestNode& leader, const FetchRequest& request) {
  const int replica = request.replica.id.value();
  const auto sent = leader.receive(replica, request);
  const auto* response = find_message<FetchResponse>(sent, replica);
  REQUIRE(response != nullptr);
  return *response;
}
/// Node 1 as a follower of node 2 in `epoch`, and what it sent.
std::vector<AddressedMessage> follow(TestNode& node, int epoch) {
  return node.receive(2, BeginQuorumEpochRequest{BrokerId(2), LeaderEpoch(epoch), key_of(1), {}});
}

}  // namespace

TEST_CASE("a record is committed when a majority has fetched past it and the leader synced it") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.lead(2);
  CHECK(node.node->high_watermark() == Offset(0));
  CHECK_FALSE(node.node->is_active_leader());
  CHECK(fetched(node, node.fetch_of(2, 0, 0)).records_from == Offset(0));
  (void)node.receive(2, node.fetch_of(2, 1, 1));
  CHECK(node.node->high_watermark() == Offset(1));
  CHECK(node.node->is_active_leader());

  node.syncs = false;
  (void)node.append(1, LeaderEpoch(1));
  (void)node.receive(2, node.fetch_of(2, 2, 1));
  CHECK(node.node->high_watermark() == Offset(1));
  (void)node.step(LogSynced{Offset(2)});
  CHECK(node.node->high_watermark() == Offset(2));
}

TEST_CASE("what older leaders wrote is committed only with a record of the leader's own epoch") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.log.fill({4});
  node.stored = {kNoBroker, LeaderEpoch(1), kNoReplica};
  (void)node.lead(2);
  (void)node.receive(2, node.fetch_of(2, 4, 1));
  CHECK(node.node->high_watermark() == Offset(0));
  (void)node.receive(2, node.fetch_of(2, 5, 2));
  CHECK(node.node->high_watermark() == Offset(5));
}

TEST_CASE("a leader does not say what is committed before a record of its own is") {
  TestNode leader(1, voters_of({1, 2, 3}));
  leader.log.fill({4});
  leader.stored = {kNoBroker, LeaderEpoch(1), kNoReplica};
  (void)leader.lead(2);
  FetchRequest of_one_who_knows_more = leader.fetch_of(2, 4, 1);
  of_one_who_knows_more.high_watermark = Offset(4);
  CHECK(fetched(leader, of_one_who_knows_more).high_watermark == kNoOffset);
  CHECK(leader.node->high_watermark() == Offset(0));
  FetchRequest of_one_who_knows_nothing = leader.fetch_of(3, 5, 2);
  of_one_who_knows_nothing.high_watermark = kNoOffset;
  const auto committed = leader.receive(3, of_one_who_knows_nothing);
  REQUIRE(find_message<FetchResponse>(committed, 3) != nullptr);
  CHECK(find_message<FetchResponse>(committed, 3)->high_watermark == Offset(5));

  TestNode follower(2, voters_of({1, 2, 3}));
  follower.log.fill({4});
  follower.stored = {kNoBroker, LeaderEpoch(1), kNoReplica};
  const auto first = follower.receive(1, BeginQuorumEpochRequest{BrokerId(1), LeaderEpoch(2), key_of(2), {}});
  const auto second = follower.answer(first, 1, response_of(1, 2, 4));
  CHECK(follower.node->high_watermark() == Offset(4));
  (void)follower.answer(second, 1, response_of(1, 2, kNoOffset.value()));
  CHECK(follower.node->high_watermark() == Offset(4));
}

TEST_CASE("a fetch at the end is held until there are records, something is committed, or its time is over") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.lead(2);
  (void)node.receive(2, node.fetch_of(2, 1, 1));  // commits, and knew less: answered
  CHECK(node.receive(2, node.fetch_of(2, 1, 1), 71).empty());
  const auto appended = node.append(1, LeaderEpoch(1));
  REQUIRE(find_message<FetchResponse>(appended, 2) != nullptr);
  CHECK(find_message<FetchResponse>(appended, 2)->records_from == Offset(1));
  CHECK(appended[0].correlation == 71);

  CHECK(node.receive(3, node.fetch_of(3, 2, 1)).size() == 1);  // it commits the record
  CHECK(node.receive(3, node.fetch_of(3, 2, 1)).empty());
  CHECK(find_message<FetchResponse>(node.wait(milliseconds(499)), 3) == nullptr);
  const auto late = node.wait(milliseconds(1));
  REQUIRE(find_message<FetchResponse>(late, 3) != nullptr);
  CHECK_FALSE(find_message<FetchResponse>(late, 3)->records_from);
}

TEST_CASE("a follower whose log left the leader's is told where, and truncates to there") {
  TestNode leader(1, voters_of({1, 2, 3}));
  leader.log.fill({3, 0, 2});
  leader.stored = {kNoBroker, LeaderEpoch(3), kNoReplica};
  (void)leader.lead(2);
  const auto diverging = [&](std::int64_t end, int epoch) {
    return fetched(leader, leader.fetch_of(2, end, epoch)).diverging;
  };
  CHECK(diverging(9, 2) == LogPosition{Offset(3), LeaderEpoch(1)});
  CHECK(diverging(4, 1) == LogPosition{Offset(3), LeaderEpoch(1)});
  CHECK(diverging(7, 3) == LogPosition{Offset(5), LeaderEpoch(3)});
  CHECK_FALSE(diverging(3, 1));
  CHECK(leader.node->progress()[0].end == Offset(3));

  TestNode follower(1, voters_of({1, 2, 3}));
  follower.log.fill({2, 5});
  follower.stored = {kNoBroker, LeaderEpoch(2), kNoReplica};
  const auto fetch = follow(follower, 4);
  FetchResponse response = response_of(2, 4, 0);
  response.diverging = LogPosition{Offset(3), LeaderEpoch(1)};
  const auto again = follower.answer(fetch, 2, response);
  CHECK(follower.log.epochs.size() == 2);
  REQUIRE(find_message<FetchRequest>(again, 2) != nullptr);
  CHECK(find_message<FetchRequest>(again, 2)->position == LogPosition{Offset(2), LeaderEpoch(1)});
}

TEST_CASE("a voter fetches on only when what it has is on disk") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.syncs = false;
  const auto fetch = follow(node, 1);
  FetchResponse response = response_of(2, 1, 1);
  response.records_from = Offset(0);
  CHECK(node.answer(fetch, 2, response).empty());
  CHECK(node.last.append_received);
  CHECK(node.append(2, LeaderEpoch(1)).empty());
  CHECK(node.node->high_watermark() == Offset(1));
  const auto next = node.step(LogSynced{Offset(2)});
  REQUIRE(find_message<FetchRequest>(next, 2) != nullptr);
  CHECK(find_message<FetchRequest>(next, 2)->position.end == Offset(2));
}

TEST_CASE("a leader that a majority no longer fetches from resigns") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.lead(2);
  (void)node.wait(milliseconds(2900));
  (void)node.receive(2, node.fetch_of(2, 1, 1));
  (void)node.wait(milliseconds(2900));
  CHECK(node.node->role() == RaftRole::kLeader);
  (void)node.wait(milliseconds(101));
  CHECK(node.node->role() == RaftRole::kResigned);
}

TEST_CASE("a follower stands when fetching fails for the fetch timeout, and another epoch calls it back") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)follow(node, 1);
  (void)node.wait(milliseconds(1999));
  CHECK(node.node->role() == RaftRole::kFollower);
  const auto pre_votes = node.wait(milliseconds(1));
  CHECK(node.node->role() == RaftRole::kProspective);
  VoteResponse response = node.vote(false);
  response.epoch = LeaderEpoch(6);
  response.leader = BrokerId(3);
  const auto fetch = node.answer(pre_votes, 3, response);
  CHECK(node.node->role() == RaftRole::kFollower);
  CHECK(find_message<FetchRequest>(fetch, 3) != nullptr);
  CHECK(node.stored == QuorumState{BrokerId(3), LeaderEpoch(6), kNoReplica});
}

TEST_CASE("an observer finds the leader through a bootstrap server and never stands") {
  TestNode node(7, VoterSet{});
  node.options.bootstrap_servers = 1;
  const auto search = node.wait(milliseconds(1));
  REQUIRE(find_message<FetchRequest>(search, -2) != nullptr);
  FetchResponse hint = response_of(2, 3, 0);
  hint.error = ErrorCode::kFencedLeaderEpoch;
  hint.leader_endpoint = Endpoint{"node-2", 9093};
  const auto fetch = node.answer(search, -2, hint);
  CHECK(node.node->role() == RaftRole::kFollower);
  REQUIRE(find_message<FetchRequest>(fetch, 2) != nullptr);
  CHECK(node.node->endpoints_of(BrokerId(2))[0].endpoint.host == "node-2");
  (void)node.wait(milliseconds(60000));
  CHECK(node.node->role() == RaftRole::kFollower);
}

TEST_CASE("a fetch of another epoch, or at a replica that does not lead, tells who does") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)follow(node, 2);
  FetchRequest request = node.fetch_of(3, 0, 0);
  CHECK(fetched(node, request).error == ErrorCode::kNotLeaderOrFollower);
  CHECK(fetched(node, request).leader == BrokerId(2));
  request.epoch = LeaderEpoch(1);
  CHECK(fetched(node, request).error == ErrorCode::kFencedLeaderEpoch);
  request.epoch = LeaderEpoch(3);
  CHECK(fetched(node, request).error == ErrorCode::kUnknownLeaderEpoch);
}

TEST_CASE("a replica behind the leader's log gets a snapshot in pieces, and its log starts there") {
  TestNode leader(1, voters_of({1, 2, 3}));
  leader.log.first = Offset(10);
  leader.log.fill({2, 2});
  leader.log.snapshots = {{Offset(10), LeaderEpoch(1)}};
  leader.stored = {kNoBroker, LeaderEpoch(2), kNoReplica};
  (void)leader.lead(2);
  const SnapshotId id{Offset(10), LeaderEpoch(1)};
  CHECK(fetched(leader, leader.fetch_of(3, 4, 1)).snapshot == id);
  CHECK(fetched(leader, leader.fetch_of(3, 10, 0)).snapshot == id);
  const auto piece = leader.receive(3, FetchSnapshotRequest{key_of(3), leader.node->epoch(), id, 1000});
  CHECK(find_message<FetchSnapshotResponse>(piece, 3)->error == ErrorCode::kPositionOutOfRange);

  TestNode node(1, voters_of({1, 2, 3}));
  const auto fetch = follow(node, 3);
  FetchResponse response = response_of(2, 3, 12);
  response.snapshot = id;
  auto asked = node.answer(fetch, 2, response);
  REQUIRE(find_message<FetchSnapshotRequest>(asked, 2) != nullptr);
  FetchSnapshotResponse part{ErrorCode::kNone, BrokerId(2), LeaderEpoch(3), id, 1000, 0, 600, std::nullopt};
  asked = node.answer(asked, 2, part);
  CHECK(node.last.receive_snapshot == id);
  CHECK_FALSE(node.last.install_snapshot);
  CHECK(find_message<FetchSnapshotRequest>(asked, 2)->position == 600);
  part.position = 600;
  part.bytes = 400;
  CHECK(node.answer(asked, 2, part).empty());
  CHECK(node.last.install_snapshot);
  const auto next = node.step(SnapshotInstalled{id, voters_of({1, 2}), 1});
  CHECK(node.node->log() == LogPosition{Offset(10), LeaderEpoch(1)});
  CHECK(node.node->high_watermark() == Offset(10));
  CHECK(node.node->voters() == voters_of({1, 2}));
  CHECK(find_message<FetchRequest>(next, 2)->position.end == Offset(10));
}
