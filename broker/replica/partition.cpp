#include "broker/replica/partition.hpp"

#include <algorithm>
#include <iterator>

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "kafka.cluster.Partition";

std::string text_of(const std::vector<BrokerId>& brokers) {
  std::string text;
  for (const BrokerId broker : brokers) text += (text.empty() ? "" : ",") + std::to_string(broker.value());
  return text;
}

}  // namespace

Partition::Partition(std::shared_ptr<log::PartitionLog> log, TopicId topic_id,
                     const PartitionSurroundings& surroundings)
    : topic_partition_(log->topic_partition()),
      topic_id_(topic_id),
      surroundings_(surroundings),
      log_(std::move(log)),
      leader_epoch_(kNoLeaderEpoch),
      state_({topic_id, topic_partition_.partition.value(), surroundings.self}, surroundings.max_lag),
      visible_(visible()) {}

void Partition::become_leader(const kraft::PartitionRegistration& metadata) {
  Hold hold(*this);
  if (offline_) return;
  const bool is_new_epoch = !leader_ || metadata.leader_epoch > leader_epoch_;
  if (!is_new_epoch && metadata.partition_epoch <= state_.partition_epoch()) return;
  std::optional<Offset> epoch_start;
  if (is_new_epoch) {
    epoch_start = log_->log_end_offset();
    // Followers may have records of later epochs than any in this log: by this entry they learn where to cut
    // them off.
    if (auto assigned = log_->assign_epoch_start(metadata.leader_epoch, *epoch_start); !assigned)
      log_error(kComponent, "{} cannot begin leader epoch {}: {}", to_string(topic_partition_),
                metadata.leader_epoch.value(), assigned.error().detail);
  }
  state_.lead(metadata, epoch_start, leader_, surroundings_.clock.monotonic());
  leader_ = true;
  follower_ = false;
  leader_epoch_ = metadata.leader_epoch;
  advance_high_watermark(hold.aftermath);
  take_committed(hold.aftermath);
  if (surroundings_.isr_changes != nullptr) hold.aftermath.wanted = state_.recover(surroundings_.brokers);
}

bool Partition::become_follower(const kraft::PartitionRegistration& metadata) {
  Hold hold(*this);
  if (offline_ || metadata.partition_epoch < state_.partition_epoch()) return false;
  const bool is_new_epoch = leader_ || metadata.leader_epoch > leader_epoch_;
  state_.follow(metadata);
  if (is_new_epoch) end_waits(ErrorCode::kNotLeaderOrFollower, hold.aftermath);
  leader_ = false;
  follower_ = true;
  leader_epoch_ = metadata.leader_epoch;
  return is_new_epoch;
}

void Partition::resign() {
  Hold hold(*this);
  leader_ = follower_ = false;
  end_waits(offline_ ? ErrorCode::kKafkaStorageError : ErrorCode::kNotLeaderOrFollower, hold.aftermath);
}

void Partition::go_offline() {
  {
    Hold hold(*this);
    offline_ = true;
  }
  resign();
}

void Partition::set_min_insync_replicas(std::int32_t count) {
  Hold hold(*this);
  state_.set_min_insync_replicas(count);
  if (leader_) advance_high_watermark(hold.aftermath);
  take_committed(hold.aftermath);
}

bool Partition::is_offline() const {
  std::lock_guard lock(mutex_);
  return offline_;
}

std::string Partition::log_directory() const {
  std::lock_guard lock(mutex_);
  return log_->directory().substr(0, log_->directory().rfind('/'));
}

bool Partition::is_leader() const {
  std::lock_guard lock(mutex_);
  return leader_;
}

LeaderEpoch Partition::leader_epoch() const {
  std::lock_guard lock(mutex_);
  return leader_epoch_;
}

ReplicaCounts Partition::counts() const {
  std::lock_guard lock(mutex_);
  if (!leader_) return {};
  return {true, state_.is_under_replicated(), state_.is_under_min_isr(), state_.is_at_min_isr()};
}

bool Partition::is_in_sync(BrokerId broker) const {
  std::lock_guard lock(mutex_);
  return state_.is_in_sync(broker);
}

