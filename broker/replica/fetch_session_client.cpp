#include "broker/replica/fetch_session_client.hpp"

#include "base/error_code.hpp"

namespace barnabas::broker {

void FetchSessionClient::set(const ReplicaKey& key, const FetchedFrom& wanted) {
  Entry& entry = wanted_[key];
  entry.wanted = wanted;
  forgotten_.erase(key);
  // One that left and comes back within a round is sent again: the leader takes it as it is then.
  if (!entry.is_sent || entry.sent != wanted)
    changed_.insert(key);
  else
    changed_.erase(key);
}

void FetchSessionClient::remove(const ReplicaKey& key) {
  const auto found = wanted_.find(key);
  if (found == wanted_.end()) return;
  if (held_.contains(key)) forgotten_.insert(key);
  changed_.erase(key);
  wanted_.erase(found);
}

void FetchSessionClient::add(protocol::FetchRequest& request, const ReplicaKey& key, Entry& entry) {
  if (request.topics.empty() || request.topics.back().topic_id != key.first.value())
    request.topics.emplace_back().topic_id = key.first.value();
  auto& partition = request.topics.back().partitions.emplace_back();
  partition.partition = key.second.value();
  partition.current_leader_epoch = entry.wanted.leader_epoch.value();
  partition.fetch_offset = entry.wanted.from.value();
  partition.last_fetched_epoch = entry.wanted.last_epoch.value();
  partition.log_start_offset = entry.wanted.log_start.value();
  partition.partition_max_bytes = entry.wanted.max_bytes;
  entry.sent = entry.wanted;
  entry.is_sent = true;
}

void FetchSessionClient::write(protocol::FetchRequest& request) {
  request.session_id = session_id_;
  request.session_epoch = epoch_;
  if (epoch_ == 0) {
    held_.clear();
    for (auto& [key, entry] : wanted_) {
      add(request, key, entry);
      held_.insert(key);
    }
  } else {
    for (const ReplicaKey& key : changed_) {
      add(request, key, wanted_.at(key));
      held_.insert(key);
    }
    for (const ReplicaKey& key : forgotten_) {
      auto& topics = request.forgotten_topics_data;
      if (topics.empty() || topics.back().topic_id != key.first.value())
        topics.emplace_back().topic_id = key.first.value();
      topics.back().partitions.push_back(key.second.value());
      held_.erase(key);
    }
  }
  changed_.clear();
  forgotten_.clear();
}

const FetchedFrom* FetchSessionClient::asked(const ReplicaKey& key) const {
  const auto found = wanted_.find(key);
  return found == wanted_.end() || !found->second.is_sent ? nullptr : &found->second.sent;
}

bool FetchSessionClient::on_response(const protocol::FetchResponse& response) {
  if (response.error_code != 0) {
    const bool is_gone = static_cast<ErrorCode>(response.error_code) == ErrorCode::kFetchSessionIdNotFound;
    if (is_gone) session_id_ = 0;
    epoch_ = 0;
    return false;
  }
  session_id_ = response.session_id;
  if (session_id_ == 0)
    epoch_ = 0;
  else
    epoch_ = epoch_ == INT32_MAX ? 1 : epoch_ + 1;
  return true;
}

}  // namespace barnabas::broker
