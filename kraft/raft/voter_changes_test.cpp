#include "kraft/raft/raft_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;
using std::chrono::milliseconds;

namespace {

constexpr int kAdmin = 50;

/// Node 1 leading {1, 2, 3} with its epoch committed; observer 4 has caught up.
void lead_and_commit(TestNode& node) {
  (void)node.lead(2);
  (void)node.receive(2, node.fetch_of(2, 1, 1));
  (void)node.receive(4, node.fetch_of(4, 1, 1));
  REQUIRE(node.node->is_active_leader());
}
AddRaftVoterRequest adding(int id) {
  return {voter_of(id), milliseconds(5000), true};
}
const ChangeRaftVoterResponse* answer_in(const std::vector<AddressedMessage>& sent) {
  return find_message<ChangeRaftVoterResponse>(sent, kAdmin);
}
ErrorCode refused(const std::vector<AddressedMessage>& sent) {
  const auto* response = answer_in(sent);
  REQUIRE(response != nullptr);
  return response->error;
}

}  // namespace

TEST_CASE(
    "a voter is added when it is caught up, counts from its record on, and is acknowledged when committed") {
  TestNode node(1, voters_of({1, 2, 3}));
  lead_and_commit(node);
  const auto asked = node.receive(kAdmin, adding(4));
  CHECK(answer_in(asked) == nullptr);
  const auto changed = node.answer(asked, 4, KraftVersionsResponse{ErrorCode::kNone, 0, 1});
  CHECK(node.node->voters() == voters_of({1, 2, 3, 4}));
  REQUIRE(std::get<VotersControl>(node.appended.back()).voters == voters_of({1, 2, 3, 4}));
  CHECK(refused(node.receive(kAdmin, RemoveRaftVoterRequest{key_of(2)})) == ErrorCode::kRequestTimedOut);
  // Three of four are the majority now.
  CHECK(answer_in(node.receive(2, node.fetch_of(2, 2, 1))) == nullptr);
  CHECK(refused(node.receive(4, node.fetch_of(4, 2, 1))) == ErrorCode::kNone);
}

TEST_CASE("a voter that lags, is one already, or knows too little is not added") {
  TestNode node(1, voters_of({1, 2, 3}));
  lead_and_commit(node);
  CHECK(refused(node.receive(kAdmin, adding(3))) == ErrorCode::kDuplicateVoter);
  auto asked = node.receive(kAdmin, adding(5));
  CHECK(refused(node.answer(asked, 5, KraftVersionsResponse{ErrorCode::kNone, 0, 1})) ==
        ErrorCode::kRequestTimedOut);
  asked = node.receive(kAdmin, adding(4));
  CHECK(refused(node.answer(asked, 4, KraftVersionsResponse{ErrorCode::kNone, 0, 0})) ==
        ErrorCode::kInvalidRequest);
  AddRaftVoterRequest nameless = adding(4);
  nameless.voter.key.directory = DirectoryId();
  CHECK(refused(node.receive(kAdmin, nameless)) == ErrorCode::kInvalidRequest);
  CHECK(node.node->voters() == voters_of({1, 2, 3}));
}

TEST_CASE("static voters cannot be changed, and only an established leader changes any") {
  TestNode fixed(1, voters_of({1, 2, 3}), 0);
  lead_and_commit(fixed);
  CHECK(refused(fixed.receive(kAdmin, adding(4))) == ErrorCode::kUnsupportedVersion);
  TestNode fresh(1, voters_of({1, 2, 3}));
  CHECK(refused(fresh.receive(kAdmin, adding(4))) == ErrorCode::kNotLeaderOrFollower);
  (void)fresh.lead(2);
  CHECK(refused(fresh.receive(kAdmin, adding(4))) == ErrorCode::kRequestTimedOut);
}

TEST_CASE("a leader that removes itself leads until that is committed by the others, and then resigns") {
  TestNode node(1, voters_of({1, 2, 3}));
  lead_and_commit(node);
  CHECK(refused(node.receive(kAdmin, RemoveRaftVoterRequest{{BrokerId(1), directory_of(9)}})) ==
        ErrorCode::kVoterNotFound);
  CHECK(answer_in(node.receive(kAdmin, RemoveRaftVoterRequest{key_of(1)})) == nullptr);
  CHECK_FALSE(node.node->is_voter());
  (void)node.receive(2, node.fetch_of(2, 2, 1));
  CHECK(node.node->role() == RaftRole::kLeader);
  CHECK(node.node->high_watermark() == Offset(1));
  CHECK(refused(node.receive(3, node.fetch_of(3, 2, 1))) == ErrorCode::kNone);
  CHECK(node.node->role() == RaftRole::kResigned);
}

