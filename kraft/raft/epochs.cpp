// RaftNode and the two ends of a leader's epoch: BeginQuorumEpoch makes it known, EndQuorumEpoch hands it
// over.
#include <algorithm>

#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

void RaftNode::send_begin_epochs() {
  if (now_ < leading_.next_begin) return;
  const Time interval = Time(options_.timeouts.fetch) / 2;
  leading_.next_begin = now_ + interval;
  for (const Voter& voter : voters().voters) {
    if (voter.key.id == options_.local.id || !requests_.may_send(voter.key.id, now_)) continue;
    const ReplicaProgress* known = progress_of(voter.key);
    if (known != nullptr && known->last_fetch && now_ - *known->last_fetch < interval) continue;
    BeginQuorumEpochRequest request;
    request.leader = options_.local.id;
    request.epoch = state_.epoch;
    request.voter = voter.key;
    request.leader_endpoints = options_.local_endpoints;
    send(voter.key.id, std::move(request));
  }
}

void RaftNode::on(const AddressedMessage& from, const BeginQuorumEpochRequest& request) {
  if (request.epoch < state_.epoch)
    return reply(from, refusal<BeginQuorumEpochResponse>(ErrorCode::kFencedLeaderEpoch));
  if (request.leader < BrokerId(0) || request.leader == options_.local.id ||
      contradicts(request.epoch, request.leader))
    return reply(from, refusal<BeginQuorumEpochResponse>(ErrorCode::kInvalidRequest));
  learn(request.epoch, request.leader, request.leader_endpoints);
  const ErrorCode error = is_addressed(request.voter) ? ErrorCode::kNone : ErrorCode::kInvalidVoterKey;
  reply(from, refusal<BeginQuorumEpochResponse>(error));
}

void RaftNode::on(const AddressedMessage& from, const BeginQuorumEpochResponse& response) {
  // That it was heard shows in the fetches that follow.
  (void)is_handled(from, response.error, response.epoch, response.leader, response.leader_endpoint);
}

void RaftNode::send_end_epochs() {
  for (const BrokerId peer : resigning_.unacknowledged) {
    if (!requests_.may_send(peer, now_)) continue;
    EndQuorumEpochRequest request;
    request.leader = options_.local.id;
    request.epoch = state_.epoch;
    request.preferred_successors = resigning_.successors;
    request.leader_endpoints = options_.local_endpoints;
    send(peer, std::move(request));
  }
}

void RaftNode::on(const AddressedMessage& from, const EndQuorumEpochRequest& request) {
  if (request.epoch < state_.epoch)
    return reply(from, refusal<EndQuorumEpochResponse>(ErrorCode::kFencedLeaderEpoch));
  if (request.leader < BrokerId(0) || request.leader == options_.local.id ||
      contradicts(request.epoch, request.leader))
    return reply(from, refusal<EndQuorumEpochResponse>(ErrorCode::kInvalidRequest));
  learn(request.epoch, request.leader, request.leader_endpoints);
  if (role_ == RaftRole::kFollower && state_.leader == request.leader)
    following_.fetch_deadline = now_ + end_epoch_backoff(request.preferred_successors);
  reply(from, refusal<EndQuorumEpochResponse>(ErrorCode::kNone));
}

/// The best successor stands at once, each later one waits twice as long as the one before it.
RaftNode::Time RaftNode::end_epoch_backoff(const std::vector<ReplicaKey>& successors) const {
  const auto own = std::ranges::find_if(successors, [this](const ReplicaKey& key) {
    return key.id == options_.local.id &&
           (key.directory == DirectoryId() || key.directory == options_.local.directory);
  });
  const std::int64_t most = options_.timeouts.election_backoff_max.count();
  if (own == successors.end()) return std::chrono::milliseconds(most);
  const auto position = own - successors.begin();
  if (position == 0) return Time(0);
  constexpr std::int64_t kMostDoublings = 30;
  const std::int64_t halvings = std::min<std::int64_t>(std::ssize(successors) - 1, kMostDoublings);
  const std::int64_t doublings = std::min<std::int64_t>(position - 1, kMostDoublings);
  return std::chrono::milliseconds(std::min(most, (most >> halvings) << doublings));
}

void RaftNode::on(const AddressedMessage& from, const EndQuorumEpochResponse& response) {
  if (is_handled(from, response.error, response.epoch, response.leader, response.leader_endpoint)) return;
  if (role_ == RaftRole::kResigned && response.error == ErrorCode::kNone)
    resigning_.unacknowledged.erase(from.peer);
}

}  // namespace barnabas::kraft
