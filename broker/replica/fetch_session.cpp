#include "broker/replica/fetch_session.hpp"

#include <algorithm>

namespace barnabas::broker {

namespace {

// min.incremental.fetch.session.eviction.ms: a session may be evicted for another one after this long.
constexpr std::chrono::nanoseconds kEvictable = std::chrono::minutes(2);
constexpr std::int16_t kFirstVersionWithSessions = 7;
constexpr std::int16_t kFirstVersionByTopicId = 13;

void assign(FetchedPartition& to, const protocol::FetchRequest::FetchTopic& topic,
            const protocol::FetchRequest::FetchPartition& from) {
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

std::string FetchSession::key(const std::string& topic, const Uuid& topic_id, std::int32_t partition) const {
  std::string key = by_topic_id_ ? std::string(topic_id.bytes.begin(), topic_id.bytes.end()) : topic;
  key.append(reinterpret_cast<const char*>(&partition), sizeof partition);
  return key;
}

void FetchSession::update(const protocol::FetchRequest& request) {
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      auto [found, is_new] = by_key_.try_emplace(key(topic.topic, topic.topic_id, partition.partition));
      if (is_new) found->second = partitions_.emplace(partitions_.end());
      assign(*found->second, topic, partition);
    }
  }
  for (const auto& topic : request.forgotten_topics_data) {
    for (std::int32_t partition : topic.partitions) {
      auto found = by_key_.find(key(topic.topic, topic.topic_id, partition));
      if (found == by_key_.end()) continue;
      partitions_.erase(found->second);
      by_key_.erase(found);
    }
  }
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
  if (plan.session) {
    plan.session->update(request);
    return plan;
  }
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) assign(plan.partitions.emplace_back(), topic, partition);
  }
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
  if (!plan.session) return;
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
