#include "broker/replica/fetch_session.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

namespace barnabas::broker {

namespace {

// min.incremental.fetch.session.eviction.ms, which nobody can set.
constexpr std::chrono::nanoseconds kEvictionAge = std::chrono::minutes(2);
constexpr std::int16_t kFirstVersionWithSessions = 7;
constexpr std::int16_t kFirstVersionByTopicId = 13;

void assign(FetchedPartition& to, const protocol::FetchRequest::FetchTopic& topic,
            const protocol::FetchRequest::FetchPartition& from) {
  // A follower takes nothing from an answer to what it asked in an earlier leader epoch: what that told is
  // told again.
  if (to.current_leader_epoch != from.current_leader_epoch)
    to.told_high_watermark = to.told_log_start_offset = -1;
  to.topic = topic.topic;
  to.topic_id = TopicId(topic.topic_id);
  to.partition = PartitionIndex(from.partition);
  to.current_leader_epoch = from.current_leader_epoch;
  to.fetch_offset = from.fetch_offset;
  to.last_fetched_epoch = from.last_fetched_epoch;
  to.log_start_offset = from.log_start_offset;
  to.max_bytes = from.partition_max_bytes;
}

}  // namespace

/// What partitions have told since the last look. Thread-safe.
class FetchInbox {
 public:
  using Watches = std::vector<std::shared_ptr<FetchWatch>>;

  void put(std::shared_ptr<FetchWatch> watch, PartitionChange change) {
    std::function<void()> call;
    {
      std::lock_guard lock(mutex_);
      changed_.push_back(std::move(watch));
      has_[index(change)] = true;
      if (change == awaited_) call.swap(call_);
    }
    if (call) call();
  }
  Watches take() {
    std::lock_guard lock(mutex_);
    has_[0] = has_[1] = false;
    return std::exchange(changed_, {});
  }
  void await(PartitionChange change, std::function<void()> call) {
    {
      std::lock_guard lock(mutex_);
      awaited_ = change;
      call_.swap(call);  // what was there is destroyed without the lock
      if (!call_ || !has_[index(change)]) return;
      call.swap(call_);
      call_ = nullptr;
    }
    call();
  }

 private:
  static std::size_t index(PartitionChange change) { return static_cast<std::size_t>(change); }

  std::mutex mutex_;
  Watches changed_;
  std::array<bool, 2> has_{};  // by PartitionChange: whether some of `changed_` did so
  PartitionChange awaited_ = PartitionChange::kCommitted;
  std::function<void()> call_;
};

/// A partition's word that it changed goes to the inbox of the session that asked for it.
class FetchWatch final : public PartitionWatch, public std::enable_shared_from_this<FetchWatch> {
 public:
  FetchWatch(const std::shared_ptr<FetchInbox>& inbox, FetchedPartition& asked)
      : asked_(&asked), inbox_(inbox) {}
  void on_change(PartitionChange change) override {
    if (const auto inbox = inbox_.lock()) inbox->put(shared_from_this(), change);
  }
  /// The session's: whose change it is; null once it is nobody's.
  FetchedPartition* asked_;