bool Partition::is_behind_its_epoch() const {
  std::lock_guard lock(mutex_);
  return leader_ && !state_.is_alone() && log_->high_watermark() < state_.epoch_start();
}

ErrorCode Partition::check_epoch(LeaderEpoch current_epoch_of_client) const {
  if (offline_) return ErrorCode::kKafkaStorageError;
  if (current_epoch_of_client != kNoLeaderEpoch) {
    if (current_epoch_of_client < leader_epoch_) return ErrorCode::kFencedLeaderEpoch;
    if (current_epoch_of_client > leader_epoch_) return ErrorCode::kUnknownLeaderEpoch;
  }
  return ErrorCode::kNone;
}

ErrorCode Partition::check(LeaderEpoch current_epoch_of_client, bool needs_leader) const {
  if (const ErrorCode refused = check_epoch(current_epoch_of_client); refused != ErrorCode::kNone)
    return refused;
  return leader_ || (follower_ && !needs_leader) ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower;
}

std::expected<PartitionAppend, log::AppendError> Partition::append(MutableByteView batches,
                                                                   log::AppendOptions options,
                                                                   RequiredAcks acks) {
  Hold hold(*this);
  if (!leader_) {
    const ErrorCode why = offline_ ? ErrorCode::kKafkaStorageError : ErrorCode::kNotLeaderOrFollower;
    return std::unexpected(log::AppendError{Error{why, {}}, {}});
  }
  if (acks == RequiredAcks::kAll && state_.is_under_min_isr())
    return std::unexpected(log::AppendError{Error{ErrorCode::kNotEnoughReplicas, {}}, {}});
  options.leader_epoch = leader_epoch_;
  auto appended = log_->append_as_leader(batches, options);
  if (!appended) return std::unexpected(std::move(appended).error());
  closed_segment_ |= appended->rolled;
  PartitionAppend result{std::move(*appended)};
  if (result.sync_due && state_.is_alone()) return result;  // sync() shows it, and wakes who waits
  advance_high_watermark(hold.aftermath);
  result.is_committed = log_->high_watermark() > result.last_offset;
  return result;
}

/// What of this log counts: where flush.messages wants it on disk first, what is there, and what was here
/// before this node led.
Offset Partition::local_end() const {
  const bool is_flush_due = log_->log_end_offset() - log_->recovery_point() >= log_->config().flush_messages;
  return is_flush_due ? std::max(log_->recovery_point(), state_.epoch_start()) : log_->log_end_offset();
}

/// A lone replica commits what it has; else what is in sync must have it.
void Partition::advance_high_watermark(Aftermath& aftermath) {
  std::optional<Offset> end = local_end();
  if (!state_.is_alone())
    end = state_.committed_end(*end, surroundings_.clock.monotonic(), surroundings_.brokers);
  if (!end) return;
  const Offset before = log_->high_watermark();
  log_->set_high_watermark(*end);
  if (log_->high_watermark() != before && !commit_waits_.empty()) take_committed(aftermath);
}

void Partition::take_committed(Aftermath& aftermath) {
  const Offset end = log_->high_watermark();
  const auto first_left =
      std::ranges::find_if(commit_waits_, [end](const CommitWait& wait) { return wait.end > end; });
  if (first_left == commit_waits_.begin()) return;
  std::move(commit_waits_.begin(), first_left, std::back_inserter(aftermath.commits));
  commit_waits_.erase(commit_waits_.begin(), first_left);
  aftermath.outcome =
      state_.has_enough_copies() ? ErrorCode::kNone : ErrorCode::kNotEnoughReplicasAfterAppend;
}

void Partition::end_waits(ErrorCode why, Aftermath& aftermath) {
  aftermath.commits.swap(commit_waits_);
  aftermath.outcome = why;
}

Partition::Visible Partition::visible() const {
  return {log_->log_start_offset(),
          log_->last_stable_offset(),
          log_->high_watermark(),
          log_->log_end_offset(),
          state_.partition_epoch(),
          leader_epoch_,
          leader_,
          follower_,
          offline_};
}

