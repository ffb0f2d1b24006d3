// RaftNode as a leader: answering fetches, what they acknowledge, and whether a majority still follows.
#include <algorithm>

#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

namespace {
/// Kafka's: an observer that has not fetched for so long is forgotten.
constexpr std::chrono::minutes kObserverSession{5};
}  // namespace

ErrorCode RaftNode::validate_leader_request(LeaderEpoch epoch) const {
  if (epoch < state_.epoch) return ErrorCode::kFencedLeaderEpoch;
  if (epoch > state_.epoch) return ErrorCode::kUnknownLeaderEpoch;
  if (role_ != RaftRole::kLeader) return ErrorCode::kNotLeaderOrFollower;
  return ErrorCode::kNone;
}

FetchResponse RaftNode::fetch_response(ErrorCode error) const {
  FetchResponse response = refusal<FetchResponse>(error);
  response.high_watermark = announced_high_watermark();
  return response;
}

void RaftNode::on(const AddressedMessage& from, const FetchRequest& request) {
  if (request.position.end < Offset(0) || request.position.last_epoch < LeaderEpoch(0) ||
      request.epoch < LeaderEpoch(0) || request.replica.id == options_.local.id)
    return reply(from, fetch_response(ErrorCode::kInvalidRequest));
  if (const ErrorCode error = validate_leader_request(request.epoch); error != ErrorCode::kNone)
    return reply(from, fetch_response(error));
  FetchResponse response = fetch_response(ErrorCode::kNone);
  if (!validate_position(request.position, response)) return reply(from, std::move(response));
  if (request.replica.id >= BrokerId(0)) record_fetch(request);
  response = fetch_response(ErrorCode::kNone);
  // Who asks again has given up the question before, which is answered all the same: each is, once.
  std::erase_if(leading_.held, [&](const HeldFetch& held) {
    if (held.request.replica != request.replica || request.replica.id < BrokerId(0)) return false;
    ready_.messages.push_back({held.peer, held.correlation, fetch_response(ErrorCode::kNone)});
    return true;
  });
  if (request.position.end < log_.end) {
    response.records_from = request.position.end;
    return reply(from, std::move(response));
  }
  if (request.high_watermark < announced_high_watermark() || request.max_wait.count() <= 0)
    return reply(from, std::move(response));
  leading_.held.push_back({from.peer, from.correlation, request, now_ + request.max_wait});
}

bool RaftNode::validate_position(const LogPosition& position, FetchResponse& response) const {
  const RaftLogView& view = *options_.log_view;
  const Offset start = view.start();
  if (start == Offset(0) && position.end == Offset(0) && position.last_epoch == LeaderEpoch(0)) return true;
  const std::optional<SnapshotId> earliest = view.earliest_snapshot();
  if (earliest &&
      (position.end < start || (position.end == start && position.last_epoch != earliest->epoch) ||
       position.last_epoch < earliest->epoch)) {
    response.snapshot = view.latest_snapshot();
    return false;
  }
  const LogPosition own = view.end_of_epoch(position.last_epoch);
  if (own.last_epoch == position.last_epoch && position.end <= own.end) return true;
  response.diverging = own;
  return false;
}

ReplicaProgress* RaftNode::progress_of(const ReplicaKey& key) {
  for (ReplicaProgress& replica : leading_.replicas)
    if (replica.key.id == key.id &&
        (replica.key.directory == key.directory || replica.key.directory == DirectoryId()))
      return &replica;
  return nullptr;
}

void RaftNode::record_fetch(const FetchRequest& request) {
  ReplicaProgress* replica = progress_of(request.replica);
  if (replica == nullptr) {
    std::erase_if(leading_.replicas, [&](const ReplicaProgress& known) {
      return !voters().has_voter(known.key) && known.last_fetch &&
             now_ - *known.last_fetch >= kObserverSession;
    });
    leading_.replicas.emplace_back().key = request.replica;
    replica = &leading_.replicas.back();
  }
  if (request.position.end >= log_.end)
    replica->last_caught_up = now_;
  else if (replica->last_fetch && replica->leader_end_at_last_fetch > Offset(0) &&
           request.position.end >= replica->leader_end_at_last_fetch)
    replica->last_caught_up = std::max(replica->last_caught_up.value_or(Time(0)), *replica->last_fetch);
  replica->leader_end_at_last_fetch = log_.end;
  replica->last_fetch = now_;
  replica->end = request.position.end;
  mark_alive(request.replica);
  advance_high_watermark();
}

