#include "broker/replica/fetcher_state.hpp"

#include <algorithm>

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "kafka.server.ReplicaFetcherThread";
constexpr std::int64_t kLatest = -1;
constexpr std::int64_t kEarliest = -2;
constexpr std::chrono::milliseconds kFirstBackoff{20};

ReplicaKey key_of(const Partition& partition) {
  return {partition.topic_id(), partition.topic_partition().partition};
}

}  // namespace

void FetcherState::follow(std::shared_ptr<Partition> partition, LeaderEpoch epoch, Time now) {
  const ReplicaKey key = key_of(*partition);
  Replica& replica = replicas_[key];
  leave_stage(key, replica);
  replica = Replica{.partition = std::move(partition), .epoch = epoch, .position = {}};
  begin(key, replica, now);
}

void FetcherState::forget(const Partition& partition) {
  const ReplicaKey key = key_of(partition);
  const auto found = replicas_.find(key);
  if (found == replicas_.end()) return;
  leave_stage(key, found->second);
  session_.remove(key);
  replicas_.erase(found);
}

std::int64_t FetcherState::max_lag() const {
  std::int64_t most = 0;
  for (const auto& [key, replica] : replicas_) most = std::max(most, replica.lag.value_or(0));
  return most;
}

std::vector<std::pair<std::shared_ptr<Partition>, LeaderEpoch>> FetcherState::followed() const {
  std::vector<std::pair<std::shared_ptr<Partition>, LeaderEpoch>> all;
  for (const auto& [key, replica] : replicas_) all.emplace_back(replica.partition, replica.epoch);
  return all;
}

void FetcherState::leave_stage(const ReplicaKey& key, Replica& replica) {
  if (replica.stage == Stage::kDelayed) delayed_.erase({replica.resume_at, key});
  if (replica.stage == Stage::kOutOfRange) out_of_range_.erase(key);
  if (replica.stage == Stage::kFailed) --failed_count_;
  replica.stage = Stage::kFetching;
}

void FetcherState::begin(const ReplicaKey& key, Replica& replica, Time now) {
  const auto position = replica.partition->begin_following(replica.epoch);
  if (!position) return on_log_error(key, replica, position.error(), now);
  fetch_from(key, replica, *position);
}

void FetcherState::fetch_from(const ReplicaKey& key, Replica& replica, const FollowerPosition& position) {
  replica.position = position;
  session_.set(
      key, {replica.epoch, position.log_end, position.last_epoch, position.log_start, options_.max_bytes});
}

/// Most of what passes is metadata that one of the two has a moment before the other: a new leader commits
/// nothing while its followers sleep.
void FetcherState::delay(const ReplicaKey& key, Replica& replica, Time now) {
  const Time wait = kFirstBackoff * (1 << std::min(replica.failures++, 16));
  delay_until(key, replica, now + std::min(wait, options_.backoff));
}

void FetcherState::delay_until(const ReplicaKey& key, Replica& replica, Time when) {
  leave_stage(key, replica);
  session_.remove(key);
  replica.stage = Stage::kDelayed;
  replica.resume_at = when;
  delayed_.emplace(when, key);
}

/// Until the metadata tell of another leader epoch, or the node starts anew.
void FetcherState::set_aside(const ReplicaKey& key, Replica& replica, const std::string& why) {
  log_warn(kComponent, "{} is not fetched from broker {} any more: {}",
           to_string(replica.partition->topic_partition()), options_.leader.value(), why);
  leave_stage(key, replica);
  session_.remove(key);
  replica.stage = Stage::kFailed;
  ++failed_count_;
}

void FetcherState::resume_due(Time now) {
  while (!delayed_.empty() && delayed_.begin()->first <= now) {
    const ReplicaKey key = delayed_.begin()->second;
    Replica& replica = replicas_.at(key);
    leave_stage(key, replica);
    begin(key, replica, now);
  }
}

/// Who is in sync is fetched for at any rate: it would leave the in-sync set else.
void FetcherState::hold_throttled(Time now) {
  if (quota_.is_idle() || !quota_.is_exceeded()) return;
  for (auto& [key, replica] : replicas_) {
    const bool is_in_sync = replica.lag && *replica.lag <= 0;
    if (replica.stage == Stage::kFetching && !is_in_sync &&
        quota_.is_throttled(replica.partition->topic_partition()))
      delay_until(key, replica, now + options_.backoff);
  }
}

