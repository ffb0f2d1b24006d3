#include <catch2/catch.hpp>

#include "kraft/quorum_state_file.hpp"
#include "kraft/raft/raft_node.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

constexpr std::chrono::nanoseconds kNow{0};

RaftNode lone_voter(QuorumState state = {}, LogPosition log = {}) {
  RaftOptions options;
  options.local = {BrokerId(1), DirectoryId(Uuid::of_low(1000))};
  Voter voter;
  voter.key = options.local;
  options.voters.voters.push_back(voter);
  options.kraft_version = 1;
  options.write_voters = true;
  auto node = RaftNode::create(options, state, log);
  REQUIRE(node);
  return *node;
}

Ready checked_step(RaftNode& node, const RaftInput& input) {
  Ready ready = node.step(input, kNow);
  const char* broken = node.check_invariants();
  INFO((broken == nullptr ? "" : broken));
  REQUIRE(broken == nullptr);
  return ready;
}

}  // namespace

TEST_CASE("a lone voter leads only after its state is durable, and commits only after its log is") {
  RaftNode node = lone_voter({BrokerId(1), LeaderEpoch(4), {}}, {Offset(10), LeaderEpoch(4)});
  const Ready election = checked_step(node, Tick{});
  REQUIRE(election.persist);
  CHECK(election.persist->epoch == LeaderEpoch(5));
  CHECK(election.append.empty());
  CHECK(node.role() == RaftRole::kCandidate);

  const Ready elected = checked_step(node, StatePersisted{*election.persist});
  CHECK(node.role() == RaftRole::kLeader);
  CHECK(elected.append.size() == 3);
  CHECK(elected.high_watermark == Offset(0));

  checked_step(node, LogAppended{{Offset(13), LeaderEpoch(5)}});
  CHECK_FALSE(node.is_active_leader());
  // What older leaders wrote is not committed by being on disk alone.
  CHECK(checked_step(node, LogSynced{Offset(10)}).high_watermark == Offset(0));
  CHECK(checked_step(node, LogSynced{Offset(13)}).high_watermark == Offset(13));
  CHECK(node.is_active_leader());
  CHECK_FALSE(checked_step(node, Tick{}).persist);
}

TEST_CASE("the epoch is never one that the log has seen, even when the state was lost") {
  RaftNode node = lone_voter({}, {Offset(10), LeaderEpoch(7)});
  const Ready election = checked_step(node, Tick{});
  REQUIRE(election.persist);
  CHECK(election.persist->epoch == LeaderEpoch(8));
}

TEST_CASE("a stranger's vote request is refused and changes nothing") {
  RaftNode node = lone_voter();
  const Ready election = checked_step(node, Tick{});
  checked_step(node, StatePersisted{*election.persist});
  VoteRequest request;
  request.candidate = {BrokerId(9), DirectoryId()};
  request.epoch = LeaderEpoch(99);
  const Ready answer = checked_step(node, MessageReceived{{BrokerId(9), 1, request}});
  REQUIRE(answer.messages.size() == 1);
  const auto& response = std::get<VoteResponse>(answer.messages[0].message);
  CHECK_FALSE(response.granted);
  CHECK(response.error == ErrorCode::kInconsistentVoterSet);
  CHECK(node.epoch() == LeaderEpoch(1));
  CHECK(node.role() == RaftRole::kLeader);
}

TEST_CASE("quorum-state is written in both shapes as Kafka 4.3.1 writes them, and read back") {
  const QuorumState state{BrokerId(1), LeaderEpoch(2), {kNoBroker, DirectoryId()}};
  VoterSet voters = *parse_static_voters("1@localhost:9093", "CONTROLLER");
  const std::string dynamic = format_quorum_state(state, 1, voters);
  CHECK(dynamic == R"({"leaderId":1,"leaderEpoch":2,"votedId":-1,)"
                   R"("votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1})");
  CHECK(*parse_quorum_state(dynamic) == state);
  CHECK(*parse_quorum_state(format_quorum_state(state, 0, voters)) == state);
  CHECK_FALSE(parse_quorum_state("{}"));
  CHECK_FALSE(parse_quorum_state(dynamic.substr(0, 60)));
}

TEST_CASE("voters are parsed, and what is none is refused") {
  auto voters = parse_initial_controllers("1@[::1]:9093:brgll3uFTVCcjfUw8Z95lQ", "CONTROLLER");
  REQUIRE(voters);
  CHECK(voters->voters[0].endpoints[0].endpoint.host == "::1");
  CHECK(voters->voters[0].key.directory.value().to_string() == "brgll3uFTVCcjfUw8Z95lQ");
  for (const char* text : {"", "1", "1@host", "x@host:1", "1@host:99999", "1@:1", "1@a:1,1@b:2"})
    CHECK_FALSE(parse_static_voters(text, "CONTROLLER"));
}
