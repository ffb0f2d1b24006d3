#include "kraft/raft/raft_node.hpp"

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
  }
  return "?";
}

Result<RaftNode> RaftNode::create(RaftOptions options, QuorumState state, LogPosition log) {
  if (options.log_view == nullptr) {
    const std::vector<Voter>& voters = options.voters.voters;
    if (voters.size() != 1 || voters[0].key.id != options.local.id)
      return fail(ErrorCode::kUnsupportedVersion,
                  "this version leads a quorum of one: the only voter must be node " +
                      std::to_string(options.local.id.value()));
    if (options.kraft_version > 0 && voters[0].key.directory != options.local.directory)
      return fail(ErrorCode::kInvalidConfig, "the voter of the metadata log is directory " +
                                                 voters[0].key.directory.value().to_string() +
                                                 ", this one is " +
                                                 options.local.directory.value().to_string());
  } else {
    CHECK(options.random != nullptr, "a quorum of many needs chance");
  }
  return RaftNode(std::move(options), state, log);
}

RaftNode::RaftNode(RaftOptions options, QuorumState state, LogPosition log)
    : options_(std::move(options)),
      state_(state),
      asked_to_persist_(state),
      log_(log),
      synced_end_(log.end),
      requests_(options_.timeouts.request, options_.timeouts.retry_backoff) {
  voter_history_.push_back({kNoOffset, options_.voters, options_.kraft_version});
  for (const LoggedControl& control : options_.logged_controls) apply(control.offset, control.record);
  if (log.last_epoch > state_.epoch) state_ = {kNoBroker, log.last_epoch, kNoReplica};
  // A sole voter that restarts must not go on in its old epoch: it starts unattached and is elected again.
  if (is_alone() || is_sole_voter()) state_.leader = kNoBroker;
  if (is_alone()) return;
  if (state_.epoch < LeaderEpoch(0)) state_.epoch = LeaderEpoch(0);
  high_watermark_ = options_.log_view->start();
  if (auto snapshot = options_.log_view->latest_snapshot())
    high_watermark_ = std::max(high_watermark_, snapshot->end);
}

/// The role that the stored state leaves us in (measured on Kafka 4.3.1).
void RaftNode::start() {
  started_ = true;
  if (is_alone()) return;
  election_.deadline = random_election_deadline();
  if (is_sole_voter()) return;
  if (state_.leader == options_.local.id) {
    become_resigned();
  } else if (may_stand() && state_.leader == kNoBroker && state_.voted == options_.local) {
    role_ = RaftRole::kCandidate;
    election_.granted = {options_.local.id};
  } else if (state_.leader != kNoBroker && state_.leader != options_.local.id &&
             voters().contains(state_.leader)) {
    become_follower(state_.epoch, state_.leader, {});
  }
}

Ready RaftNode::step(const RaftInput& input, Time now) {
  now_ = now;
  ready_ = Ready();
  if (!started_) start();
  std::visit([this](const auto& specific) { on(specific); }, input);
  if (!is_alone()) {
    poll();
    if (state_ != asked_to_persist_) {
      ready_.persist = state_;
      asked_to_persist_ = state_;
      state_durable_ = false;
    }
    ready_.deadline = deadline();
  }
  ready_.high_watermark = high_watermark_;
  return std::move(ready_);
}

bool RaftNode::is_active_leader() const {
  return role_ == RaftRole::kLeader && leading_.epoch_start != kNoOffset &&
         high_watermark_ > leading_.epoch_start;
}

bool RaftNode::may_stop() const {
  return role_ != RaftRole::kLeader && (role_ != RaftRole::kResigned || resigning_.unacknowledged.empty());
}

bool RaftNode::may_stand() const {
  for (std::size_t i = voter_history_.size(); i-- > 0;) {
    if (voter_history_[i].voters.has_voter(options_.local)) return true;
    if (voter_history_[i].offset < high_watermark_) return false;
  }
  return false;
}

