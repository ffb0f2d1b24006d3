// RaftNode as a follower or without a leader: fetching records and snapshots, truncating what diverges.
#include <algorithm>

#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

void RaftNode::poll_follower() {
  // Those that notice that the leader is dead stand one after the other, or their votes would split.
  constexpr int kRefusalsOfTheDead = 2;
  int before = 0;
  for (const Voter& voter : voters().voters)
    if (voter.key.id < options_.local.id && voter.key.id != state_.leader) ++before;
  const bool is_late =
      now_ >= following_.fetch_deadline || following_.refusals == kRefusalsOfTheDead + before;
  if (may_stand() && is_late && !stopping_) return become_prospective();
  const BrokerId leader = state_.leader;
  const bool leader_is_gone = is_late || requests_.has_failed(leader, now_);
  if (!is_voter() && leader_is_gone) look_for_leader();
  if (!requests_.may_send(leader, now_)) return;
  if (send_voter_request()) return;
  if (following_.snapshot)
    send_fetch_snapshot();
  else
    send_fetch(leader);
}

/// A process that dies takes its listener along, and its host refuses connections to it long before the fetch
/// timeout is over.
void RaftNode::count_refusals(bool is_refused) {
  following_.refusals = is_refused ? following_.refusals + 1 : 0;
}

void RaftNode::send_fetch(BrokerId peer) {
  // The log is about to change, or what a fetch would acknowledge is not on disk yet.
  if (ready_.append_received || ready_.truncate || ready_.install_snapshot) return;
  if (options_.can_become_voter && synced_end_ < log_.end) return;
  FetchRequest request;
  request.replica = options_.local;
  request.epoch = state_.epoch;
  request.position = told_position();
  request.high_watermark = high_watermark_;
  request.max_wait = options_.timeouts.fetch_max_wait;
  send(peer, request);
}

/// Any replica can tell who leads: it is asked for records, and says that it has none to give.
void RaftNode::look_for_leader() {
  if (requests_.any(now_)) return;
  std::vector<BrokerId> peers;
  for (std::size_t i = 0; i < options_.bootstrap_servers; ++i) peers.push_back(bootstrap_peer(i));
  for (const Voter& voter : voters().voters)
    if (voter.key.id != options_.local.id) peers.push_back(voter.key.id);
  std::erase_if(peers, [this](BrokerId peer) { return !requests_.may_send(peer, now_); });
  if (!peers.empty()) send_fetch(peers[options_.random->below(peers.size())]);
}

void RaftNode::on(const AddressedMessage& from, const FetchResponse& response) {
  if (is_handled(from, response.error, response.epoch, response.leader, response.leader_endpoint)) return;
  if (role_ != RaftRole::kFollower || response.error != ErrorCode::kNone) return;
  if (answered_request_.position != log_) return;
  following_.fetch_deadline = now_ + options_.timeouts.fetch;
  following_.has_fetched = true;
  following_.refusals = 0;
  if (response.diverging) return diverge(*response.diverging);
  if (response.snapshot) {
    if (response.snapshot->end < high_watermark_)
      broken_ = "a snapshot replaces nothing that is committed";
    else
      following_.snapshot = response.snapshot;
    following_.snapshot_position = 0;
    return;
  }
  following_.told_high_watermark = response.high_watermark;
  if (response.records_from == log_.end)
    ready_.append_received = true;
  else
    follow_high_watermark();
}

void RaftNode::follow_high_watermark() {
  high_watermark_ = std::max(high_watermark_, std::min(following_.told_high_watermark, log_.end));
}

/// The leader's log has `diverging.last_epoch` up to `diverging.end`, and no later epoch that we have.
void RaftNode::diverge(const LogPosition& diverging) {
  const LogPosition own = options_.log_view->end_of_epoch(diverging.last_epoch);
  const Offset end = own.last_epoch == diverging.last_epoch ? std::min(own.end, diverging.end) : own.end;
  if (end < high_watermark_)
    broken_ = "what is committed is not truncated";
  else
    ready_.truncate = end;
}

void RaftNode::send_fetch_snapshot() {
  FetchSnapshotRequest request;
  request.replica = options_.local;
  request.epoch = state_.epoch;
  request.id = *following_.snapshot;
  request.position = following_.snapshot_position;
  send(state_.leader, request);
}

void RaftNode::on(const AddressedMessage& from, const FetchSnapshotResponse& response) {
  const bool has_no_snapshot =
      response.error == ErrorCode::kSnapshotNotFound || response.error == ErrorCode::kPositionOutOfRange;
  if (has_no_snapshot && role_ == RaftRole::kFollower && response.epoch == state_.epoch) {
    following_.snapshot.reset();  // The next fetch names a newer one.
    following_.fetch_deadline = now_ + options_.timeouts.fetch;
    return;
  }
  if (is_handled(from, response.error, response.epoch, response.leader, response.leader_endpoint)) return;
  if (role_ != RaftRole::kFollower || response.error != ErrorCode::kNone) return;
  if (response.id != following_.snapshot || response.position != following_.snapshot_position) return;
  following_.fetch_deadline = now_ + options_.timeouts.fetch;
  ready_.receive_snapshot = response.id;
  following_.snapshot_position += response.bytes;
  if (following_.snapshot_position < response.size) return;
  ready_.install_snapshot = true;
  following_.snapshot.reset();
}

}  // namespace barnabas::kraft