void Partition::note_changes(Aftermath& aftermath) {
  const Visible now = visible();
  const Visible before = std::exchange(visible_, now);
  const bool is_other = !now.same_role(before) || now.log_end < before.log_end;
  if (is_other || now.log_end != before.log_end) count_append(aftermath);
  if (is_other || now.high_watermark != before.high_watermark || now.last_stable != before.last_stable ||
      now.log_start != before.log_start || now.partition_epoch != before.partition_epoch)
    count_commit(aftermath);
}

void Partition::count_commit(Aftermath& aftermath) {
  ++changes_.committed;
  std::ranges::move(committed_watches_, std::back_inserter(aftermath.committed));
  committed_watches_.clear();
}

void Partition::count_append(Aftermath& aftermath) {
  ++changes_.appended;
  state_.end_rests();
  std::ranges::move(appended_watches_, std::back_inserter(aftermath.appended));
  appended_watches_.clear();
}

void Partition::News::tell() {
  const auto tell = [](const Watches& watches, PartitionChange change) {
    for (const auto& weak : watches)
      if (const auto watch = weak.lock()) watch->on_change(change);
  };
  tell(committed, PartitionChange::kCommitted);
  tell(appended, PartitionChange::kAppended);
  for (CommitWait& wait : commits) wait.callback(outcome);
}

void Partition::settle(Aftermath& aftermath) {
  News& news = aftermath;
  if (!surroundings_.news.is_kept_back())
    news.tell();
  else if (!news.is_empty())
    surroundings_.news.keep([kept = std::move(news)]() mutable { kept.tell(); });
  if (aftermath.wanted) ask(std::move(*aftermath.wanted));
}

void Partition::when_committed(Offset end, CommitCallback callback) {
  ErrorCode outcome = ErrorCode::kNone;
  {
    std::lock_guard lock(mutex_);
    if (!leader_) {
      outcome = offline_ ? ErrorCode::kKafkaStorageError : ErrorCode::kNotLeaderOrFollower;
    } else if (log_->high_watermark() < end) {
      const auto after =
          std::ranges::upper_bound(commit_waits_, end, {}, [](const CommitWait& wait) { return wait.end; });
      commit_waits_.insert(after, {end, std::move(callback)});
      return;
    } else if (!state_.has_enough_copies()) {
      outcome = ErrorCode::kNotEnoughReplicasAfterAppend;
    }
  }
  callback(outcome);
}

void Partition::drop_waits() {
  std::vector<CommitWait> commits;  // destroyed without the lock
  std::lock_guard lock(mutex_);
  commits.swap(commit_waits_);
  committed_watches_.clear();
  appended_watches_.clear();
}

ErrorCode Partition::check_follower(const FollowerRequest& request) const {
  if (const ErrorCode refused = check_epoch(request.current_epoch); refused != ErrorCode::kNone)
    return refused;
  if (!leader_) return ErrorCode::kNotLeaderOrFollower;
  if (state_.knows(request.fetch.broker)) return ErrorCode::kNone;
  // A reassignment that this node has not heard of yet may have given it one.
  return request.current_epoch == kNoLeaderEpoch ? ErrorCode::kNotLeaderOrFollower
                                                 : ErrorCode::kUnknownLeaderEpoch;
}

ErrorCode Partition::note_fetch(const FollowerFetch& fetch, Aftermath& aftermath) {
  const auto moved = state_.note(fetch, surroundings_.brokers);
  if (!moved) return moved.error().code;
  if (surroundings_.isr_changes != nullptr)
    aftermath.wanted = state_.expand(fetch.broker, log_->high_watermark(), surroundings_.brokers);
  if (moved->log_end) advance_high_watermark(aftermath);
  // DeleteRecords waits for it, and a consumer may read there from now on; it happens rarely.
  if (moved->log_start) count_commit(aftermath);
  return ErrorCode::kNone;
}

std::vector<ReadableReplica> Partition::readable_at(Offset offset) const {
  std::lock_guard lock(mutex_);
  if (!leader_) return {};
  std::vector<ReadableReplica> readable = state_.readable_at(offset);
  readable.push_back({surroundings_.self, log_->log_start_offset(), log_->log_end_offset(),
                      surroundings_.clock.monotonic()});
  return readable;
}

