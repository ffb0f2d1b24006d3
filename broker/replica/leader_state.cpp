#include "broker/replica/leader_state.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"

namespace barnabas::broker {

using std::chrono::nanoseconds;

namespace {

constexpr std::int8_t kRecoveringInMetadata = static_cast<std::int8_t>(LeaderRecoveryState::kRecovering);

bool contains(const std::vector<BrokerId>& brokers, BrokerId broker) {
  return std::ranges::find(brokers, broker) != brokers.end();
}

}  // namespace

void LeaderState::lead(const kraft::PartitionRegistration& metadata, std::optional<Offset> epoch_start,
                       bool was_leader, nanoseconds now) {
  std::vector<Follower> followers;
  for (const BrokerId broker : metadata.replicas) {
    if (broker == identity_.self) continue;
    const Follower* known = was_leader ? find(broker) : nullptr;
    followers.push_back(known ? *known : Follower{.broker = broker});
  }
  followers_ = std::move(followers);
  isr_ = metadata.isr;
  wanted_replicas_ = metadata.replicas.size() - metadata.adding_replicas.size();
  is_recovering_ = metadata.leader_recovery_state == kRecoveringInMetadata;
  leader_epoch_ = metadata.leader_epoch;
  partition_epoch_ = metadata.partition_epoch;
  pending_.reset();
  if (!epoch_start) return;
  epoch_start_ = *epoch_start;
  for (Follower& follower : followers_) {
    // Who is in sync has its time to show it; who is not holds nothing up.
    const nanoseconds since = contains(isr_, follower.broker) ? now : kNever;
    follower.caught_up_at = since;
    follower.fetched_at = was_leader ? since : kNever;
    follower.leader_end = was_leader ? *epoch_start : kNoOffset;
    follower.rest = nullptr;
  }
}

void LeaderState::follow(const kraft::PartitionRegistration& metadata) {
  followers_.clear();
  isr_.clear();
  wanted_replicas_ = 0;
  is_recovering_ = false;
  leader_epoch_ = metadata.leader_epoch;
  partition_epoch_ = metadata.partition_epoch;
  pending_.reset();
}

const LeaderState::Follower* LeaderState::find(BrokerId broker) const {
  const auto found = std::ranges::find(followers_, broker, &Follower::broker);
  return found == followers_.end() ? nullptr : &*found;
}

std::size_t LeaderState::effective_min_isr() const {
  return std::min(static_cast<std::size_t>(std::max(min_insync_replicas_, 1)), followers_.size() + 1);
}

bool LeaderState::is_in_sync(BrokerId broker) const {
  return contains(isr_, broker);
}

bool LeaderState::has_enough_copies() const {
  return isr_.size() + (pending_ && pending_->joining ? 1 : 0) >= effective_min_isr();
}

Result<LeaderState::Moved> LeaderState::note(const FollowerFetch& fetch, const BrokerView& brokers) {
  const auto found = std::ranges::find(followers_, fetch.broker, &Follower::broker);
  CHECK(found != followers_.end(), "only fetches of followers are noted");
  if (fetch.broker_epoch != -1 && brokers.epoch_of(fetch.broker) > fetch.broker_epoch)
    return fail(ErrorCode::kNotLeaderOrFollower, "the fetch is of an earlier life of its broker");
  end_rest(*found);
  // Under a steady load a follower never fetches from the very end: it counts that it has what was the end
  // when it fetched last.
  if (fetch.from >= fetch.leader_end)
    found->caught_up_at = std::max(found->caught_up_at, fetch.time);
  else if (fetch.from >= found->leader_end)
    found->caught_up_at = std::max(found->caught_up_at, found->fetched_at);
  const Moved moved{found->log_end != fetch.from, found->log_start != fetch.log_start};
  found->log_end = fetch.from;
  found->log_start = fetch.log_start;
  found->leader_end = std::max(found->leader_end, fetch.leader_end);
  found->fetched_at = fetch.time;
  found->broker_epoch = fetch.broker_epoch;
  return moved;
}

bool LeaderState::rest(BrokerId broker, Offset log_end, std::shared_ptr<const FollowerRest> rest) {
  const auto found = std::ranges::find(followers_, broker, &Follower::broker);
  if (found == followers_.end() || found->log_end != log_end || !contains(isr_, broker)) return false;
  found->rest = std::move(rest);
  return true;
}

void LeaderState::end_rests() {
  for (Follower& follower : followers_) end_rest(follower);
}

void LeaderState::end_rest(Follower& follower) {
  if (follower.rest == nullptr) return;
  follower.fetched_at = std::max(follower.fetched_at, follower.rest->fetched_at());
  follower.caught_up_at = caught_up_at(follower);
  follower.rest = nullptr;
}

nanoseconds LeaderState::caught_up_at(const Follower& follower) {
  return follower.rest == nullptr ? follower.caught_up_at
                                  : std::max(follower.caught_up_at, follower.rest->fetched_at());
}

bool LeaderState::is_caught_up(const Follower& follower, Offset log_end, nanoseconds now) const {
  return follower.log_end == log_end || now - caught_up_at(follower) <= max_lag_;
}

bool LeaderState::may_join(const Follower& follower, const BrokerView& brokers) {
  if (!follower.broker_epoch || !brokers.is_active(follower.broker)) return false;
  return *follower.broker_epoch == -1 || *follower.broker_epoch == brokers.epoch_of(follower.broker);
}

std::optional<Offset> LeaderState::committed_end(Offset log_end, nanoseconds now,
                                                 const BrokerView& brokers) const {
  if (is_under_min_isr()) return std::nullopt;
  Offset end = log_end;
  for (const Follower& follower : followers_) {
    if (follower.log_end >= end) continue;
    const bool is_joining = pending_ && pending_->joining == follower.broker;
    // One that is about to join is waited for, else it would have to run after what is committed for ever.
    const bool counts = contains(isr_, follower.broker) || is_joining ||
                        (is_caught_up(follower, log_end, now) && may_join(follower, brokers));
    if (counts) end = follower.log_end;
  }
  return end;
}

std::optional<LeaderState::Wanted> LeaderState::expand(BrokerId broker, Offset high_watermark,
                                                       const BrokerView& brokers) {
  const Follower* follower = find(broker);
  if (pending_ || follower == nullptr || contains(isr_, broker)) return std::nullopt;
  if (follower->log_end < high_watermark || follower->log_end < epoch_start_) return std::nullopt;
  if (!may_join(*follower, brokers)) return std::nullopt;
  std::vector<BrokerId> isr = isr_;
  isr.push_back(broker);
  return propose(isr, broker, brokers);
}

std::optional<LeaderState::Wanted> LeaderState::shrink(Offset log_end, nanoseconds now,
                                                       const BrokerView& brokers) {
  if (pending_) return std::nullopt;
  std::vector<BrokerId> isr;
  for (const BrokerId broker : isr_) {
    const Follower* follower = find(broker);
    const bool is_behind =
        broker != identity_.self && (follower == nullptr || !is_caught_up(*follower, log_end, now));
    if (!is_behind) isr.push_back(broker);
  }
  if (isr.size() == isr_.size()) return std::nullopt;
  return propose(isr, std::nullopt, brokers);
}

std::optional<LeaderState::Wanted> LeaderState::recover(const BrokerView& brokers) {
  if (pending_ || !is_recovering_) return std::nullopt;
  return propose(isr_, std::nullopt, brokers);
}

/// With the broker epochs that the replicas fetched with: the controller refuses one that has begun a new
/// life since. Of one that has not fetched yet none is known, and none is needed, since it is in the ISR.
LeaderState::Wanted LeaderState::propose(const std::vector<BrokerId>& isr, std::optional<BrokerId> joining,
                                         const BrokerView& brokers) {
  IsrChange change;
  change.topic = identity_.topic;
  change.partition = identity_.index;
  change.leader_epoch = leader_epoch_;
  change.partition_epoch = partition_epoch_;
  for (const BrokerId broker : isr) {
    const Follower* follower = find(broker);
    std::int64_t epoch = -1;
    if (broker == identity_.self)
      epoch = brokers.epoch_of(broker);
    else if (follower != nullptr)
      epoch = follower->broker_epoch.value_or(-1);
    change.isr.push_back({broker, epoch});
  }
  pending_ = Pending{++last_number_, std::move(change), joining};
  return pending_change();
}

LeaderState::Outcome LeaderState::on_answer(std::uint64_t number, const Result<AcceptedIsr>& answer) {
  if (!pending_ || pending_->number != number) return Outcome::kUnchanged;
  if (answer) {
    if (answer->leader_epoch != leader_epoch_ || answer->partition_epoch < partition_epoch_)
      return Outcome::kUnchanged;
    isr_ = answer->isr;
    partition_epoch_ = answer->partition_epoch;
    is_recovering_ = answer->leader_recovery_state == LeaderRecoveryState::kRecovering;
    pending_.reset();
    return Outcome::kChanged;
  }
  switch (answer.error().code) {
    case ErrorCode::kOperationNotAttempted:
    case ErrorCode::kIneligibleReplica:
      // The epochs are right and nothing was changed, nor will be by this request.
      pending_.reset();
      return Outcome::kChanged;
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kUnknownTopicId:
    case ErrorCode::kFencedLeaderEpoch:
    case ErrorCode::kInvalidUpdateVersion:
    case ErrorCode::kInvalidRequest:
    case ErrorCode::kNewLeaderElected:
      // Nobody here knows whether it was carried out: metadata that are on their way tell.
      return Outcome::kUnchanged;
    default:
      return Outcome::kAgain;
  }
}

std::vector<ReadableReplica> LeaderState::readable_at(Offset offset) const {
  std::vector<ReadableReplica> readable;
  for (const Follower& follower : followers_) {
    if (contains(isr_, follower.broker) && follower.log_end >= offset && follower.log_start <= offset)
      readable.push_back({follower.broker, follower.log_start, follower.log_end, caught_up_at(follower)});
  }
  return readable;
}

Offset LeaderState::low_watermark(Offset own, const BrokerView& brokers) const {
  Offset low = own;
  for (const Follower& follower : followers_)
    if (brokers.is_active(follower.broker)) low = std::min(low, follower.log_start);
  return low;
}

}  // namespace barnabas::broker
