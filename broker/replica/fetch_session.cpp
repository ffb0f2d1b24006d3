#include "broker/replica/fetch_session.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace barnabas::broker {

namespace {

// min.incremental.fetch.session.eviction.ms: a session may be evicted for another one after this long.
constexpr std::chrono::nanoseconds kEvictable = std::chrono::minutes(2);
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

FetchPlan FetchSessionCache::begin(const protocol::FetchRequest& request, std::int16_t version) {
  const bool by_topic_id = version >= kFirstVersionByTopicId;
  const bool full = request.session_epoch == kInitialFetchEpoch || request.session_epoch == kFinalFetchEpoch;
  if (version >= kFirstVersionWithSessions && !full) return resume(request, by_topic_id);
  FetchPlan plan;
  {
    std::lock_guard lock(mutex_);
    if (request.session_id != kNoFetchSession) sessions_.erase(request.session_id);
    const bool wants_session =
        version >= kFirstVersionWithSessions && request.session_epoch == kInitialFetchEpoch;
    if (wants_session && !request.topics.empty()) plan.session = make_session(by_topic_id);
  }
  if (!plan.session) plan.session = std::make_shared<FetchSession>(kNoFetchSession, by_topic_id);
  plan.session->update(request);
  return plan;
}

FetchPlan FetchSessionCache::resume(const protocol::FetchRequest& request, bool by_topic_id) {
  FetchPlan plan;
  {
    std::lock_guard lock(mutex_);
    auto found = sessions_.find(request.session_id);
    if (found == sessions_.end()) {
      plan.error = ErrorCode::kFetchSessionIdNotFound;
      return plan;
    }
    FetchSession& session = *found->second;
    if (session.in_use_ || session.next_epoch_ != request.session_epoch) {
      plan.error = ErrorCode::kInvalidFetchSessionEpoch;
      return plan;
    }
    if (session.by_topic_id_ != by_topic_id) {
      plan.error = ErrorCode::kFetchSessionTopicIdError;
      return plan;
    }
    session.next_epoch_ = session.next_epoch_ == INT32_MAX ? 1 : session.next_epoch_ + 1;
    session.in_use_ = true;
    session.last_used_ = clock_.monotonic();
    plan.session = found->second;
  }
  plan.incremental = true;
  plan.session->update(request);
  return plan;
}

void FetchSessionCache::finish(const FetchPlan& plan) {
  if (plan.session_id() == kNoFetchSession) return;
  std::lock_guard lock(mutex_);
  plan.session->in_use_ = false;
  plan.session->last_used_ = clock_.monotonic();
}

std::size_t FetchSessionCache::size() const {
  std::lock_guard lock(mutex_);
  return sessions_.size();
}

std::shared_ptr<FetchSession> FetchSessionCache::make_session(bool by_topic_id) {
  if (sessions_.size() >= slots_ && !make_room()) return nullptr;
  std::int32_t id = 0;
  while (id == kNoFetchSession || sessions_.contains(id))
    id = static_cast<std::int32_t>(1 + random_.below(INT32_MAX));
  auto session = std::make_shared<FetchSession>(id, by_topic_id);
  session->in_use_ = true;
  session->created_ = session->last_used_ = clock_.monotonic();
  sessions_.emplace(id, session);
  return session;
}

bool FetchSessionCache::make_room() {
  auto oldest =
      std::ranges::min_element(sessions_, {}, [](const auto& entry) { return entry.second->last_used_; });
  if (oldest == sessions_.end() || clock_.monotonic() - oldest->second->last_used_ < kEvictable) return false;
  sessions_.erase(oldest);
  return true;
}

}  // namespace barnabas::broker