TEST_CASE(
    "a voter set that is truncated away is no longer in force, also when the replica restarted with it") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.log.fill({3});
  node.stored = {kNoBroker, LeaderEpoch(1), kNoReplica};
  node.options.logged_controls = {{Offset(2), VotersControl{voters_of({1, 2, 3, 4})}}};
  const auto fetch = node.receive(2, BeginQuorumEpochRequest{BrokerId(2), LeaderEpoch(2), key_of(1), {}});
  CHECK(node.node->voters() == voters_of({1, 2, 3, 4}));
  FetchResponse response;
  response.leader = BrokerId(2);
  response.epoch = LeaderEpoch(2);
  response.diverging = LogPosition{Offset(2), LeaderEpoch(1)};
  (void)node.answer(fetch, 2, response);
  CHECK(node.node->voters() == voters_of({1, 2, 3}));
}

TEST_CASE("a removed voter may still stand while its removal may not be committed") {
  TestNode node(1, voters_of({1, 2}));
  node.log.fill({3});
  node.stored = {BrokerId(1), LeaderEpoch(1), kNoReplica};
  node.options.logged_controls = {{Offset(2), VotersControl{voters_of({2})}}};
  (void)node.wait(milliseconds(1));
  (void)node.wait(milliseconds(2001));
  const auto pre_votes = node.wait(milliseconds(2001));
  CHECK(node.node->role() == RaftRole::kProspective);
  CHECK(find_message<VoteRequest>(pre_votes, 2) != nullptr);
}

TEST_CASE("a voter that listens elsewhere now tells the leader, and the leader writes it down") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.options.local_endpoints[0].endpoint.port = 9999;
  auto sent = node.receive(2, BeginQuorumEpochRequest{BrokerId(2), LeaderEpoch(1), key_of(1), {}});
  for (int i = 0; i < 4 && find_message<UpdateRaftVoterRequest>(sent, 2) == nullptr; ++i) {
    node.now += milliseconds(1900);
    FetchResponse response;
    response.leader = BrokerId(2);
    response.epoch = LeaderEpoch(1);
    sent = node.answer(sent, 2, response);
  }
  const auto* update = find_message<UpdateRaftVoterRequest>(sent, 2);
  REQUIRE(update != nullptr);
  CHECK(update->voter.endpoints[0].endpoint.port == 9999);

  TestNode leader(2, voters_of({1, 2, 3}));
  (void)leader.lead(1);
  (void)leader.receive(1, leader.fetch_of(1, 1, 1));
  const auto answered = leader.receive(1, *update);
  CHECK(find_message<UpdateRaftVoterResponse>(answered, 1)->error == ErrorCode::kNone);
  CHECK(leader.node->voters().find(BrokerId(1))->endpoints[0].endpoint.port == 9999);
}

TEST_CASE("a controller that joins by itself first has its former directory removed, then itself added") {
  const auto request_of = [](int id, VoterSet voters) {
    TestNode node(id, std::move(voters));
    node.options.auto_join = true;
    node.options.local.directory = directory_of(8);
    auto sent =
        node.receive(2, BeginQuorumEpochRequest{BrokerId(2), LeaderEpoch(1), {}, voter_of(2).endpoints});
    for (int i = 0; i < 4; ++i) {
      node.now += milliseconds(1900);
      FetchResponse response;
      response.leader = BrokerId(2);
      response.epoch = LeaderEpoch(1);
      if (find_message<FetchRequest>(sent, 2) == nullptr) break;
      sent = node.answer(sent, 2, response);
    }
    REQUIRE(sent.size() == 1);
    return sent[0].message;
  };
  const RaftMessage first = request_of(3, voters_of({1, 2, 3}));
  CHECK(std::get<RemoveRaftVoterRequest>(first).voter == key_of(3));
  const RaftMessage second = request_of(4, voters_of({1, 2, 3}));
  CHECK(std::get<AddRaftVoterRequest>(second).voter.key == ReplicaKey{BrokerId(4), directory_of(8)});
  CHECK_FALSE(std::get<AddRaftVoterRequest>(second).ack_when_committed);
}

TEST_CASE("the voters of the format are written by the first leader, with its own entry as it is now") {
  TestNode node(1, voters_of({1, 2, 3}));
  node.options.write_voters = true;
  node.options.local_endpoints[0].endpoint.port = 9999;
  (void)node.lead(2);
  REQUIRE(node.appended.size() == 3);
  CHECK(std::get<KraftVersionControl>(node.appended[1]).version == 1);
  CHECK(std::get<VotersControl>(node.appended[2]).voters.find(BrokerId(1))->endpoints[0].endpoint.port ==
        9999);
}

namespace {

VoterSet static_voters_of(std::initializer_list<int> ids) {
  VoterSet set = voters_of(ids);
  for (Voter& voter : set.voters) voter.key.directory = DirectoryId();
  return set;
}
ErrorCode told(TestNode& node, int id, std::int16_t max = 1) {
  Voter voter = voter_of(id);
  voter.max_kraft_version = max;
  const auto answered = node.receive(id, UpdateRaftVoterRequest{node.node->epoch(), voter});
  return find_message<UpdateRaftVoterResponse>(answered, id)->error;
}

}  // namespace

