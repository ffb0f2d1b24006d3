#include <algorithm>

#include "kraft/raft/raft_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;
using std::chrono::milliseconds;

namespace {

VoteRequest vote_of(int candidate, int epoch, LogPosition last, bool pre_vote = false) {
  return {key_of(candidate), LeaderEpoch(epoch), last, pre_vote, kNoReplica};
}
VoteResponse voted(TestNode& node, const VoteRequest& request) {
  const auto sent = node.receive(request.candidate.id.value(), request);
  const auto* response = find_message<VoteResponse>(sent, request.candidate.id.value());
  REQUIRE(response != nullptr);
  return *response;
}

}  // namespace

TEST_CASE("a voter without a leader asks for pre-votes in its epoch, and for votes in a new one only after") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.wait(milliseconds(1));
  CHECK(node.node->role() == RaftRole::kUnattached);
  const auto pre_votes = node.wait(milliseconds(2001));
  CHECK(node.node->role() == RaftRole::kProspective);
  CHECK(node.node->epoch() == LeaderEpoch(0));
  REQUIRE(find_message<VoteRequest>(pre_votes, 2) != nullptr);
  CHECK(find_message<VoteRequest>(pre_votes, 2)->pre_vote);
  CHECK(find_message<VoteRequest>(pre_votes, 3)->voter == key_of(3));

  const auto votes = node.answer(pre_votes, 2, node.vote(true));
  CHECK(node.node->role() == RaftRole::kCandidate);
  CHECK(node.stored == QuorumState{kNoBroker, LeaderEpoch(1), key_of(1)});
  CHECK_FALSE(find_message<VoteRequest>(votes, 3)->pre_vote);

  const auto begins = node.answer(votes, 3, node.vote(true));
  CHECK(node.node->role() == RaftRole::kLeader);
  CHECK(node.stored == QuorumState{BrokerId(1), LeaderEpoch(1), kNoReplica});
  REQUIRE(find_message<BeginQuorumEpochRequest>(begins, 2) != nullptr);
  REQUIRE(node.appended.size() == 1);
  const auto& change = std::get<LeaderChangeControl>(node.appended[0]);
  CHECK(change.granting_voters == std::vector<BrokerId>{BrokerId(1), BrokerId(3)});
}

TEST_CASE("a lost pre-vote costs no epoch, and a candidate that lost waits for its time to end") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.step(Tick{});
  const auto pre_votes = node.wait(milliseconds(2001));
  (void)node.answer(pre_votes, 2, node.vote(false));
  CHECK(node.node->role() == RaftRole::kProspective);
  (void)node.answer(pre_votes, 3, node.vote(false));
  CHECK(node.node->role() == RaftRole::kUnattached);
  CHECK(node.node->epoch() == LeaderEpoch(0));

  const auto again = node.wait(milliseconds(2001));
  const auto votes = node.answer(again, 2, node.vote(true));
  (void)node.answer(votes, 2, node.vote(false));
  (void)node.answer(votes, 3, node.vote(false));
  CHECK(node.node->role() == RaftRole::kCandidate);
  (void)node.wait(milliseconds(2001));
  CHECK(node.node->role() == RaftRole::kProspective);
}

TEST_CASE("a voter gives one vote an epoch, only to a log as long as its own, and keeps it over a restart") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.log.fill({3, 2});
  node.stored = {kNoBroker, LeaderEpoch(2), kNoReplica};
  const LogPosition same{Offset(5), LeaderEpoch(2)};
  CHECK_FALSE(voted(node, vote_of(2, 3, {Offset(4), LeaderEpoch(2)})).granted);
  CHECK_FALSE(voted(node, vote_of(2, 3, {Offset(9), LeaderEpoch(1)})).granted);
  CHECK(voted(node, vote_of(2, 3, same)).granted);
  CHECK(node.stored == QuorumState{kNoBroker, LeaderEpoch(3), key_of(2)});
  CHECK_FALSE(voted(node, vote_of(3, 3, same)).granted);
  CHECK(voted(node, vote_of(2, 3, same)).granted);

  node.node.reset();
  CHECK_FALSE(voted(node, vote_of(3, 3, same)).granted);
  CHECK(voted(node, vote_of(3, 4, same)).granted);
  CHECK(voted(node, vote_of(2, 3, same)).error == ErrorCode::kFencedLeaderEpoch);
}