 private:
  const std::weak_ptr<FetchInbox> inbox_;
};

FetchSession::FetchSession(std::int32_t id, bool by_topic_id) : id_(id), by_topic_id_(by_topic_id) {}
FetchSession::~FetchSession() = default;

std::string FetchSession::key(const std::string& topic, const Uuid& topic_id, std::int32_t partition) const {
  std::string key = by_topic_id_ ? std::string(topic_id.bytes.begin(), topic_id.bytes.end()) : topic;
  key.append(reinterpret_cast<const char*>(&partition), sizeof partition);
  return key;
}

FetchedPartition& FetchSession::add(const protocol::FetchRequest::FetchTopic& topic,
                                    const protocol::FetchRequest::FetchPartition& partition) {
  // Nobody comes back to name one of these again.
  const auto make = [this] {
    const auto made = partitions_.emplace(partitions_.end());
    made->place_ = ++last_place_;
    return made;
  };
  if (id_ == kNoFetchSession) return *make();
  auto [found, is_new] = by_key_.try_emplace(key(topic.topic, topic.topic_id, partition.partition));
  if (is_new) found->second = make();
  return *found->second;
}

void FetchSession::update(const protocol::FetchRequest& request) {
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      FetchedPartition& asked = add(topic, partition);
      assign(asked, topic, partition);
      make_due(asked);
    }
  }
  if (request.forgotten_topics_data.empty()) return;
  (void)due();  // what the inbox has may be about to go
  std::vector<Partitions::iterator> forgotten;
  for (const auto& topic : request.forgotten_topics_data) {
    for (std::int32_t partition : topic.partitions) {
      auto found = by_key_.find(key(topic.topic, topic.topic_id, partition));
      if (found == by_key_.end()) continue;
      make_due(*found->second);  // the end of its rest
      found->second->is_due_ = false;
      if (found->second->watch_) found->second->watch_->asked_ = nullptr;
      forgotten.push_back(found->second);
      by_key_.erase(found);
    }
  }
  drop_settled();
  for (const auto one : forgotten) partitions_.erase(one);
}

void FetchSession::look_from(const FetchView& view, std::chrono::nanoseconds now) {
  now_ = now;
  if (view_ == view) return;
  for (FetchedPartition& one : partitions_) make_due(one);
  view_ = view;
  // Who rested in another view is not heard of through this one.
  pulse_ = view.follower >= BrokerId(0) ? std::make_shared<FetchPulse>() : nullptr;
}

void FetchSession::make_due(FetchedPartition& partition) {
  if (partition.rest_) std::exchange(partition.rest_, nullptr)->end(pulse_->load());
  partition.is_due_ = true;
  if (!std::exchange(partition.is_listed_, true)) due_.push_back(&partition);
}

void FetchSession::drop_settled() {
  std::erase_if(due_, [](FetchedPartition* one) {
    one->is_listed_ = one->is_due_;
    return !one->is_due_;
  });
}

const std::vector<FetchedPartition*>& FetchSession::due() {
  drop_settled();
  if (inbox_) {
    for (const auto& watch : inbox_->take())
      if (watch->asked_ != nullptr) make_due(*watch->asked_);
  }
  if (pulse_) pulse_->store(now_);  // what is not due is fetched by this request as by the one before
  if (!std::ranges::is_sorted(due_, {}, &FetchedPartition::place_))
    std::ranges::sort(due_, {}, &FetchedPartition::place_);
  return due_;
}

const std::vector<FetchedPartition*>& FetchSession::all() {
  for (FetchedPartition& one : partitions_) make_due(one);
  return due();
}

void FetchSession::watch(FetchedPartition& asked, Partition& partition, const PartitionChanges& seen,
                         bool is_settled) {
  if (!inbox_) inbox_ = std::make_shared<FetchInbox>();
  if (asked.watch_) asked.watch_->asked_ = nullptr;
  asked.watch_ = std::make_shared<FetchWatch>(inbox_, asked);
  RestingFollower follower{view_.follower, nullptr};
  if (pulse_ && is_settled) follower.rest = asked.rest_ = std::make_shared<FollowerRest>(pulse_);
  const bool is_quiet = partition.watch(asked.watch_, seen, pulse_ ? &follower : nullptr);
  if (is_settled && is_quiet) asked.is_due_ = false;
}

void FetchSession::await(PartitionChange change, std::function<void()> call) {
  if (!inbox_ && !call) return;
  if (!inbox_) inbox_ = std::make_shared<FetchInbox>();
  inbox_->await(change, std::move(call));
}

void FetchSession::move_to_back(FetchedPartition& asked) {
  asked.place_ = ++last_place_;
}