Offset Partition::low_watermark() const {
  std::lock_guard lock(mutex_);
  return state_.low_watermark(log_->log_start_offset(), surroundings_.brokers);
}

void Partition::shrink_isr() {
  Hold hold(*this);
  if (!leader_ || state_.is_alone() || surroundings_.isr_changes == nullptr) return;
  hold.aftermath.wanted =
      state_.shrink(log_->log_end_offset(), surroundings_.clock.monotonic(), surroundings_.brokers);
}

void Partition::ask(LeaderState::Wanted wanted) {
  surroundings_.isr_changes->submit(
      std::move(wanted.change),
      [weak = weak_from_this(), number = wanted.number](const Result<AcceptedIsr>& answer) {
        if (auto self = weak.lock()) self->on_isr_answer(number, answer);
      });
}

void Partition::on_isr_answer(std::uint64_t number, const Result<AcceptedIsr>& answer) {
  Hold hold(*this);
  if (!leader_) return;
  const std::size_t before = state_.isr().size();
  const auto outcome = state_.on_answer(number, answer);
  if (!answer) ++surroundings_.failed_isr_updates;
  if (outcome == LeaderState::Outcome::kAgain) hold.aftermath.wanted = state_.pending_change();
  if (outcome != LeaderState::Outcome::kChanged) return;
  if (answer) {
    ++(state_.isr().size() < before ? surroundings_.isr_shrinks : surroundings_.isr_expands);
    log_info(kComponent, "[Partition {} broker={}] ISR updated to {} {}and version updated to {}",
             to_string(topic_partition_), surroundings_.self.value(), text_of(state_.isr()),
             state_.is_under_min_isr() ? "(under-min-isr) " : "", state_.partition_epoch());
  }
  advance_high_watermark(hold.aftermath);
}

Result<void> Partition::sync() {
  std::unique_lock lock(mutex_);
  std::shared_ptr<log::PartitionLog> synced;
  Result<void> outcome;
  while (synced != log_) {  // it may move to another directory meanwhile, and the one it left fails then
    synced = log_;
    lock.unlock();
    outcome = synced->sync();
    lock.lock();
  }
  lock.unlock();
  TRY(std::move(outcome));
  Hold hold(*this);
  if (leader_) advance_high_watermark(hold.aftermath);
  return {};
}

bool Partition::take_closed_segment() {
  std::lock_guard lock(mutex_);
  return std::exchange(closed_segment_, false);
}

void Partition::add_watch(Watches& watches, std::weak_ptr<PartitionWatch> watch) {
  // Those that gave up leave their entry behind; they go when the list would have to grow.
  if (watches.size() == watches.capacity())
    std::erase_if(watches, [](const std::weak_ptr<PartitionWatch>& one) { return one.expired(); });
  watches.push_back(std::move(watch));
}

void Partition::wait_for_change(std::weak_ptr<PartitionWatch> watch) {
  std::lock_guard lock(mutex_);
  add_watch(committed_watches_, std::move(watch));
}

PartitionChanges Partition::changes() const {
  std::lock_guard lock(mutex_);
  return changes_;
}

bool Partition::watch(const std::shared_ptr<PartitionWatch>& watch, const PartitionChanges& seen,
                      const RestingFollower* follower) {
  bool is_committed = false;
  bool is_appended = false;
  bool may_rest = true;
  {
    std::lock_guard lock(mutex_);
    is_committed = changes_.committed != seen.committed;
    is_appended = follower != nullptr && changes_.appended != seen.appended;
    if (!is_committed) add_watch(committed_watches_, watch);
    if (follower != nullptr && !is_appended) add_watch(appended_watches_, watch);
    if (follower != nullptr && follower->rest != nullptr && !is_committed && !is_appended)
      may_rest = state_.rest(follower->broker, log_->log_end_offset(), follower->rest);
  }
  if (is_committed) watch->on_change(PartitionChange::kCommitted);
  if (is_appended) watch->on_change(PartitionChange::kAppended);
  return !is_committed && !is_appended && may_rest;
}

}  // namespace barnabas::broker
