#include "kraft/metadata_node_impl.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "kraft/quorum_state_file.hpp"

namespace barnabas::kraft {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {
constexpr const char* kComponent = "org.apache.kafka.controller.QuorumController";
/// Long enough for a start not to wait for it.
constexpr milliseconds kStateMayWait{500};
/// Kafka's KafkaRaftClient.MAX_FETCH_SIZE_BYTES.
constexpr std::int32_t kMaxAnswerBytes = 8 << 20;

bool is_answer(const RaftMessage& message) {
  return std::visit([](const auto& specific) { return requires { specific.error; }; }, message);
}
}  // namespace

MetadataNode::Impl::Impl(MetadataNodeDependencies dependencies, MetadataNodeOptions options,
                         ImageListener on_image)
    : dependencies_(dependencies),
      options_(std::move(options)),
      on_image_(std::move(on_image)),
      log_directory_(options_.directory + "/__cluster_metadata-0"),
      published_(MetadataImage::empty()),
      settled_(published_),
      working_(published_),
      sessions_(options_.controller.broker_session_timeout_ms),
      schedule_(options_.controller) {
  options_.controller.node_id = options_.node_id;
}

LogPosition MetadataNode::Impl::position() const {
  LogPosition position = log_->position();
  if (position.last_epoch == kNoLeaderEpoch && position.end > Offset(0))
    position.last_epoch = epoch_before_start();
  return position;
}

LeaderEpoch MetadataNode::Impl::epoch_before_start() const {
  for (const SnapshotId& id : snapshots_)
    if (id.end == log_->start()) return id.epoch;
  return LeaderEpoch(0);
}

LogPosition MetadataNode::Impl::end_of_epoch(LeaderEpoch epoch) const {
  const LogPosition known = log_->end_of_epoch(epoch);
  return known.last_epoch == kNoLeaderEpoch ? LogPosition{log_->start(), epoch_before_start()} : known;
}
std::optional<SnapshotId> MetadataNode::Impl::earliest_snapshot() const {
  return snapshots_.empty() ? std::nullopt : std::optional(snapshots_.front());
}
std::optional<SnapshotId> MetadataNode::Impl::latest_snapshot() const {
  return snapshots_.empty() ? std::nullopt : std::optional(snapshots_.back());
}

bool MetadataNode::Impl::is_caught_up() const {
  if (leading_) return raft_->is_active_leader();
  return raft_->has_what_leader_committed() && published_->epoch == raft_->epoch() &&
         published_->offset + 1 >= raft_->high_watermark() && published_->features->metadata_version > 0;
}

std::int64_t MetadataNode::Impl::now_ms() const {
  return std::chrono::duration_cast<milliseconds>(now_).count();
}

ControlContext MetadataNode::Impl::context() const {
  return {*working_,
          log_->position().end,
          options_.controller,
          dependencies_.configs,
          dependencies_.random,
          now_ms(),
          raft_->kraft_version(),
          raft_->can_upgrade_kraft_version()};
}

void MetadataNode::Impl::receive(BrokerId from, RaftMessage request, std::int32_t max_bytes,
                                 QuorumReply reply) {
  const std::int32_t room = max_bytes > 0 ? std::min(max_bytes, kMaxAnswerBytes) : kMaxAnswerBytes;
  // Whoever names another cluster is not heard. A node asks itself too when it is among its own bootstrap
  // servers, and others may have been formatted with it: only another voter speaks for the cluster.
  if (from != options_.node_id && raft_->voters().contains(from)) knows_cluster_ = true;
  open_requests_[++last_request_] = {std::move(reply), room};
  received_.push_back({MessageReceived{{from, last_request_, std::move(request)}}, {}});
}
void MetadataNode::Impl::receive_answer(BrokerId peer, std::uint64_t correlation, QuorumAnswer answer) {
  received_.push_back(
      {MessageReceived{{peer, correlation, std::move(answer.message)}}, std::move(answer.bytes)});
}
void MetadataNode::Impl::receive_failure(BrokerId peer, std::uint64_t correlation, QuorumFailure failure) {
  received_.push_back({RequestFailed{peer, correlation, failure == QuorumFailure::kRefused}, {}});
}

Result<nanoseconds> MetadataNode::Impl::run_once(nanoseconds now) {
  if (failed_) {
    refuse_all(ErrorCode::kKafkaStorageError);
    return std::unexpected(*failed_);
  }
  now_ = now;
  if (auto done = run(now); !done) {
    failed_ = done.error();
    if (failed_->code != ErrorCode::kInvalidConfig)
      log_error(kComponent, "the metadata log in {} failed and this node must stop: {}", log_directory_,
                failed_->detail);
    refuse_all(ErrorCode::kKafkaStorageError);
    return std::unexpected(*failed_);
  }
  return deadline();
}

Result<void> MetadataNode::Impl::run(nanoseconds now) {
  TRY(take_received());
  TRY(drive(Tick{}, {}));
  if (leading_)
    TRY(lead());
  else
    refuse_all(ErrorCode::kNotController);
  send_out();  // Others may write what was appended while this disk does.
  TRY(sync_log());
  log_->set_high_watermark(raft_->high_watermark());
  if (leading_)
    publish_committed();
  else
    TRY(replay_committed());
  send_out();
  TRY(check_registration());
  if (now >= state_due_) {
    auto written = write_state();
    if (!written && is_disk_full(written.error()))
      state_due_ = now + kStateMayWait;  // It may wait for room too.
    else
      TRY(std::move(written));
  }
  return snapshot_when_due();
}

Result<void> MetadataNode::Impl::take_received() {
  for (Received& next : std::exchange(received_, {})) {
    if (const auto* message = std::get_if<MessageReceived>(&next.input);
        message != nullptr && is_answer(message->message.message)) {
      TRY(check_answer(message->message));
      const bool is_fetched = std::holds_alternative<FetchResponse>(message->message.message);
      if (is_fetched && now_ < disk_full_until_)  // There is no room for its records.
        next.input = RequestFailed{message->message.peer, message->message.correlation};
    }
    TRY(drive(next.input, next.bytes));
  }
  return {};
}

/// One stranger among several is that one's fault. It may be a voter and a bootstrap server, so these are not
/// added up: the voters count once they are known. But whom only controller.quorum.bootstrap.servers leads to
/// a quorum has wrong addresses when all of them are another cluster's, whatever it knew before.
bool MetadataNode::Impl::are_most_strangers() const {
  std::size_t others = raft_->voters().voters.size() - (raft_->is_voter() ? 1U : 0U);
  const bool knows_voters = others > 0;
  if (!knows_voters) others = options_.bootstrap_servers;
  const auto strange_voters = static_cast<std::size_t>(
      std::ranges::count_if(strangers_, [](BrokerId peer) { return peer >= BrokerId(0); }));
  const std::size_t strange_servers = strangers_.size() - strange_voters;
  if (!raft_->is_voter() && strange_servers > 0 && strange_servers == options_.bootstrap_servers) return true;
  return (knows_voters ? strange_voters : strange_servers) > others / 2;
}

/// A node that was formatted for another cluster must not go on as if it were alone (Kafka ends it too).
Result<void> MetadataNode::Impl::check_answer(const AddressedMessage& answer) {
  const ErrorCode error = std::visit(
      [](const auto& specific) {
        if constexpr (requires { specific.error; }) return specific.error;
        return ErrorCode::kNone;
      },
      answer.message);
  if (error == ErrorCode::kNone) knows_cluster_ = true;
  if (error != ErrorCode::kInconsistentClusterId || knows_cluster_) return {};
  strangers_.insert(answer.peer);
  if (!are_most_strangers()) return {};
  std::string where;
  for (const VoterEndpoint& endpoint : raft_->endpoints_of(answer.peer))
    where = " at " + to_string(endpoint.endpoint);
  return fail(
      ErrorCode::kInvalidConfig,
      fmt::format("the metadata quorum{} is of another cluster than {}, which {}/meta.properties names: "
                  "correct controller.quorum.voters or controller.quorum.bootstrap.servers, or format "
                  "this node for that cluster",
                  where, options_.controller.cluster_id, options_.directory));
}

/// Who was registered by this id before this life began, and registers again after it, lives; so does a voter
/// of this id on another disk that registers after it, for the first time perhaps. Kafka lets the two
/// register in turn for ever, and counts what either fetches as what the voter has.
Result<void> MetadataNode::Impl::check_registration() {
  const auto found = published_->cluster->controllers.find(options_.node_id);
  if (found == published_->cluster->controllers.end()) return {};
  const Uuid& known = found->second.incarnation_id;
  if (known == incarnation_) {
    has_registered_ = true;
    return {};
  }
  if (!has_registered_) {
    predecessor_ = known;
    return {};
  }
  const bool is_voter_elsewhere = !raft_->is_voter() && raft_->voters().contains(options_.node_id);
  if (known != predecessor_ && !is_voter_elsewhere) return {};
  std::string where;
  for (const NamedEndpoint& endpoint : found->second.endpoints) where = " at " + to_string(endpoint.endpoint);
  return fail(ErrorCode::kInvalidConfig,
              fmt::format("another controller with node.id {} is alive{}: each node needs a node.id of its "
                          "own; this one's directory is {}",
                          options_.node_id.value(), where, options_.directory));
}

Result<void> MetadataNode::Impl::drive(const RaftInput& input, ByteView bytes) {
  Ready ready = raft_->step(input, now_);
  const char* broken = raft_->check_invariants();
  CHECK(broken == nullptr, broken);
  raft_deadline_ = ready.deadline;
  if (leading_ && raft_->role() != RaftRole::kLeader) lose_leadership();
  return carry_out(input, bytes, std::move(ready));
}

Result<void> MetadataNode::Impl::carry_out(const RaftInput& input, ByteView bytes, Ready ready) {
  if (ready.persist) {
    unwritten_state_ = *ready.persist;
    state_due_ = now_ + kStateMayWait;
    if (ready.persist_may_wait)
      silent_ = true;
    else
      TRY(write_state());
    TRY(drive(StatePersisted{*ready.persist}, {}));
  }
  if (ready.truncate) {
    TRY(truncate(*ready.truncate));
    TRY(drive(LogTruncated{position()}, {}));
  }
  if (ready.append_received) TRY(append_received(bytes));
  if (ready.receive_snapshot) {
    const auto& piece = std::get<FetchSnapshotResponse>(std::get<MessageReceived>(input).message.message);
    TRY(receive_snapshot(*ready.receive_snapshot, piece.position, bytes));
    if (ready.install_snapshot) TRY(install_snapshot());
  }
  if (!ready.append.empty()) TRY(append_controls(ready.append));
  for (AddressedMessage& message : ready.messages) hand_over(std::move(message));
  return {};
}

Result<void> MetadataNode::Impl::append_controls(const std::vector<RaftControlRecord>& controls) {
  std::vector<ControlValue> values;
  values.reserve(controls.size());
  for (const RaftControlRecord& record : controls) values.push_back(to_control_value(record));
  const LogPosition before = log_->position();
  const std::int64_t timestamp = dependencies_.clock.wall_ms();
  TRY(append_batch(make_control_batch({before.end, raft_->epoch(), timestamp}, values), timestamp));
  if (leading_) {
    // Images have nothing of it but the offset; that they are published tells what changed beside them.
    const Offset end = log_->position().end;
    working_ = MetadataDelta(working_).build(end - 1, raft_->epoch());
    pending_.push_back({.end = end, .image = working_});
    return {};
  }
  if (replayed_ == before.end) replayed_ = log_->position().end;  // Images have nothing of it.
  return activate();
}

/// Attaches what travels with an answer, while the log is as raft saw it.
void MetadataNode::Impl::hand_over(AddressedMessage message) {
  if (!is_answer(message.message)) {
    if (dependencies_.peers == nullptr)
      return receive_failure(message.peer, message.correlation, QuorumFailure::kLost);
    QuorumRequest request{message.peer, raft_->endpoints_of(message.peer), message.correlation,
                          std::move(message.message)};
    outbox_.emplace_back(
        [this, request = std::move(request)]() mutable { dependencies_.peers->ask(std::move(request)); });
    return;
  }
  const auto found = open_requests_.find(message.correlation);
  CHECK(found != open_requests_.end(), "raft answers each request once");
  OpenRequest request = std::move(found->second);
  open_requests_.erase(found);
  QuorumAnswer answer{std::move(message.message), {}};
  Result<Bytes> attached;
  if (auto* fetch = std::get_if<FetchResponse>(&answer.message); fetch != nullptr && fetch->records_from)
    attached = log_->read(*fetch->records_from, static_cast<std::uint64_t>(request.max_bytes));
  if (auto* piece = std::get_if<FetchSnapshotResponse>(&answer.message);
      piece != nullptr && piece->error == ErrorCode::kNone) {
    attached = read_snapshot_piece(piece->id, piece->position, request.max_bytes);
    if (attached) piece->bytes = std::ssize(*attached);
  }
  if (!attached) {
    // The connection ends with the reply, and the other asks again.
    return log_warn(kComponent, "node {} cannot be answered: {}", message.peer.value(),
                    attached.error().detail);
  }
  answer.bytes = *std::move(attached);
  outbox_.emplace_back(
      [reply = std::move(request.reply), answer = std::move(answer)]() mutable { reply(std::move(answer)); });
}

void MetadataNode::Impl::send_out() {
  while (!silent_ && !outbox_.empty()) {
    auto next = std::move(outbox_.front());
    outbox_.pop_front();
    next();
  }
}

Result<void> MetadataNode::Impl::sync_log() {
  // An observer acknowledges nothing by fetching.
  const bool is_needed = options_.is_controller && log_->synced_end() < log_->position().end;
  if (!is_needed) return {};
  TRY(log_->sync());
  if (directory_unsynced_) TRY(dependencies_.files.sync_directory(options_.directory));
  directory_unsynced_ = false;
  silent_ = false;
  return drive(LogSynced{log_->synced_end()}, {});
}

Result<void> MetadataNode::Impl::write_state() {
  if (!unwritten_state_) return {};
  TRY(dependencies_.files.write_file_atomically(
      log_directory_ + "/quorum-state",
      format_quorum_state(*unwritten_state_, raft_->kraft_version(), raft_->voters())));
  unwritten_state_.reset();
  return {};
}

void MetadataNode::Impl::refuse_all(ErrorCode error) {
  for (Queued& queued : std::exchange(queue_, {})) queued.refuse(error);
}

nanoseconds MetadataNode::Impl::deadline() const {
  if (!queue_.empty() || !received_.empty()) return now_;
  nanoseconds next = now_ + std::chrono::hours(1);
  if (raft_deadline_) next = std::min(next, *raft_deadline_);
  if (leading_ && options_.max_idle_interval_ms > 0)
    next = std::min(next, last_append_ + milliseconds(options_.max_idle_interval_ms));
  if (leading_)
    if (const std::int64_t due = schedule_.due_ms(*working_, sessions_); due != INT64_MAX)
      next = std::min<nanoseconds>(next, milliseconds(due));
  if (unwritten_state_) next = std::min(next, state_due_);
  if (options_.snapshot_max_interval_ms > 0)
    next = std::min(next, last_snapshot_ + milliseconds(options_.snapshot_max_interval_ms));
  return std::max(next, now_);
}

Result<void> MetadataNode::Impl::resign() {
  if (failed_) return std::unexpected(*failed_);
  return drive(Resign{}, {});
}

Result<void> MetadataNode::Impl::close() {
  refuse_all(ErrorCode::kNotController);
  if (failed_ || !log_) return {};
  TRY(sync_log());
  if (leading_) publish_committed();
  TRY(write_state());
  TRY(drive(Resign{}, {}));
  send_out();
  return log_->close();
}

}  // namespace barnabas::kraft