struct FetchSessionSlot {
  std::shared_ptr<FetchSession> session;
  bool is_followers = false;
  bool in_use = true;  // by a request
  std::int32_t next_epoch = 1;
  std::size_t partitions = 0;
  std::chrono::nanoseconds created{};
  std::chrono::nanoseconds last_used{};
  std::list<std::int32_t>::iterator place{};  // in the order of use
  /// So a larger one of its kind may have its slot.
  [[nodiscard]] bool is_old() const { return last_used - created > kEvictionAge; }
};

/// The slots of one shard, and who gives one up.
class FetchSessionShard {
 public:
  explicit FetchSessionShard(std::size_t slots) : most_(slots) {}

  FetchSessionSlot* find(std::int32_t id) {
    const auto found = slots_.find(id);
    return found == slots_.end() ? nullptr : &found->second;
  }
  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  /// There is room, or somebody has given way.
  bool make_room(bool for_follower, std::size_t partitions, std::chrono::nanoseconds now) {
    if (slots_.size() < most_) return true;
    const auto victim = who_gives_way(for_follower, partitions, now);
    if (victim) remove(*victim);
    return victim.has_value();
  }
  void add(std::int32_t id, FetchSessionSlot slot) {
    slot.place = by_use_.insert(by_use_.end(), id);
    rank(slots_.emplace(id, std::move(slot)).first->second);
  }
  void remove(std::int32_t id) {
    const auto found = slots_.find(id);
    if (found == slots_.end()) return;
    unrank(found->second);
    by_use_.erase(found->second.place);
    slots_.erase(found);
  }
  void use(FetchSessionSlot& slot, std::size_t partitions, std::chrono::nanoseconds now) {
    by_use_.splice(by_use_.end(), by_use_, slot.place);
    const bool is_old = now - slot.created > kEvictionAge;
    const bool keeps_rank = partitions == slot.partitions && is_old == slot.is_old();
    if (!keeps_rank) unrank(slot);
    slot.partitions = partitions;
    slot.last_used = now;
    if (!keeps_rank) rank(slot);
  }

 private:
  using BySize = std::set<std::pair<std::size_t, std::int32_t>>;

  [[nodiscard]] std::optional<std::int32_t> who_gives_way(bool for_follower, std::size_t partitions,
                                                          std::chrono::nanoseconds now) const {
    if (by_use_.empty()) return std::nullopt;
    if (now - slots_.at(by_use_.front()).last_used > kEvictionAge) return by_use_.front();
    if (for_follower && !consumers_.empty()) return consumers_.begin()->second;
    const BySize& old = for_follower ? old_followers_ : old_consumers_;
    if (old.empty() || old.begin()->first >= partitions) return std::nullopt;
    return old.begin()->second;
  }
  void rank(const FetchSessionSlot& slot) {
    const std::pair key(slot.partitions, *slot.place);
    if (!slot.is_followers) consumers_.insert(key);
    if (slot.is_old()) (slot.is_followers ? old_followers_ : old_consumers_).insert(key);
  }
  void unrank(const FetchSessionSlot& slot) {
    for (BySize* ranks : {&consumers_, &old_consumers_, &old_followers_})
      ranks->erase({slot.partitions, *slot.place});
  }

  const std::size_t most_;
  std::unordered_map<std::int32_t, FetchSessionSlot> slots_;
  std::list<std::int32_t> by_use_;  // who was used least lately is the first
  BySize consumers_;
  BySize old_consumers_;
  BySize old_followers_;
};

FetchSessionCache::FetchSessionCache(const Clock& clock, Random& random, std::size_t slots)
    : clock_(clock), random_(random), shards_(kShards, FetchSessionShard(slots / kShards)) {}
FetchSessionCache::~FetchSessionCache() = default;

FetchSessionShard& FetchSessionCache::shard_of(std::int32_t session_id) {
  return shards_[static_cast<std::uint32_t>(session_id) % kShards];
}