FetcherState::Next FetcherState::next(Time now, std::int64_t broker_epoch) {
  resume_due(now);
  hold_throttled(now);
  Next next;
  if (!out_of_range_.empty()) {
    next.ask = Ask::kOffsets;
    next.offsets = ask_for_ranges();
  } else if (session_.has_request()) {
    next.ask = Ask::kFetch;
    next.fetch = ask_for_records(broker_epoch);
  } else if (!delayed_.empty()) {
    next.until = delayed_.begin()->first;
  }
  asked_ = next.ask;
  return next;
}

protocol::FetchRequest FetcherState::ask_for_records(std::int64_t broker_epoch) {
  protocol::FetchRequest request;
  request.replica_state.replica_id = options_.self.value();
  request.replica_state.replica_epoch = broker_epoch;
  request.max_wait_ms = options_.wait_max_ms;
  request.min_bytes = options_.min_bytes;
  request.max_bytes = options_.response_max_bytes;
  session_.write(request);
  return request;
}

protocol::ListOffsetsRequest FetcherState::ask_for_ranges() {
  protocol::ListOffsetsRequest request;
  request.replica_id = options_.self.value();
  request.timeout_ms = options_.wait_max_ms;
  asked_ranges_.clear();
  for (const ReplicaKey& key : out_of_range_) {
    const Replica& replica = replicas_.at(key);
    const TopicPartition& tp = replica.partition->topic_partition();
    if (request.topics.empty() || request.topics.back().name != tp.topic)
      request.topics.emplace_back().name = tp.topic;
    auto& asked = request.topics.back().partitions.emplace_back();
    asked.partition_index = tp.partition.value();
    asked.current_leader_epoch = replica.epoch.value();
    asked.timestamp = asks_for_ends_ ? kLatest : kEarliest;
    asked_ranges_[key] = replica.epoch;
  }
  return request;
}

void FetcherState::on_failure(const Error& error, Time now) {
  log_warn(kComponent, "Error in the answer of broker {}: {}", options_.leader.value(), error.detail);
  asks_for_ends_ = true;
  session_.on_failure();
  for (auto& [key, replica] : replicas_) {
    if (replica.stage == Stage::kFetching || replica.stage == Stage::kOutOfRange) delay(key, replica, now);
  }
}

void FetcherState::on_fetched(const protocol::FetchResponse& response, Time now) {
  if (!session_.on_response(response)) {
    const auto error = static_cast<ErrorCode>(response.error_code);
    // The session is gone, which the next request makes good; anything else may come again at once.
    const bool is_of_session =
        error == ErrorCode::kFetchSessionIdNotFound || error == ErrorCode::kInvalidFetchSessionEpoch;
    if (!is_of_session)
      on_failure({error, "error " + std::to_string(response.error_code) + " of the whole fetch"}, now);
    return;
  }
  for (const auto& topic : response.responses) {
    for (const Data& data : topic.partitions) {
      const auto found = replicas_.find({TopicId(topic.topic_id), PartitionIndex(data.partition_index)});
      if (found != replicas_.end()) on_data(found->first, found->second, data, now);
    }
  }
}

void FetcherState::on_data(const ReplicaKey& key, Replica& replica, const Data& data, Time now) {
  const FetchedFrom* asked = session_.asked(key);
  // What was followed anew meanwhile is asked for anew.
  if (asked == nullptr || replica.stage != Stage::kFetching || asked->leader_epoch != replica.epoch ||
      asked->from != replica.position.log_end)
    return;
  const auto error = static_cast<ErrorCode>(data.error_code);
  if (error != ErrorCode::kNone) return on_refusal(key, replica, error, asked->leader_epoch, now);
  if (data.diverging_epoch.epoch < 0) return append(key, replica, data, now);
  const auto position = replica.partition->truncate_to_leader(
      replica.epoch, {LeaderEpoch(data.diverging_epoch.epoch), Offset(data.diverging_epoch.end_offset)});
  position ? fetch_from(key, replica, *position) : on_log_error(key, replica, position.error(), now);
}