TEST_CASE("static voters get their directories with kraft.version 1, once each has told its own") {
  TestNode node(1, static_voters_of({1, 2, 3}), 0);
  (void)node.lead(2);
  CHECK(told(node, 2) == ErrorCode::kRequestTimedOut);  // nothing of this epoch is committed
  (void)node.receive(2, node.fetch_of(2, 1, 1));
  CHECK_FALSE(node.node->can_upgrade_kraft_version());
  CHECK(told(node, 2) == ErrorCode::kNone);
  CHECK(told(node, 4) == ErrorCode::kVoterNotFound);
  CHECK(told(node, 3, 0) == ErrorCode::kNone);
  CHECK_FALSE(node.node->can_upgrade_kraft_version());
  (void)node.step(UpgradeKraftVersion{});
  CHECK(node.appended.size() == 1);
  CHECK(told(node, 3) == ErrorCode::kNone);
  REQUIRE(node.node->can_upgrade_kraft_version());
  (void)node.step(UpgradeKraftVersion{});

  REQUIRE(node.appended.size() == 3);
  CHECK(std::get<KraftVersionControl>(node.appended[1]).version == 1);
  CHECK(std::get<VotersControl>(node.appended[2]).voters == voters_of({1, 2, 3}));
  CHECK(node.node->kraft_version() == 1);
  CHECK(node.node->voters() == voters_of({1, 2, 3}));
  CHECK_FALSE(node.node->can_upgrade_kraft_version());
  for (const ReplicaProgress& replica : node.node->progress())
    CHECK(replica.key == key_of(replica.key.id.value()));
  // A change of the voters waits until this is committed.
  CHECK(refused(node.receive(kAdmin, RemoveRaftVoterRequest{key_of(3)})) == ErrorCode::kRequestTimedOut);
  (void)node.receive(2, node.fetch_of(2, 3, 1));
  CHECK(node.node->high_watermark() == Offset(3));
  CHECK(answer_in(node.receive(kAdmin, RemoveRaftVoterRequest{key_of(3)})) == nullptr);
  CHECK(node.node->voters() == voters_of({1, 2}));
}

TEST_CASE("another leader is told anew, and an upgrade that is truncated away has not been") {
  TestNode node(1, static_voters_of({1, 2, 3}), 0);
  (void)node.lead(2);
  (void)node.receive(2, node.fetch_of(2, 1, 1));
  for (const int id : {2, 3}) REQUIRE(told(node, id) == ErrorCode::kNone);
  (void)node.step(UpgradeKraftVersion{});
  CHECK(node.node->kraft_version() == 1);
  const auto fetch = node.receive(2, BeginQuorumEpochRequest{BrokerId(2), LeaderEpoch(2), key_of(1), {}});
  FetchResponse response;
  response.leader = BrokerId(2);
  response.epoch = LeaderEpoch(2);
  response.diverging = LogPosition{Offset(1), LeaderEpoch(1)};
  (void)node.answer(fetch, 2, response);
  CHECK(node.node->kraft_version() == 0);
  CHECK(node.node->voters() == static_voters_of({1, 2, 3}));
  (void)node.lead(2);
  (void)node.receive(2, node.fetch_of(2, 2, 3));
  REQUIRE(node.node->is_active_leader());
  CHECK_FALSE(node.node->can_upgrade_kraft_version());
}

TEST_CASE("a sole static voter needs nobody's word") {
  TestNode node(1, static_voters_of({1}), 0);
  (void)node.wait(milliseconds(1));
  REQUIRE(node.node->is_active_leader());
  REQUIRE(node.node->can_upgrade_kraft_version());
  (void)node.step(UpgradeKraftVersion{});
  CHECK(node.node->voters() == voters_of({1}));
  CHECK(node.node->is_sole_voter());
}

TEST_CASE("a static voter tells each leader once who it is, after it has followed it for a while") {
  TestNode node(1, static_voters_of({1, 2, 3}), 0);
  const auto follow = [&](int epoch) {
    int count = 0;
    auto sent = node.receive(2, BeginQuorumEpochRequest{BrokerId(2), LeaderEpoch(epoch), key_of(1), {}});
    for (int i = 0; i < 9; ++i) {
      node.now += milliseconds(1900);
      if (const auto* update = find_message<UpdateRaftVoterRequest>(sent, 2)) {
        ++count;
        CHECK(update->voter == voter_of(1));
        UpdateRaftVoterResponse heard;
        heard.leader = BrokerId(2);
        heard.epoch = LeaderEpoch(epoch);
        // The first time the leader is not ready.
        heard.error = count == 1 ? ErrorCode::kRequestTimedOut : ErrorCode::kNone;
        sent = node.answer(sent, 2, heard);
        if (sent.empty()) sent = node.wait(milliseconds(25));
        continue;
      }
      FetchResponse response;
      response.leader = BrokerId(2);
      response.epoch = LeaderEpoch(epoch);
      sent = node.answer(sent, 2, response);
    }
    return count;
  };
  CHECK(follow(1) == 2);
  CHECK(follow(2) == 2);
}