std::pair<std::int16_t, VoterSet> RaftNode::voters_before(Offset end) const {
  for (std::size_t i = voter_history_.size(); i-- > 1;)
    if (voter_history_[i].offset < end) return {voter_history_[i].kraft_version, voter_history_[i].voters};
  return {voter_history_.front().kraft_version, voter_history_.front().voters};
}

std::vector<VoterEndpoint> RaftNode::endpoints_of(BrokerId peer) const {
  if (leading_.change && leading_.change->add && leading_.change->add->voter.key.id == peer)
    return leading_.change->add->voter.endpoints;
  if (peer == state_.leader && !following_.leader_endpoints.empty()) return following_.leader_endpoints;
  const Voter* voter = voters().find(peer);
  return voter == nullptr ? std::vector<VoterEndpoint>() : voter->endpoints;
}

void RaftNode::on(const Tick&) {
  // Nobody else can win, so there is nothing to wait for.
  if (role_ == RaftRole::kUnattached && is_sole_voter() && !stopping_) begin_lone_election();
}

void RaftNode::begin_lone_election() {
  role_ = RaftRole::kCandidate;
  state_.epoch = LeaderEpoch(std::max(state_.epoch.value(), 0) + 1);
  // Its own vote is a majority of one, so vote and leadership become durable in one write, as the state that
  // Kafka leaves behind: the leader's, without a vote.
  state_.leader = options_.local.id;
  state_.voted = kNoReplica;
  state_durable_ = false;
  asked_to_persist_ = state_;
  ready_.persist = state_;
  ready_.persist_may_wait = true;
}

void RaftNode::on(const StatePersisted& input) {
  if (input.state != state_) return;  // of an epoch that is over
  state_durable_ = true;
  if (role_ == RaftRole::kCandidate && state_.leader == options_.local.id) become_leader();
}

void RaftNode::on(const LogAppended& input) {
  CHECK(state_durable_, "nothing is appended before the state of its epoch is durable");
  CHECK(input.position.end >= log_.end && input.position.last_epoch <= state_.epoch);
  CHECK(role_ != RaftRole::kLeader || input.position.last_epoch == state_.epoch);
  log_ = input.position;
  for (const LoggedControl& control : input.controls) apply(control.offset, control.record);
  if (role_ == RaftRole::kLeader) answer_held(false);
  if (role_ == RaftRole::kFollower) follow_high_watermark();
}

void RaftNode::on(const LogSynced& input) {
  CHECK(input.end <= log_.end, "more was synced than there is");
  synced_end_ = std::max(synced_end_, input.end);
  advance_high_watermark();
}

void RaftNode::on(const LogTruncated& input) {
  log_ = input.position;
  synced_end_ = std::min(synced_end_, log_.end);
  while (voter_history_.size() > 1 && voter_history_.back().offset >= log_.end) voter_history_.pop_back();
}

void RaftNode::on(const SnapshotInstalled& input) {
  log_ = {input.id.end, input.id.epoch};
  synced_end_ = log_.end;
  high_watermark_ = std::max(high_watermark_, log_.end);
  VotersFrom from{input.id.end - 1, input.voters.value_or(voter_history_.front().voters),
                  input.kraft_version};
  voter_history_ = {std::move(from)};
  options_.write_voters = false;
}

/// Voters are those of the last record, committed or not (KIP-853).
void RaftNode::apply(Offset offset, const RaftControlRecord& record) {
  VotersFrom from = voter_history_.back();
  from.offset = offset;
  if (const auto* version = std::get_if<KraftVersionControl>(&record)) {
    from.kraft_version = version->version;
  } else if (const auto* voters = std::get_if<VotersControl>(&record)) {
    from.voters = voters->voters;
  } else {
    return;
  }
  voter_history_.push_back(std::move(from));
  if (role_ == RaftRole::kLeader) refresh_replicas();
}