TEST_CASE("a pre-vote is granted to many, but not by who fetches from a leader") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.step(Tick{});
  const LogPosition empty{Offset(0), LeaderEpoch(0)};
  CHECK(voted(node, vote_of(2, 0, empty, true)).granted);
  CHECK(voted(node, vote_of(3, 0, empty, true)).granted);
  CHECK(node.stored.voted == kNoReplica);

  const auto fetch = node.receive(3, BeginQuorumEpochRequest{BrokerId(3), LeaderEpoch(1), key_of(1), {}});
  CHECK(node.node->role() == RaftRole::kFollower);
  CHECK(voted(node, vote_of(2, 1, empty, true)).granted);
  FetchResponse response;
  response.leader = BrokerId(3);
  response.epoch = LeaderEpoch(1);
  (void)node.answer(fetch, 3, response);
  CHECK_FALSE(voted(node, vote_of(2, 1, empty, true)).granted);
}

TEST_CASE("a vote request for the replica that had this id before is refused") {
  TestNode node(1, voters_of({1, 2, 3}));
  VoteRequest request = vote_of(2, 1, {Offset(0), LeaderEpoch(0)});
  request.voter = {BrokerId(1), directory_of(9)};
  CHECK(voted(node, request).error == ErrorCode::kInvalidVoterKey);
  request.voter = key_of(1);
  CHECK(voted(node, request).granted);
}

TEST_CASE("who led before a restart resigns its epoch and tells the voters") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.stored = {BrokerId(1), LeaderEpoch(4), kNoReplica};
  node.log.fill({0, 0, 0, 2});
  const auto ends = node.step(Tick{});
  CHECK(node.node->role() == RaftRole::kResigned);
  REQUIRE(find_message<EndQuorumEpochRequest>(ends, 2) != nullptr);
  CHECK(find_message<EndQuorumEpochRequest>(ends, 3)->epoch == LeaderEpoch(4));
  (void)node.wait(milliseconds(2001));
  CHECK(node.node->epoch() == LeaderEpoch(5));
  CHECK(node.node->role() == RaftRole::kUnattached);
}

TEST_CASE("the first successor of a leader that resigns stands at once, later ones wait") {
  const auto roles_after = [](int id, milliseconds time) {
    TestNode node(id, voters_of({1, 2, 3}));
    (void)node.receive(1, BeginQuorumEpochRequest{BrokerId(1), LeaderEpoch(1), key_of(id), {}});
    EndQuorumEpochRequest end{BrokerId(1), LeaderEpoch(1), {key_of(3), key_of(2)}, {}};
    (void)node.receive(1, end);
    (void)node.wait(time);
    return node.node->role();
  };
  CHECK(roles_after(3, milliseconds(0)) == RaftRole::kProspective);
  CHECK(roles_after(2, milliseconds(499)) == RaftRole::kFollower);
  CHECK(roles_after(2, milliseconds(500)) == RaftRole::kProspective);
}

namespace {

/// A follower of node 1 that has fetched from it, and its next fetch.
struct Refused : TestNode {
  std::vector<AddressedMessage> fetch;

  explicit Refused(int id) : TestNode(id, voters_of({1, 2, 3})) {
    fetch = receive(1, BeginQuorumEpochRequest{BrokerId(1), LeaderEpoch(1), key_of(id), {}});
    FetchResponse response;
    response.leader = BrokerId(1);
    response.epoch = LeaderEpoch(1);
    fetch = answer(fetch, 1, response);
  }
  /// What is sent when the fetch fails; 100 ms pass.
  std::vector<AddressedMessage> fail_fetch(bool is_refused = true) {
    const auto found = std::ranges::find(fetch, BrokerId(1), &AddressedMessage::peer);
    REQUIRE(found != fetch.end());
    auto sent = step(RequestFailed{BrokerId(1), found->correlation, is_refused});
    fetch = wait(milliseconds(100));
    return sent;
  }
};

}  // namespace

