// RaftNode and changes of the voter set (KIP-853), one at a time; a controller that joins by itself
// (KIP-1186).
#include <algorithm>

#include "base/check.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

namespace {
constexpr std::int16_t kMinKraftVersion = 0;
constexpr std::int16_t kMaxKraftVersion = 1;
/// Kafka's: a replica that fetched this recently is not too far behind to vote.
constexpr std::chrono::hours kRecentFetch{1};
}  // namespace

/// What keeps any change from being made now; no error when nothing does.
ChangeRaftVoterResponse RaftNode::voter_change_refusal(std::string_view doing) const {
  if (leading_.change) return {ErrorCode::kRequestTimedOut, "another change of the voters is under way"};
  if (!is_active_leader())
    return {ErrorCode::kRequestTimedOut, "this leader has not yet committed a record of its epoch"};
  if (kraft_version() < 1)
    return {ErrorCode::kUnsupportedVersion, "Cluster doesn't support " + std::string(doing) +
                                                " voter because the kraft.version feature is 0"};
  if (voter_history_.back().offset >= high_watermark_)
    return {ErrorCode::kRequestTimedOut, "the last change of the voters is not yet committed"};
  return {};
}

void RaftNode::on(const AddressedMessage& from, const AddRaftVoterRequest& request) {
  const auto refuse = [&](ErrorCode error, std::string text) {
    reply(from, ChangeRaftVoterResponse{error, std::move(text)});
  };
  if (role_ != RaftRole::kLeader) return refuse(ErrorCode::kNotLeaderOrFollower, "");
  const ReplicaKey& key = request.voter.key;
  if (key.id < BrokerId(0) || key.directory == DirectoryId() || request.voter.endpoints.empty())
    return refuse(ErrorCode::kInvalidRequest, "a voter has an id, a directory id and an endpoint");
  ChangeRaftVoterResponse refusal = voter_change_refusal("adding");
  if (refusal.error != ErrorCode::kNone) return reply(from, std::move(refusal));
  if (voters().contains(key.id))
    return refuse(ErrorCode::kDuplicateVoter,
                  "node " + std::to_string(key.id.value()) + " is already a voter");
  if (!requests_.may_send(key.id, now_))
    return refuse(ErrorCode::kRequestTimedOut,
                  "node " + std::to_string(key.id.value()) + " does not take requests now");
  leading_.change =
      VoterChange{from.peer, from.correlation, request, std::nullopt, now_ + options_.timeouts.request};
  send(key.id, KraftVersionsRequest{});
}

void RaftNode::on(const AddressedMessage& from, const KraftVersionsRequest&) {
  reply(from, KraftVersionsResponse{ErrorCode::kNone, kMinKraftVersion, kMaxKraftVersion});
}

void RaftNode::on(const AddressedMessage& from, const KraftVersionsResponse& response) {
  if (role_ != RaftRole::kLeader || !leading_.change || !leading_.change->add || leading_.change->offset)
    return;
  VoterChange& change = *leading_.change;
  if (change.add->voter.key.id != from.peer) return;
  if (response.error != ErrorCode::kNone)
    return finish_voter_change(ErrorCode::kRequestTimedOut, "the new voter refused to tell its versions");
  if (response.min > kraft_version() || response.max < kraft_version())
    return finish_voter_change(ErrorCode::kInvalidRequest, "the new voter does not support kraft.version " +
                                                               std::to_string(kraft_version()));
  const ReplicaProgress* replica = progress_of(change.add->voter.key);
  const bool is_caught_up = replica != nullptr && replica->last_caught_up && replica->last_fetch &&
                            now_ - *replica->last_fetch < kRecentFetch;
  if (!is_caught_up) return finish_voter_change(ErrorCode::kRequestTimedOut, "the new voter lags behind");
  VoterSet next = voters();
  Voter& added = next.voters.emplace_back(change.add->voter);
  added.min_kraft_version = response.min;
  added.max_kraft_version = response.max;
  change.offset = append_voters(std::move(next));
  if (!change.add->ack_when_committed) finish_voter_change(ErrorCode::kNone);
}

