// RaftNode's elections: pre-votes (KIP-996), votes, and counting them.
#include "base/check.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

void RaftNode::on(const AddressedMessage& from, const VoteRequest& request) {
  const bool is_malformed =
      request.candidate.id < BrokerId(0) || request.last.end < Offset(0) ||
      request.last.last_epoch < LeaderEpoch(0) ||
      (request.pre_vote ? request.last.last_epoch > request.epoch : request.last.last_epoch >= request.epoch);
  if (is_malformed) return reply(from, refusal<VoteResponse>(ErrorCode::kInvalidRequest));
  if (request.epoch < state_.epoch) return reply(from, refusal<VoteResponse>(ErrorCode::kFencedLeaderEpoch));
  if (request.epoch > state_.epoch) become_unattached(request.epoch, kNoBroker);
  if (!is_addressed(request.voter)) return reply(from, refusal<VoteResponse>(ErrorCode::kInvalidVoterKey));

  const bool granted = can_grant(request);
  if (granted && !request.pre_vote && state_.voted == kNoReplica) {
    state_.voted = request.candidate;
    if (role_ == RaftRole::kUnattached) election_.deadline = random_election_deadline();
  }
  VoteResponse response = refusal<VoteResponse>(ErrorCode::kNone);
  response.granted = granted;
  reply(from, response);
}

bool RaftNode::is_addressed(const ReplicaKey& voter) const {
  if (voter.id == kNoBroker) return true;  // versions that do not say it
  return voter.id == options_.local.id &&
         (voter.directory == DirectoryId() || voter.directory == options_.local.directory);
}

bool RaftNode::can_grant(const VoteRequest& request) const {
  const LogPosition own = told_position();
  const bool is_up_to_date = request.last.last_epoch > own.last_epoch ||
                             (request.last.last_epoch == own.last_epoch && request.last.end >= own.end);
  const bool voted_for_it =
      state_.voted.id == request.candidate.id &&
      (state_.voted.directory == DirectoryId() || state_.voted.directory == request.candidate.directory);
  switch (role_) {
    case RaftRole::kUnattached:
    case RaftRole::kProspective:
      if (request.pre_vote) return is_up_to_date;
      if (state_.voted != kNoReplica) return voted_for_it;
      return state_.leader == kNoBroker && is_up_to_date;
    case RaftRole::kFollower:
      // Who fetches has a living leader, and no reason to support another. An observer goes on following one
      // that it does not reach any more; it may be a voter to those that know of a later change.
      if (request.pre_vote) {
        const bool has_leader =
            following_.has_fetched && following_.refusals == 0 && now_ < following_.fetch_deadline;
        return is_up_to_date && !has_leader;
      }
      return state_.voted != kNoReplica && voted_for_it;
    case RaftRole::kCandidate:
    case RaftRole::kResigned:
      return request.pre_vote && is_up_to_date;
    case RaftRole::kLeader:
      return false;
  }
  return false;
}

void RaftNode::send_votes() {
  // A vote for what a crash could take away would be remembered beyond the crash.
  if (synced_end_ < log_.end) return;
  for (const Voter& voter : voters().voters) {
    const BrokerId peer = voter.key.id;
    const bool is_open =
        peer != options_.local.id && !election_.granted.contains(peer) && !election_.rejected.contains(peer);
    if (!is_open || !requests_.may_send(peer, now_)) continue;
    VoteRequest request;
    request.candidate = options_.local;
    request.epoch = state_.epoch;
    request.last = told_position();
    request.pre_vote = role_ == RaftRole::kProspective;
    request.voter = voter.key;
    send(peer, request);
  }
}

void RaftNode::on(const AddressedMessage& from, const VoteResponse& response) {
  // A voter that does not know pre-votes has nothing against the candidate.
  if (response.error == ErrorCode::kUnsupportedVersion && role_ == RaftRole::kProspective) {
    election_.granted.insert(from.peer);
    return count_votes();
  }
  if (is_handled(from, response.error, response.epoch, response.leader, response.leader_endpoint)) return;
  const bool is_standing = role_ == RaftRole::kProspective || role_ == RaftRole::kCandidate;
  if (!is_standing || response.error != ErrorCode::kNone || !voters().contains(from.peer)) return;
  (response.granted ? election_.granted : election_.rejected).insert(from.peer);
  count_votes();
}

void RaftNode::count_votes() {
  const std::size_t all = voters().voters.size();
  const std::size_t majority = all / 2 + 1;
  std::size_t granted = 0;
  std::size_t rejected = 0;
  for (const Voter& voter : voters().voters) {
    if (election_.granted.contains(voter.key.id)) ++granted;
    if (election_.rejected.contains(voter.key.id)) ++rejected;
  }
  if (granted >= majority) {
    if (role_ == RaftRole::kProspective)
      become_candidate();
    else if (role_ == RaftRole::kCandidate)
      become_leader();
  } else if (role_ == RaftRole::kProspective) {
    // Who stands early asks once: voters of Apache Kafka refuse as long as they could still hear of the
    // leader.
    const bool stands_early = following_.fetch_deadline > now_ && state_.leader != kNoBroker;
    if (rejected > all - majority || (stands_early && rejected > 0)) lose_pre_vote();
  }
  // A candidate that lost waits for the rest of its time: another may have won.
}

void RaftNode::lose_pre_vote() {
  if (state_.leader != kNoBroker && voters().contains(state_.leader) && state_.leader != options_.local.id) {
    const Following before = following_;  // as it was when this node stood
    become_follower(state_.epoch, state_.leader, {});
    if (before.fetch_deadline > now_) {
      // It stood early, and others still hear of the leader or wait for it (voters of Apache Kafka do): it
      // stands again with them, and grants them their pre-votes.
      following_.fetch_deadline = before.fetch_deadline;
      following_.refusals = before.refusals + 1;
    }
    return;
  }
  election_.deadline = now_;  // used up
  become_unattached(state_.epoch, state_.leader);
}

}  // namespace barnabas::kraft
