#include "kraft/raft.hpp"

#include <algorithm>

#include "base/check.hpp"

namespace barnabas::kraft {

const char* to_string(RaftRole role) {
  switch (role) {
    case RaftRole::kUnattached:
      return "unattached";
    case RaftRole::kProspective:
      return "prospective";
    case RaftRole::kCandidate:
      return "candidate";
    case RaftRole::kLeader:
      return "leader";
    case RaftRole::kFollower:
      return "follower";
    case RaftRole::kResigned:
      return "resigned";
    case RaftRole::kObserver:
      return "observer";
  }
  return "?";
}

Result<RaftNode> RaftNode::create(RaftOptions options, QuorumState state, LogPosition log) {
  const std::vector<Voter>& voters = options.voters.voters;
  if (voters.size() != 1 || voters[0].key.id != options.local.id)
    return fail(ErrorCode::kUnsupportedVersion,
                "this version leads a quorum of one: the only voter must be node " +
                    std::to_string(options.local.id.value()));
  if (options.kraft_version > 0 && voters[0].key.directory != options.local.directory)
    return fail(ErrorCode::kInvalidConfig,
                "the voter of the metadata log is directory " + voters[0].key.directory.value().to_string() +
                    ", this one is " + options.local.directory.value().to_string());
  if (log.last_epoch > state.epoch) state = {kNoBroker, log.last_epoch, {kNoBroker, DirectoryId()}};
  return RaftNode(std::move(options), state, log);
}

RaftNode::RaftNode(RaftOptions options, QuorumState state, LogPosition log)
    : options_(std::move(options)), state_(state), log_(log), synced_end_(log.end) {
  // A leader that restarts must not go on in its old epoch: it starts unattached and is elected again.
  state_.leader = kNoBroker;
}

Ready RaftNode::step(const RaftInput& input, std::chrono::nanoseconds) {
  Ready ready;
  std::visit([this, &ready](const auto& specific) { on(specific, ready); }, input);
  ready.high_watermark = high_watermark_;
  return ready;
}

bool RaftNode::is_active_leader() const {
  return role_ == RaftRole::kLeader && epoch_start_ != kNoOffset && high_watermark_ > epoch_start_;
}

void RaftNode::on(const Tick&, Ready& ready) {
  // The only voter needs no election timeout: nobody else can win.
  if (role_ == RaftRole::kUnattached) begin_election(ready);
}

void RaftNode::begin_election(Ready& ready) {
  role_ = RaftRole::kCandidate;
  state_.epoch = LeaderEpoch(std::max(state_.epoch.value(), 0) + 1);
  // Its own vote is a majority of one, so vote and leadership become durable in one write, as the state that
  // Kafka leaves behind: the leader's, without a vote.
  state_.leader = options_.local.id;
  state_.voted = {kNoBroker, DirectoryId()};
  state_durable_ = false;
  ready.persist = state_;
  ready.persist_may_wait = true;
}

void RaftNode::on(const StatePersisted& input, Ready& ready) {
  if (input.state != state_) return;  // of an epoch that is over
  state_durable_ = true;
  if (role_ == RaftRole::kCandidate && state_.leader == options_.local.id) become_leader(ready);
}

void RaftNode::become_leader(Ready& ready) {
  role_ = RaftRole::kLeader;
  LeaderChangeControl change;
  change.leader = options_.local.id;
  for (const Voter& voter : options_.voters.voters) change.voters.push_back(voter.key.id);
  change.granting_voters = {options_.local.id};
  epoch_start_ = log_.end;
  ready.append.emplace_back(std::move(change));
  if (!options_.write_voters) return;
  ready.append.emplace_back(KraftVersionControl{options_.kraft_version});
  ready.append.emplace_back(VotersControl{options_.voters});
  options_.write_voters = false;
}

void RaftNode::on(const LogAppended& input, Ready&) {
  CHECK(role_ == RaftRole::kLeader && state_durable_, "only a leader with durable state appends");
  CHECK(input.position.end >= log_.end && input.position.last_epoch == state_.epoch);
  log_ = input.position;
}

void RaftNode::on(const LogSynced& input, Ready&) {
  CHECK(input.end <= log_.end, "more was synced than there is");
  synced_end_ = std::max(synced_end_, input.end);
  advance_high_watermark();
}

void RaftNode::advance_high_watermark() {
  // Records of older epochs are committed only together with one of this epoch (Raft, figure 8).
  if (role_ != RaftRole::kLeader || synced_end_ <= epoch_start_) return;
  high_watermark_ = std::max(high_watermark_, synced_end_);
}

void RaftNode::on(const MessageReceived& input, Ready& ready) {
  const AddressedMessage& from = input.message;
  const auto reply = [&](RaftMessage message) {
    ready.messages.push_back({from.peer, from.correlation, std::move(message)});
  };
  const BrokerId leader = state_.leader;
  const LeaderEpoch epoch = state_.epoch;
  constexpr ErrorCode kRefused = ErrorCode::kInconsistentVoterSet;
  if (const auto* vote = std::get_if<VoteRequest>(&from.message)) {
    answer(*vote, from, ready);
  } else if (std::holds_alternative<BeginQuorumEpochRequest>(from.message)) {
    reply(BeginQuorumEpochResponse{kRefused, leader, epoch});
  } else if (std::holds_alternative<FetchRequest>(from.message)) {
    reply(FetchResponse{kRefused, leader, epoch, high_watermark_});
  }
  // Responses answer nothing that a quorum of one sent, and EndQuorumEpoch has no answer here.
}

void RaftNode::answer(const VoteRequest& request, const AddressedMessage& from, Ready& ready) {
  VoteResponse response;
  response.error = options_.voters.contains(request.candidate.id) ? ErrorCode::kInvalidRequest
                                                                  : ErrorCode::kInconsistentVoterSet;
  response.leader = state_.leader;
  response.epoch = state_.epoch;
  ready.messages.push_back({from.peer, from.correlation, response});
}

void RaftNode::on(const Resign&, Ready&) {
  if (role_ == RaftRole::kLeader) role_ = RaftRole::kResigned;
}

const char* RaftNode::check_invariants() const {
  if (synced_end_ > log_.end) return "what is synced is in the log";
  if (high_watermark_ > synced_end_) return "what is committed is synced";
  if (role_ == RaftRole::kLeader && state_.leader != options_.local.id) return "a leader names itself";
  if (role_ == RaftRole::kLeader && !state_durable_) return "a leader's state is durable";
  if (log_.last_epoch > state_.epoch) return "no record is of a later epoch than the state";
  if (epoch_start_ != kNoOffset && high_watermark_ > Offset(0) && high_watermark_ <= epoch_start_)
    return "nothing is committed before the leader's own record";
  if (role_ == RaftRole::kLeader && log_.end > epoch_start_ && log_.last_epoch != state_.epoch)
    return "a leader's last record is of its own epoch";
  return nullptr;
}

}  // namespace barnabas::kraft