void RaftNode::on(const AddressedMessage& from, const RemoveRaftVoterRequest& request) {
  const auto refuse = [&](ErrorCode error, std::string text) {
    reply(from, ChangeRaftVoterResponse{error, std::move(text)});
  };
  if (role_ != RaftRole::kLeader) return refuse(ErrorCode::kNotLeaderOrFollower, "");
  if (request.voter.id < BrokerId(0) || request.voter.directory == DirectoryId())
    return refuse(ErrorCode::kInvalidRequest, "a voter has an id and a directory id");
  ChangeRaftVoterResponse refusal = voter_change_refusal("removing");
  if (refusal.error != ErrorCode::kNone) return reply(from, std::move(refusal));
  const Voter* voter = voters().find(request.voter.id);
  if (voter == nullptr || voter->key != request.voter)
    return refuse(ErrorCode::kVoterNotFound,
                  "node " + std::to_string(request.voter.id.value()) + " with this directory is no voter");
  if (voters().voters.size() == 1) return refuse(ErrorCode::kInvalidRequest, "the last voter stays");
  VoterSet next = voters();
  std::erase_if(next.voters, [&](const Voter& other) { return other.key == request.voter; });
  leading_.change = VoterChange{from.peer, from.correlation, std::nullopt, append_voters(std::move(next)),
                                now_ + options_.timeouts.request};
}

void RaftNode::on(const AddressedMessage& from, const UpdateRaftVoterRequest& request) {
  const auto answer = [&](ErrorCode error) { reply(from, refusal<UpdateRaftVoterResponse>(error)); };
  if (const ErrorCode error = validate_leader_request(request.epoch); error != ErrorCode::kNone)
    return answer(error);
  const Voter& update = request.voter;
  if (kraft_version() < 1) return answer(note_told_voter(update));
  if (const ChangeRaftVoterResponse refusal = voter_change_refusal("updating");
      refusal.error != ErrorCode::kNone)
    return answer(refusal.error);
  if (!is_usable(update)) return answer(ErrorCode::kInvalidRequest);
  const Voter* voter = voters().find(update.key.id);
  if (voter == nullptr || voter->key != update.key) return answer(ErrorCode::kVoterNotFound);
  VoterSet next = voters();
  for (Voter& other : next.voters)
    if (other.key == update.key) other = update;
  (void)append_voters(std::move(next));
  answer(ErrorCode::kNone);
}

/// Static voters have no directories and no versions of their own until each has told its own (measured on
/// Kafka 4.3.1), and the leader knows itself.
void RaftNode::collect_told_voters() {
  if (kraft_version() > 0) return;
  leading_.told_voters = voters();
  for (Voter& voter : leading_.told_voters.voters) {
    if (voter.key.id == options_.local.id)
      voter = local_voter();
    else
      voter.key.directory = DirectoryId();
  }
}

ErrorCode RaftNode::note_told_voter(const Voter& voter) {
  if (!is_active_leader()) return ErrorCode::kRequestTimedOut;
  if (!is_usable(voter)) return ErrorCode::kInvalidRequest;
  for (Voter& known : leading_.told_voters.voters) {
    if (known.key.id != voter.key.id) continue;
    known = voter;
    return ErrorCode::kNone;
  }
  return ErrorCode::kVoterNotFound;
}

bool RaftNode::can_upgrade_kraft_version() const {
  if (role_ != RaftRole::kLeader || kraft_version() > 0) return false;
  return std::ranges::all_of(leading_.told_voters.voters, [](const Voter& voter) {
    return voter.key.directory != DirectoryId() && voter.max_kraft_version >= 1;
  });
}