void RaftNode::on(const MessageReceived& input) {
  const AddressedMessage& from = input.message;
  if (is_alone()) return refuse_stranger(from);
  std::visit(
      [&](const auto& message) {
        constexpr bool kIsResponse = requires { message.error; };
        if constexpr (kIsResponse) {
          // An answer that nobody waits for is of another role or too late.
          auto request = requests_.answered(from.peer, from.correlation);
          if (!request) return;
          answered_request_ = *request;
        }
        on(from, message);
      },
      from.message);
}

/// Without a log view nobody but the sole voter takes part.
void RaftNode::refuse_stranger(const AddressedMessage& from) {
  constexpr ErrorCode kRefused = ErrorCode::kInconsistentVoterSet;
  if (const auto* vote = std::get_if<VoteRequest>(&from.message)) {
    reply(from, refusal<VoteResponse>(voters().contains(vote->candidate.id) ? ErrorCode::kInvalidRequest
                                                                            : kRefused));
  } else if (std::holds_alternative<BeginQuorumEpochRequest>(from.message)) {
    reply(from, refusal<BeginQuorumEpochResponse>(kRefused));
  } else if (std::holds_alternative<FetchRequest>(from.message)) {
    reply(from, fetch_response(kRefused));
  }
  // Responses answer nothing that a quorum of one sent, and EndQuorumEpoch has no answer here.
}

void RaftNode::on(const RequestFailed& input) {
  const bool was_awaited = requests_.failed(input.peer, input.correlation, now_);
  if (was_awaited && role_ == RaftRole::kFollower && input.peer == state_.leader)
    count_refusals(input.is_refused);
}

void RaftNode::on(const Resign&) {
  stopping_ = true;
  if (role_ != RaftRole::kLeader) return;
  if (is_alone())
    role_ = RaftRole::kResigned;
  else
    become_resigned();
}

void RaftNode::poll() {
  RaftRole before = role_;
  do {
    before = role_;
    switch (role_) {
      case RaftRole::kUnattached:
        if (may_stand() && !is_sole_voter() && now_ >= election_.deadline && !stopping_)
          become_prospective();
        else if (!is_sole_voter())
          look_for_leader();
        break;
      case RaftRole::kProspective:
        if (now_ >= election_.deadline)
          lose_pre_vote();
        else
          send_votes();
        break;
      case RaftRole::kCandidate:
        if (state_.leader == options_.local.id) break;  // elected once that is durable
        if (now_ >= election_.deadline)
          become_prospective();
        else
          send_votes();
        break;
      case RaftRole::kLeader:
        poll_leader();
        break;
      case RaftRole::kFollower:
        poll_follower();
        break;
      case RaftRole::kResigned:
        if (now_ >= election_.deadline && !stopping_)
          become_unattached(LeaderEpoch(state_.epoch.value() + 1), kNoBroker);
        else
          send_end_epochs();
        break;
    }
  } while (role_ != before);
}

std::optional<RaftNode::Time> RaftNode::deadline() const {
  std::optional<Time> first = requests_.next_event(now_);
  const auto consider = [&](Time at) {
    if (at > now_ && (!first || at < *first)) first = at;
  };
  switch (role_) {
    case RaftRole::kUnattached:
    case RaftRole::kProspective:
    case RaftRole::kCandidate:
    case RaftRole::kResigned:
      // A sole voter stands at the next Tick.
      if (is_sole_voter() && role_ == RaftRole::kUnattached && !stopping_) return now_;
      consider(election_.deadline);
      break;
    case RaftRole::kLeader:
      if (!is_sole_voter()) {
        consider(leading_.quorum_deadline);
        consider(leading_.next_begin);
      }
      for (const HeldFetch& held : leading_.held) consider(held.deadline);
      if (leading_.change) consider(leading_.change->deadline);
      break;
    case RaftRole::kFollower:
      consider(following_.fetch_deadline);
      consider(following_.next_voter_update);
      break;
  }
  return first;
}

