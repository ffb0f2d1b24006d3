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
      state_({topic_id, topic_partition_.partition.value(), surroundings.self}, surroundings.max_lag) {}

void Partition::become_leader(const kraft::PartitionRegistration& metadata) {
  Aftermath aftermath;
  {
    std::lock_guard lock(mutex_);
    if (offline_) return;
    const bool is_new_epoch = !leader_ || metadata.leader_epoch > leader_epoch_;
    if (!is_new_epoch && metadata.partition_epoch <= state_.partition_epoch()) return;
    std::optional<Offset> epoch_start;
    if (is_new_epoch) {
      epoch_start = log_->log_end_offset();
      // Followers may have records of later epochs than any in this log: by this entry they learn where to
      // cut them off.
      if (auto assigned = log_->assign_epoch_start(metadata.leader_epoch, *epoch_start); !assigned)
        log_error(kComponent, "{} cannot begin leader epoch {}: {}", to_string(topic_partition_),
                  metadata.leader_epoch.value(), assigned.error().detail);
    }
    state_.lead(metadata, epoch_start, leader_, surroundings_.clock.monotonic());
    leader_ = true;
    follower_ = false;
    leader_epoch_ = metadata.leader_epoch;
    if (is_new_epoch) {  // who waits asked in the one before
      aftermath.waiters.swap(waiters_);
      std::ranges::move(std::exchange(log_end_waiters_, {}), std::back_inserter(aftermath.waiters));
    }
    advance_high_watermark(aftermath);
    take_committed(aftermath);
    if (surroundings_.isr_changes != nullptr) aftermath.wanted = state_.recover(surroundings_.brokers);
  }
  settle(aftermath);
}

bool Partition::become_follower(const kraft::PartitionRegistration& metadata) {
  Aftermath aftermath;
  bool is_new_epoch = false;
  {
    std::lock_guard lock(mutex_);
    if (offline_ || metadata.partition_epoch < state_.partition_epoch()) return false;
    is_new_epoch = leader_ || metadata.leader_epoch > leader_epoch_;
    state_.follow(metadata);
    if (std::exchange(leader_, false) || is_new_epoch) end_waits(ErrorCode::kNotLeaderOrFollower, aftermath);
    follower_ = true;
    leader_epoch_ = metadata.leader_epoch;
  }
  settle(aftermath);
  return is_new_epoch;
}

void Partition::resign() {
  Aftermath aftermath;
  {
    std::lock_guard lock(mutex_);
    leader_ = follower_ = false;
    end_waits(offline_ ? ErrorCode::kKafkaStorageError : ErrorCode::kNotLeaderOrFollower, aftermath);
  }
  settle(aftermath);
}

void Partition::go_offline() {
  {
    std::lock_guard lock(mutex_);
    offline_ = true;
  }
  resign();
}

void Partition::set_min_insync_replicas(std::int32_t count) {
  Aftermath aftermath;
  {
    std::lock_guard lock(mutex_);
    state_.set_min_insync_replicas(count);
    if (leader_) advance_high_watermark(aftermath);
    take_committed(aftermath);
  }
  settle(aftermath);
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
  std::lock_guard lock(mutex_);
  if (const ErrorCode refused = check_epoch(current_epoch_of_client); refused != ErrorCode::kNone)
    return refused;
  return leader_ || (follower_ && !needs_leader) ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower;
}

std::expected<PartitionAppend, log::AppendError> Partition::append(MutableByteView batches,
                                                                   log::AppendOptions options,
                                                                   RequiredAcks acks) {
  Aftermath aftermath;
  std::unique_lock lock(mutex_);
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
  advance_high_watermark(aftermath);
  result.is_committed = log_->high_watermark() > result.last_offset;
  std::ranges::move(log_end_waiters_, std::back_inserter(aftermath.waiters));
  log_end_waiters_.clear();
  lock.unlock();
  settle(aftermath);
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
  if (log_->high_watermark() == before) return;
  if (aftermath.waiters.empty())
    aftermath.waiters.swap(waiters_);
  else
    std::ranges::move(std::exchange(waiters_, {}), std::back_inserter(aftermath.waiters));
  if (!commit_waits_.empty()) take_committed(aftermath);
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
  aftermath.waiters.swap(waiters_);
  std::ranges::move(log_end_waiters_, std::back_inserter(aftermath.waiters));
  log_end_waiters_.clear();
  aftermath.commits.swap(commit_waits_);
  aftermath.outcome = why;
}