/// A leader that a majority of voters does not fetch from must not believe for long that it leads.
void RaftNode::mark_alive(const ReplicaKey& key) {
  if (!voters().has_voter(key)) return;
  leading_.fetched_voters.insert(key.id);
  const std::size_t majority = voters().voters.size() / 2 + 1;
  if (leading_.fetched_voters.size() + (is_voter() ? 1 : 0) < majority) return;
  leading_.fetched_voters.clear();
  leading_.quorum_deadline = now_ + options_.timeouts.fetch * 3 / 2;
}

void RaftNode::advance_high_watermark() {
  if (role_ != RaftRole::kLeader || voters().voters.empty()) return;
  std::vector<Offset> ends;
  for (const Voter& voter : voters().voters) {
    if (is_voter() && voter.key.id == options_.local.id) {
      ends.push_back(synced_end_);  // what is not on disk is not there
      continue;
    }
    const ReplicaProgress* replica = progress_of(voter.key);
    ends.push_back(replica == nullptr ? kNoOffset : replica->end);
  }
  std::ranges::sort(ends, std::greater());
  const Offset committed = ends[ends.size() / 2];
  // Records of older epochs are committed only together with one of this epoch (Raft, figure 8).
  if (committed <= leading_.epoch_start || committed <= high_watermark_) return;
  high_watermark_ = committed;
  answer_held(false);
  complete_voter_change();
}

void RaftNode::answer_held(bool all) {
  std::vector<HeldFetch> held;
  held.swap(leading_.held);
  for (HeldFetch& fetch : held) {
    const bool has_records = fetch.request.position.end < log_.end;
    const bool has_news = fetch.request.high_watermark < announced_high_watermark();
    if (!all && !has_records && !has_news && now_ < fetch.deadline) {
      leading_.held.push_back(std::move(fetch));
      continue;
    }
    FetchResponse response = fetch_response(ErrorCode::kNone);
    if (has_records) response.records_from = fetch.request.position.end;
    ready_.messages.push_back({fetch.peer, fetch.correlation, std::move(response)});
  }
}

void RaftNode::poll_leader() {
  const bool has_lost_quorum = voters().voters.size() > 1 && now_ >= leading_.quorum_deadline;
  if (leading_.resign_requested || has_lost_quorum) return become_resigned();
  poll_voter_change();
  send_begin_epochs();
  answer_held(false);
}

void RaftNode::on(const AddressedMessage& from, const FetchSnapshotRequest& request) {
  if (const ErrorCode error = validate_leader_request(request.epoch); error != ErrorCode::kNone)
    return reply(from, refusal<FetchSnapshotResponse>(error));
  FetchSnapshotResponse response = refusal<FetchSnapshotResponse>(ErrorCode::kNone);
  response.id = request.id;
  response.position = request.position;
  const std::optional<std::int64_t> size = options_.log_view->snapshot_size(request.id);
  if (!size || request.id == SnapshotId{Offset(0), LeaderEpoch(0)}) {
    response.error = ErrorCode::kSnapshotNotFound;
  } else if (request.position < 0 || request.position >= *size) {
    response.error = ErrorCode::kPositionOutOfRange;
  } else {
    response.size = *size;
    mark_alive(request.replica);
  }
  reply(from, std::move(response));
}

void RaftNode::refresh_replicas() {
  for (const Voter& voter : voters().voters) {
    if (voter.key.id == options_.local.id) continue;
    ReplicaProgress* known = progress_of(voter.key);
    if (known == nullptr) known = &leading_.replicas.emplace_back();
    known->key = voter.key;  // with a directory from kraft.version 1 on
  }
  std::erase_if(leading_.fetched_voters, [this](BrokerId id) { return !voters().contains(id); });
  // A majority of other voters is given its whole time: who led alone was never asked for one.
  leading_.quorum_deadline = std::max(leading_.quorum_deadline, now_ + options_.timeouts.fetch * 3 / 2);
}

}  // namespace barnabas::kraft