FetchPlan FetchSessionCache::begin(const protocol::FetchRequest& request, std::int16_t version) {
  const bool by_topic_id = version >= kFirstVersionByTopicId;
  const bool full = request.session_epoch == kInitialFetchEpoch || request.session_epoch == kFinalFetchEpoch;
  if (version >= kFirstVersionWithSessions && !full) return resume(request, by_topic_id);
  FetchPlan plan;
  {
    std::lock_guard lock(mutex_);
    if (request.session_id != kNoFetchSession) shard_of(request.session_id).remove(request.session_id);
    const bool wants_session =
        version >= kFirstVersionWithSessions && request.session_epoch == kInitialFetchEpoch;
    if (wants_session) plan.session = make_session(request, by_topic_id);
  }
  if (!plan.session) plan.session = std::make_shared<FetchSession>(kNoFetchSession, by_topic_id);
  plan.session->update(request);
  return plan;
}

FetchPlan FetchSessionCache::resume(const protocol::FetchRequest& request, bool by_topic_id) {
  FetchPlan plan;
  {
    std::lock_guard lock(mutex_);
    FetchSessionShard& shard = shard_of(request.session_id);
    FetchSessionSlot* slot = shard.find(request.session_id);
    if (slot == nullptr) {
      plan.error = ErrorCode::kFetchSessionIdNotFound;
      return plan;
    }
    if (slot->in_use || slot->next_epoch != request.session_epoch) {
      plan.error = ErrorCode::kInvalidFetchSessionEpoch;
      return plan;
    }
    if (slot->session->by_topic_id() != by_topic_id) {
      plan.error = ErrorCode::kFetchSessionTopicIdError;
      return plan;
    }
    slot->next_epoch = slot->next_epoch == INT32_MAX ? 1 : slot->next_epoch + 1;
    slot->in_use = true;
    shard.use(*slot, slot->partitions, clock_.monotonic());
    plan.session = slot->session;
  }
  plan.session->update(request);
  plan.incremental = plan.session->size() > 0;
  if (!plan.incremental) close(plan);
  return plan;
}

/// Of a session that has no partition any more: the client is told that it has none.
void FetchSessionCache::close(FetchPlan& plan) {
  {
    std::lock_guard lock(mutex_);
    FetchSessionShard& shard = shard_of(plan.session_id());
    const FetchSessionSlot* slot = shard.find(plan.session_id());
    if (slot != nullptr && slot->session == plan.session) shard.remove(plan.session_id());
  }
  plan.session = std::make_shared<FetchSession>(kNoFetchSession, plan.session->by_topic_id());
}

void FetchSessionCache::finish(const FetchPlan& plan) {
  if (plan.session_id() == kNoFetchSession) return;
  std::lock_guard lock(mutex_);
  FetchSessionShard& shard = shard_of(plan.session_id());
  FetchSessionSlot* slot = shard.find(plan.session_id());
  if (slot == nullptr || slot->session != plan.session) return;  // it has given way, perhaps to one of its id
  slot->in_use = false;
  shard.use(*slot, plan.session->size(), clock_.monotonic());
}

std::size_t FetchSessionCache::size() const {
  std::lock_guard lock(mutex_);
  std::size_t all = 0;
  for (const FetchSessionShard& shard : shards_) all += shard.size();
  return all;
}

std::shared_ptr<FetchSession> FetchSessionCache::make_session(const protocol::FetchRequest& request,
                                                              bool by_topic_id) {
  const std::size_t number = next_shard_;
  next_shard_ = (next_shard_ + 1) % kShards;
  FetchSessionShard& shard = shards_[number];
  std::size_t partitions = 0;
  for (const auto& topic : request.topics) partitions += topic.partitions.size();
  const bool is_followers = std::max(request.replica_id, request.replica_state.replica_id) >= 0;
  const auto now = clock_.monotonic();
  if (!shard.make_room(is_followers, partitions, now)) return nullptr;
  std::int32_t id = kNoFetchSession;
  while (id == kNoFetchSession || shard.find(id) != nullptr)
    id = static_cast<std::int32_t>(random_.below(INT32_MAX / kShards) * kShards + number);
  const auto session = std::make_shared<FetchSession>(id, by_topic_id);
  shard.add(id, {session, is_followers, true, 1, partitions, now, now});
  return session;
}

}  // namespace barnabas::broker