void Partition::settle(Aftermath& aftermath) {
  wake(aftermath.waiters);
  for (CommitWait& wait : aftermath.commits) wait.callback(aftermath.outcome);
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
  Aftermath dropped;  // destroyed without the lock
  std::lock_guard lock(mutex_);
  end_waits(ErrorCode::kNone, dropped);
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
  // DeleteRecords waits for it; it happens rarely.
  if (moved->log_start) std::ranges::move(std::exchange(waiters_, {}), std::back_inserter(aftermath.waiters));
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
  Aftermath aftermath;
  {
    std::lock_guard lock(mutex_);
    if (!leader_ || state_.is_alone() || surroundings_.isr_changes == nullptr) return;
    aftermath.wanted =
        state_.shrink(log_->log_end_offset(), surroundings_.clock.monotonic(), surroundings_.brokers);
  }
  settle(aftermath);
}

void Partition::ask(LeaderState::Wanted wanted) {
  surroundings_.isr_changes->submit(
      std::move(wanted.change),
      [weak = weak_from_this(), number = wanted.number](const Result<AcceptedIsr>& answer) {
        if (auto self = weak.lock()) self->on_isr_answer(number, answer);
      });
}

void Partition::on_isr_answer(std::uint64_t number, const Result<AcceptedIsr>& answer) {
  Aftermath aftermath;
  {
    std::lock_guard lock(mutex_);
    if (!leader_) return;
    const std::size_t before = state_.isr().size();
    const auto outcome = state_.on_answer(number, answer);
    if (!answer) ++surroundings_.failed_isr_updates;
    if (outcome == LeaderState::Outcome::kAgain) aftermath.wanted = state_.pending_change();
    if (outcome == LeaderState::Outcome::kChanged) {
      if (answer) {
        ++(state_.isr().size() < before ? surroundings_.isr_shrinks : surroundings_.isr_expands);
        log_info(kComponent, "[Partition {} broker={}] ISR updated to {} {}and version updated to {}",
                 to_string(topic_partition_), surroundings_.self.value(), text_of(state_.isr()),
                 state_.is_under_min_isr() ? "(under-min-isr) " : "", state_.partition_epoch());
      }
      advance_high_watermark(aftermath);
    }
  }
  settle(aftermath);
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
  TRY(std::move(outcome));
  Aftermath aftermath;
  if (leader_) advance_high_watermark(aftermath);
  lock.unlock();
  settle(aftermath);
  return {};
}

bool Partition::take_closed_segment() {
  std::lock_guard lock(mutex_);
  return std::exchange(closed_segment_, false);
}

void Partition::add_waiter(Waiters& waiters, std::weak_ptr<Wakeup> wakeup) {
  // Waiters that gave up leave their entry behind; they go when the list would have to grow.
  if (waiters.size() == waiters.capacity())
    std::erase_if(waiters, [](const std::weak_ptr<Wakeup>& waiter) { return waiter.expired(); });
  waiters.push_back(std::move(wakeup));
}

void Partition::wait_for_change(std::weak_ptr<Wakeup> wakeup, Change change) {
  std::lock_guard lock(mutex_);
  add_waiter(change == Change::kCommitted ? waiters_ : log_end_waiters_, std::move(wakeup));
}

void Partition::wake(Waiters& waiters) {
  for (auto& weak : waiters) {
    if (auto wakeup = weak.lock()) (*wakeup)();
  }
}

}  // namespace barnabas::broker