void RaftNode::reply(const AddressedMessage& to, RaftMessage message) {
  ready_.messages.push_back({to.peer, to.correlation, std::move(message)});
}

void RaftNode::send(BrokerId peer, RaftMessage message) {
  const std::uint64_t correlation = requests_.send(peer, log_, now_);
  ready_.messages.push_back({peer, correlation, std::move(message)});
}

std::optional<Endpoint> RaftNode::leader_endpoint() const {
  if (state_.leader == kNoBroker) return std::nullopt;
  if (state_.leader == options_.local.id && !options_.local_endpoints.empty())
    return options_.local_endpoints[0].endpoint;
  const std::vector<VoterEndpoint> known = endpoints_of(state_.leader);
  return known.empty() ? std::nullopt : std::optional(known[0].endpoint);
}

LogPosition RaftNode::told_position() const {
  return {log_.end, std::max(log_.last_epoch, LeaderEpoch(0))};
}

bool RaftNode::is_handled(const AddressedMessage& from, ErrorCode error, LeaderEpoch epoch, BrokerId leader,
                          const std::optional<Endpoint>& endpoint) {
  std::vector<VoterEndpoint> endpoints;
  if (endpoint) endpoints.push_back({"", *endpoint});
  const bool learns = epoch > state_.epoch || error == ErrorCode::kFencedLeaderEpoch ||
                      error == ErrorCode::kNotLeaderOrFollower ||
                      (epoch == state_.epoch && leader != kNoBroker &&
                       (state_.leader == kNoBroker || role_ == RaftRole::kUnattached));
  if (epoch < state_.epoch || error == ErrorCode::kUnknownLeaderEpoch || contradicts(epoch, leader)) {
    requests_.back_off(from.peer, now_);
    return true;
  }
  if (learns) {
    const QuorumState before = state_;
    learn(epoch, leader, std::move(endpoints));
    // An answer without news would be the same at once again.
    if (state_ == before) requests_.back_off(from.peer, now_);
    if (error != ErrorCode::kNone) return true;
    return epoch != before.epoch;
  }
  if (error == ErrorCode::kNone) return false;
  requests_.back_off(from.peer, now_);
  return error == ErrorCode::kBrokerNotAvailable || error == ErrorCode::kInvalidVoterKey ||
         error == ErrorCode::kInvalidRequest;
}

const char* RaftNode::check_invariants() const {
  if (broken_ != nullptr) return broken_;
  if (synced_end_ > log_.end) return "what is synced is in the log";
  if (!is_alone() && high_watermark_ > log_.end) return "what is committed is in the log";
  if (is_sole_voter() && role_ == RaftRole::kLeader &&
      high_watermark_ > std::max(synced_end_, leading_.inherited_high_watermark))
    return "what a sole voter commits is synced";
  if (role_ == RaftRole::kLeader && state_.leader != options_.local.id) return "a leader names itself";
  if (role_ == RaftRole::kFollower && state_.leader == options_.local.id) return "nobody follows itself";
  if (is_alone() && role_ == RaftRole::kLeader && !state_durable_) return "a leader's state is durable";
  if (log_.last_epoch > state_.epoch) return "no record is of a later epoch than the state";
  const bool has_begun = role_ == RaftRole::kLeader && log_.end > leading_.epoch_start;
  if (has_begun && log_.last_epoch != state_.epoch) return "a leader's last record is of its own epoch";
  if (is_alone() && leading_.epoch_start != kNoOffset && high_watermark_ > Offset(0) &&
      high_watermark_ <= leading_.epoch_start)
    return "nothing is committed before the leader's own record";
  if (role_ == RaftRole::kCandidate && state_.leader != options_.local.id && state_.voted != options_.local)
    return "a candidate voted for itself";
  return nullptr;
}

}  // namespace barnabas::kraft
