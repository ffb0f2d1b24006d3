// RaftNode's way from role to role. Each transition forgets what the role before waited for.
#include <algorithm>

#include "base/check.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

RaftNode::Time RaftNode::random_election_deadline() {
  const auto spread = static_cast<std::uint64_t>(Time(options_.timeouts.election).count());
  return now_ + options_.timeouts.election + Time(options_.random->below(std::max<std::uint64_t>(spread, 1)));
}

void RaftNode::leave_leadership() {
  finish_voter_change(ErrorCode::kNotLeaderOrFollower);
  const std::vector<HeldFetch> held = std::move(leading_.held);
  leading_ = Leading();
  for (const HeldFetch& fetch : held)
    ready_.messages.push_back(
        {fetch.peer, fetch.correlation, fetch_response(ErrorCode::kNotLeaderOrFollower)});
}

void RaftNode::become_unattached(LeaderEpoch epoch, BrokerId leader) {
  CHECK(epoch >= state_.epoch, "the epoch never goes back");
  // Time that was waited already counts, or a stream of new epochs would keep everybody from standing.
  if (role_ == RaftRole::kFollower && now_ < following_.fetch_deadline)
    election_.deadline = following_.fetch_deadline;
  else if (role_ == RaftRole::kFollower || role_ == RaftRole::kLeader || now_ >= election_.deadline)
    election_.deadline = random_election_deadline();
  const ReplicaKey voted = epoch == state_.epoch ? state_.voted : kNoReplica;
  const bool was_leader = role_ == RaftRole::kLeader;
  role_ = RaftRole::kUnattached;
  state_ = {leader, epoch, voted};
  following_ = Following();
  requests_.forget_all();
  if (was_leader) leave_leadership();
}

void RaftNode::become_prospective() {
  role_ = RaftRole::kProspective;
  election_ = {random_election_deadline(), {options_.local.id}, {}};
  requests_.forget_all();
  count_votes();
}

void RaftNode::become_candidate() {
  role_ = RaftRole::kCandidate;
  state_ = {kNoBroker, LeaderEpoch(state_.epoch.value() + 1), options_.local};
  election_ = {random_election_deadline(), {options_.local.id}, {}};
  following_ = Following();
  requests_.forget_all();
  count_votes();
}

void RaftNode::become_leader() {
  role_ = RaftRole::kLeader;
  state_.leader = options_.local.id;
  state_.voted = kNoReplica;  // as Kafka stores it: who leads has nothing left to vote for
  following_ = Following();
  leading_ = Leading();
  leading_.epoch_start = log_.end;
  leading_.inherited_high_watermark = high_watermark_;
  leading_.quorum_deadline = now_ + options_.timeouts.fetch * 3 / 2;
  leading_.next_begin = now_;
  requests_.forget_all();
  refresh_replicas();
  collect_told_voters();

  LeaderChangeControl change;
  change.leader = options_.local.id;
  for (const Voter& voter : voters().voters) change.voters.push_back(voter.key.id);
  change.granting_voters.assign(election_.granted.begin(), election_.granted.end());
  if (change.granting_voters.empty()) change.granting_voters = {options_.local.id};
  ready_.append.emplace_back(std::move(change));
  const bool updates = !is_alone() && kraft_version() > 0 && local_voter_needs_update();
  const bool writes = options_.write_voters && voter_history_.size() == 1;
  if (!writes && !updates) return;
  VoterSet written = voters();
  if (updates)
    for (Voter& voter : written.voters)
      if (voter.key.id == options_.local.id) voter = local_voter();
  ready_.append.emplace_back(KraftVersionControl{kraft_version()});
  ready_.append.emplace_back(VotersControl{written});
  for (std::size_t i = 1; i < ready_.append.size(); ++i)
    apply(log_.end + static_cast<std::int64_t>(i), ready_.append[i]);
}

void RaftNode::become_follower(LeaderEpoch epoch, BrokerId leader, std::vector<VoterEndpoint> endpoints) {
  CHECK(epoch >= state_.epoch, "the epoch never goes back");
  if (epoch == state_.epoch && role_ == RaftRole::kLeader) {
    broken_ = "a leader follows nobody in its own epoch";
    return;
  }
  const ReplicaKey voted = epoch == state_.epoch ? state_.voted : kNoReplica;
  const bool was_leader = role_ == RaftRole::kLeader;
  role_ = RaftRole::kFollower;
  state_ = {leader, epoch, voted};
  following_ = Following();
  following_.fetch_deadline = now_ + options_.timeouts.fetch;
  following_.next_voter_update = now_ + voter_update_delay();
  following_.leader_endpoints = std::move(endpoints);
  requests_.forget_all();
  if (was_leader) leave_leadership();
}

void RaftNode::become_resigned() {
  resigning_ = Resigning();
  std::vector<ReplicaProgress> by_progress = leading_.replicas;
  std::ranges::sort(by_progress, [](const auto& a, const auto& b) {
    return a.end != b.end ? a.end > b.end : a.key < b.key;
  });
  for (const ReplicaProgress& replica : by_progress)
    if (voters().has_voter(replica.key)) resigning_.successors.push_back(replica.key);
  for (const Voter& voter : voters().voters)
    if (voter.key.id != options_.local.id) resigning_.unacknowledged.insert(voter.key.id);
  const bool was_leader = role_ == RaftRole::kLeader;
  role_ = RaftRole::kResigned;
  election_ = {random_election_deadline(), {}, {}};
  requests_.forget_all();
  if (was_leader) leave_leadership();
}

bool RaftNode::contradicts(LeaderEpoch epoch, BrokerId leader) const {
  if (epoch != state_.epoch || leader == kNoBroker) return false;
  // Who is named leader by others while it does not lead may have led this epoch before its disk was lost.
  if (leader == options_.local.id) return state_.leader != leader;
  return state_.leader != kNoBroker && state_.leader != leader;
}

void RaftNode::learn(LeaderEpoch epoch, BrokerId leader, std::vector<VoterEndpoint> endpoints) {
  if (epoch < state_.epoch || contradicts(epoch, leader)) return;
  if (leader == options_.local.id) leader = kNoBroker;  // it led before a crash that it forgot
  if (endpoints.empty() && leader != kNoBroker)
    if (const Voter* voter = voters().find(leader)) endpoints = voter->endpoints;
  const bool can_follow = leader != kNoBroker && !endpoints.empty();
  if (epoch > state_.epoch) {
    if (can_follow)
      become_follower(epoch, leader, std::move(endpoints));
    else
      become_unattached(epoch, leader);
  } else if (can_follow && (state_.leader == kNoBroker || role_ == RaftRole::kUnattached)) {
    become_follower(epoch, leader, std::move(endpoints));
  }
}

}  // namespace barnabas::kraft