void FetcherState::append(const ReplicaKey& key, Replica& replica, const Data& data, Time now) {
  FetchedFromLeader fetched;
  fetched.leader_epoch = replica.epoch;
  fetched.from = replica.position.log_end;
  if (data.records) fetched.records = data.records->bytes;
  fetched.high_watermark = Offset(data.high_watermark);
  fetched.log_start = Offset(data.log_start_offset);
  const auto position = replica.partition->append_as_follower(fetched);
  if (!position) return on_log_error(key, replica, position.error(), now);
  if (!quota_.is_idle() && quota_.is_throttled(replica.partition->topic_partition()))
    quota_.record(static_cast<std::int64_t>(fetched.records.size()));
  replica.failures = 0;
  replica.lag = std::max<std::int64_t>(data.high_watermark - position->log_end.value(), 0);
  fetch_from(key, replica, *position);
}

void FetcherState::on_refusal(const ReplicaKey& key, Replica& replica, ErrorCode error, LeaderEpoch asked_in,
                              Time now) {
  switch (error) {
    case ErrorCode::kOffsetOutOfRange:
      session_.remove(key);
      replica.stage = Stage::kOutOfRange;
      replica.leader_end.reset();
      out_of_range_.insert(key);
      return;
    case ErrorCode::kFencedLeaderEpoch:
      if (asked_in == replica.epoch)
        return set_aside(key, replica, "the leader is in a newer epoch, of which the metadata will tell");
      return delay(key, replica, now);
    case ErrorCode::kUnknownLeaderEpoch:
    case ErrorCode::kNotLeaderOrFollower:
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kUnknownTopicId:
    case ErrorCode::kInconsistentTopicId:
      // One of the two has not heard of the other's metadata yet.
      return delay(key, replica, now);
    default:
      log_error(kComponent, "Error {} for {} from broker {}", static_cast<int>(error),
                to_string(replica.partition->topic_partition()), options_.leader.value());
      return delay(key, replica, now);
  }
}

void FetcherState::on_log_error(const ReplicaKey& key, Replica& replica, const Error& error, Time now) {
  switch (error.code) {
    case ErrorCode::kNotLeaderOrFollower:
      // Followed in another epoch by now, or not at all, of which this fetcher is told.
      leave_stage(key, replica);
      session_.remove(key);
      replica.stage = Stage::kFailed;
      ++failed_count_;
      return;
    case ErrorCode::kKafkaStorageError:
      if (!is_disk_full(error)) return set_aside(key, replica, error.detail);
      break;
    default:
      break;
  }
  log_error(kComponent, "What was fetched of {} cannot be taken: {}",
            to_string(replica.partition->topic_partition()), error.detail);
  delay(key, replica, now);
}

void FetcherState::on_offsets(const protocol::ListOffsetsResponse& response, Time now) {
  std::map<std::pair<std::string_view, std::int32_t>,
           const protocol::ListOffsetsResponse::ListOffsetsPartitionResponse*>
      answers;
  for (const auto& topic : response.topics)
    for (const auto& answer : topic.partitions) answers[{topic.name, answer.partition_index}] = &answer;
  for (const auto& [key, epoch] : std::exchange(asked_ranges_, {})) {
    const auto found = replicas_.find(key);
    if (found == replicas_.end() || found->second.stage != Stage::kOutOfRange || found->second.epoch != epoch)
      continue;
    Replica& replica = found->second;
    const TopicPartition& tp = replica.partition->topic_partition();
    const auto answer = answers.find({tp.topic, tp.partition.value()});
    if (answer == answers.end())
      delay(key, replica, now);
    else if (const auto error = static_cast<ErrorCode>(answer->second->error_code);
             error != ErrorCode::kNone) {
      leave_stage(key, replica);
      on_refusal(key, replica, error == ErrorCode::kOffsetOutOfRange ? ErrorCode::kUnknownServerError : error,
                 epoch, now);
    } else {
      on_offset(key, replica, Offset(answer->second->offset), now);
    }
  }
  asks_for_ends_ = !asks_for_ends_ || out_of_range_.empty();
}

void FetcherState::on_offset(const ReplicaKey& key, Replica& replica, Offset offset, Time now) {
  if (asks_for_ends_) {
    replica.leader_end = offset;
    return;
  }
  // One that came between the two questions is asked for its end in the next round.
  if (!replica.leader_end) return;
  const auto position = replica.partition->follow_range(replica.epoch, offset, *replica.leader_end);
  leave_stage(key, replica);
  if (!position) return on_log_error(key, replica, position.error(), now);
  replica.lag = std::max<std::int64_t>(*replica.leader_end - position->log_end, 0);
  fetch_from(key, replica, *position);
}

}  // namespace barnabas::broker