/// One batch, so that no replica has the one without the other. The voters stay the same, so nothing that is
/// not committed stands in its way.
void RaftNode::on(const UpgradeKraftVersion&) {
  if (!can_upgrade_kraft_version()) return;
  const Offset offset = log_.end + std::ssize(ready_.append);
  ready_.append.emplace_back(KraftVersionControl{1});
  apply(offset, ready_.append.back());
  (void)append_voters(std::move(leading_.told_voters));
}

/// It knows the version in force, and listens where voters are asked: on the first of our own listeners.
bool RaftNode::is_usable(const Voter& voter) const {
  if (voter.min_kraft_version > kraft_version() || voter.max_kraft_version < kraft_version()) return false;
  return std::ranges::any_of(voter.endpoints, [this](const VoterEndpoint& endpoint) {
    return options_.local_endpoints.empty() || endpoint.listener == options_.local_endpoints[0].listener;
  });
}

Offset RaftNode::append_voters(VoterSet next) {
  const Offset offset = log_.end + std::ssize(ready_.append);
  ready_.append.emplace_back(VotersControl{std::move(next)});
  apply(offset, ready_.append.back());
  return offset;
}

void RaftNode::finish_voter_change(ErrorCode error, std::string message) {
  if (!leading_.change) return;
  ready_.messages.push_back({leading_.change->peer, leading_.change->correlation,
                             ChangeRaftVoterResponse{error, std::move(message)}});
  leading_.change.reset();
}

void RaftNode::poll_voter_change() {
  if (leading_.change && now_ >= leading_.change->deadline)
    finish_voter_change(ErrorCode::kRequestTimedOut, "the change is not committed yet");
}

/// The high watermark moved.
void RaftNode::complete_voter_change() {
  if (leading_.change && leading_.change->offset && *leading_.change->offset < high_watermark_)
    finish_voter_change(ErrorCode::kNone);
  // A leader goes on until the set without it is committed, as nobody else could commit it for sure.
  if (!is_voter() && voter_history_.back().offset < high_watermark_) leading_.resign_requested = true;
}

Voter RaftNode::local_voter() const {
  return {options_.local, options_.local_endpoints, kMinKraftVersion, kMaxKraftVersion};
}

RaftNode::Time RaftNode::voter_update_delay() const {
  return options_.timeouts.fetch * (kraft_version() < 1 ? 1 : 3);
}

bool RaftNode::local_voter_needs_update() const {
  if (options_.local_endpoints.empty() || !is_voter()) return false;
  const Voter* voter = voters().find(options_.local.id);
  return voter->key == options_.local && *voter != local_voter();
}

/// A voter keeps its entry true; a controller told to join asks for its own. True when a request was sent.
bool RaftNode::send_voter_request() {
  if (now_ < following_.next_voter_update || stopping_) return false;
  if (is_voter()) {
    const bool is_known = kraft_version() < 1 ? following_.has_told_itself || options_.local_endpoints.empty()
                                              : !local_voter_needs_update();
    if (is_known) return false;
    following_.next_voter_update = now_ + options_.timeouts.fetch * 3;
    send(state_.leader, UpdateRaftVoterRequest{state_.epoch, local_voter()});
    return true;
  }
  if (kraft_version() < 1 || !options_.auto_join || !options_.can_become_voter) return false;
  following_.next_voter_update = now_ + options_.timeouts.fetch * 3;
  if (const Voter* former = voters().find(options_.local.id))
    send(state_.leader, RemoveRaftVoterRequest{former->key});
  else
    send(state_.leader, AddRaftVoterRequest{local_voter(), options_.timeouts.request, false});
  return true;
}

void RaftNode::on(const AddressedMessage& from, const ChangeRaftVoterResponse& response) {
  if (response.error != ErrorCode::kNone) requests_.back_off(from.peer, now_);
}

void RaftNode::on(const AddressedMessage& from, const UpdateRaftVoterResponse& response) {
  if (is_handled(from, response.error, response.epoch, response.leader, response.leader_endpoint)) return;
  if (role_ == RaftRole::kFollower && response.error == ErrorCode::kNone) following_.has_told_itself = true;
}

}  // namespace barnabas::kraft