TEST_CASE("an observer supports another leader once it does not reach its own any more") {
  // It is a voter to those that know of a later change.
  Refused node(4);
  const VoteRequest asked = vote_of(3, 1, {Offset(0), LeaderEpoch(0)}, true);
  (void)node.wait(milliseconds(1900));
  CHECK_FALSE(voted(node, asked).granted);
  (void)node.wait(milliseconds(200));
  CHECK(voted(node, asked).granted);
}

TEST_CASE("a leader where nobody listens any more is given up early, by one voter after the other") {
  Refused first(2);
  (void)first.fail_fetch(false);  // the connection ends
  (void)first.fail_fetch();
  CHECK(first.node->role() == RaftRole::kFollower);
  (void)first.fail_fetch();
  CHECK(first.node->role() == RaftRole::kProspective);
  Refused second(3);
  for (int i = 0; i < 2; ++i) (void)second.fail_fetch();
  CHECK(second.node->role() == RaftRole::kFollower);
  (void)second.fail_fetch();
  CHECK(second.node->role() == RaftRole::kProspective);
  Refused unlucky(2);
  for (int i = 0; i < 8; ++i) (void)unlucky.fail_fetch(i % 2 == 0);
  CHECK(unlucky.node->role() == RaftRole::kFollower);
}

TEST_CASE("who stood early and lost stands again when its fetch timeout is over, not before") {
  Refused node(2);
  (void)node.fail_fetch();
  const auto pre_votes = node.fail_fetch();
  REQUIRE(node.node->role() == RaftRole::kProspective);
  node.fetch = node.answer(pre_votes, 3, node.vote(false));
  REQUIRE(node.node->role() == RaftRole::kFollower);
  for (int i = 0; i < 17; ++i) (void)node.fail_fetch();
  CHECK(node.node->role() == RaftRole::kFollower);  // 1.9 s after its last fetch
  CHECK(voted(node, vote_of(3, 1, {Offset(0), LeaderEpoch(0)}, true)).granted);
  (void)node.fail_fetch();
  CHECK(node.node->role() == RaftRole::kProspective);
}

TEST_CASE("who was refused by the leader's host grants pre-votes, until the leader answers again") {
  TestNode node(2, voters_of({1, 2, 3}));
  const LogPosition empty{Offset(0), LeaderEpoch(0)};
  FetchResponse response;
  response.leader = BrokerId(1);
  response.epoch = LeaderEpoch(1);
  auto fetch = node.receive(1, BeginQuorumEpochRequest{BrokerId(1), LeaderEpoch(1), key_of(2), {}});
  fetch = node.answer(fetch, 1, response);
  CHECK_FALSE(voted(node, vote_of(3, 1, empty, true)).granted);
  (void)node.step(RequestFailed{BrokerId(1), fetch.at(0).correlation, true});
  CHECK(voted(node, vote_of(3, 1, empty, true)).granted);
  fetch = node.wait(milliseconds(100));
  (void)node.answer(fetch, 1, response);
  CHECK_FALSE(voted(node, vote_of(3, 1, empty, true)).granted);
}

TEST_CASE("a leader that is stopped cleanly hands over to who is furthest") {
  TestNode node(1, voters_of({1, 2, 3}));
  (void)node.lead(2);
  (void)node.append(4, node.node->epoch());
  (void)node.receive(2, node.fetch_of(2, 0, 0));
  (void)node.receive(3, node.fetch_of(3, 5, 1));
  // The requests that told of its epoch are still unanswered, and the new role does not wait for them.
  const auto ends = node.step(Resign{});
  CHECK(node.node->role() == RaftRole::kResigned);
  REQUIRE(find_message<EndQuorumEpochRequest>(ends, 2) != nullptr);
  CHECK(find_message<EndQuorumEpochRequest>(ends, 2)->preferred_successors ==
        std::vector<ReplicaKey>{key_of(3), key_of(2)});
  EndQuorumEpochResponse heard{ErrorCode::kNone, BrokerId(1), LeaderEpoch(1), std::nullopt};
  CHECK_FALSE(node.node->may_stop());
  (void)node.answer(ends, 2, heard);
  (void)node.answer(ends, 3, heard);
  CHECK(node.node->may_stop());
  (void)node.wait(milliseconds(60000));
  CHECK(node.node->role() == RaftRole::kResigned);
}
