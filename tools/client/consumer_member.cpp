#include "tools/client/consumer_member.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/random.hpp"
#include "protocol/error_table.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr const char* kLog = "org.apache.kafka.clients.consumer.internals.ConsumerHeartbeatRequestManager";
/// Epochs that say "I want to join", "I leave", and, of a static member, "I leave and shall be back".
constexpr std::int32_t kJoining = 0;
constexpr std::int32_t kLeaving = -1;
constexpr std::int32_t kLeavingForAWhile = -2;
constexpr const char* kNotServed =
    "The cluster does not support the new CONSUMER group protocol. Set group.protocol=classic on the "
    "consumer configs to revert to the CLASSIC protocol until the cluster is upgraded.";

}  // namespace

ConsumerMember::ConsumerMember(Cluster& cluster, const ConsumerConfig& config, Host host)
    : GroupMember(cluster, config, std::move(host)) {
  SystemRandom random;
  member_id_ = Uuid::random(random).to_string();
  generation_ = kJoining;
}

Result<void> ConsumerMember::step() {
  if (now() < not_before_) return {};
  if (target_) reconcile();
  if (now() < next_heartbeat_) return {};
  if (Result<void> done = heartbeat(); !done) return recover(std::move(done).error());
  if (target_) reconcile();
  return {};
}

Deadline ConsumerMember::next_event() const {
  return std::max(not_before_, next_heartbeat_);
}

ConsumerMember::Heartbeat ConsumerMember::request() {
  Heartbeat request;
  request.group_id = config_.group_id;
  request.member_id = member_id_;
  request.member_epoch = generation_;
  request.instance_id = instance_id();
  std::vector<std::string> topics = host_.topics();
  std::ranges::sort(topics);
  if (tells_everything_ || topics != told_topics_) request.subscribed_topic_names = topics;
  told_topics_ = std::move(topics);
  if (tells_everything_ || owned_ != told_partitions_) {
    auto& owned = request.topic_partitions.emplace();
    for (const auto& [topic, partitions] : owned_) {
      owned.push_back({topic, {}});
      for (const PartitionIndex partition : partitions) owned.back().partitions.push_back(partition.value());
    }
  }
  told_partitions_ = owned_;
  if (tells_everything_) {
    request.rebalance_timeout_ms = static_cast<std::int32_t>(config_.max_poll_interval.count());
    if (!config_.remote_assignor.empty()) request.server_assignor = config_.remote_assignor;
    if (!config_.client_rack.empty()) request.rack_id = config_.client_rack;
  }
  return request;
}

Result<void> ConsumerMember::heartbeat() {
  TRY(connect());
  if (!connection_->version_of<Heartbeat>()) return fail(ErrorCode::kUnsupportedVersion, kNotServed);
  const Heartbeat asked = request();
  tells_everything_ = true;  // until it is answered well
  const auto answer = TRY(connection_->call<protocol::ConsumerGroupHeartbeatResponse>(
      asked, deadline_after(config_.client.request_timeout)));
  if (answer->error_code != 0)
    return fail(static_cast<ErrorCode>(answer->error_code), std::string(answer->error_message.value_or("")));
  tells_everything_ = false;
  take(answer.body);
  return {};
}

void ConsumerMember::take(const protocol::ConsumerGroupHeartbeatResponse& answer) {
  if (answer.member_id) member_id_ = *answer.member_id;
  generation_ = answer.member_epoch;
  next_heartbeat_ = deadline_after(std::chrono::milliseconds(answer.heartbeat_interval_ms));
  if (!answer.assignment) return;
  target_.emplace();
  for (const auto& topic : answer.assignment->topic_partitions) {
    auto& partitions = (*target_)[topic.topic_id];
    for (const std::int32_t partition : topic.partitions) partitions.insert(PartitionIndex(partition));
  }
}

GroupMember::Partitions ConsumerMember::beyond(const Target& one, const Target& other) const {
  Partitions partitions;
  for (const auto& [topic, indexes] : one) {
    const auto there = other.find(topic);
    for (const PartitionIndex index : indexes) {
      if (there == other.end() || !there->second.contains(index))
        partitions.push_back({names_.at(topic), index});
    }
  }
  std::ranges::sort(partitions);
  return partitions;
}

void ConsumerMember::reconcile() {
  const Target target = *std::exchange(target_, std::nullopt);
  Target next;
  for (const auto& [topic, partitions] : target) {
    std::string name = host_.topic_name(topic);
    if (name.empty()) continue;
    names_[topic] = std::move(name);
    next[topic] = partitions;
  }
  if (next.size() < target.size()) target_ = target;
  const Partitions revoked = beyond(owned_, next);
  const Partitions added = beyond(next, owned_);
  if (revoked.empty() && added.empty()) return;
  if (!revoked.empty()) host_.revoked(revoked);
  owned_ = std::move(next);
  host_.assigned(added);
  next_heartbeat_ = {};  // the coordinator waits to hear of it
}

void ConsumerMember::lose_everything() {
  const Partitions lost = beyond(std::exchange(owned_, {}), {});
  target_.reset();
  generation_ = kJoining;
  tells_everything_ = true;
  next_heartbeat_ = {};
  if (!lost.empty()) host_.lost(lost);
}

Result<void> ConsumerMember::recover(Error error) {
  if (error.code == ErrorCode::kUnknownMemberId || error.code == ErrorCode::kFencedMemberEpoch) {
    lose_everything();
    return {};
  }
  if (coordinator_is_elsewhere(error.code)) {
    connection_.reset();
  } else if (!protocol::error_info(error.code).retriable) {
    tool_error(kLog, "[{}] ConsumerGroupHeartbeatRequest failed due to {}: {}", config_.client.asker,
               protocol::error_name(error.code), error.detail);
    lose_everything();
    return std::unexpected(std::move(error));
  }
  wait_a_moment();
  return {};
}

Result<void> ConsumerMember::commit(const Offsets& offsets) {
  const Deadline deadline = deadline_after(config_.client.default_api_timeout);
  for (;;) {
    Result<void> done = GroupMember::commit(offsets);
    if (done || done.error().code != ErrorCode::kStaleMemberEpoch || now() > deadline) return done;
    TRY(heartbeat());
  }
}

bool ConsumerMember::mends(ErrorCode error) {
  const bool is_mended = error == ErrorCode::kStaleMemberEpoch || error == ErrorCode::kUnknownMemberId ||
                         error == ErrorCode::kFencedMemberEpoch;
  if (is_mended) next_heartbeat_ = {};
  return is_mended;
}

void ConsumerMember::leave() {
  const bool is_member = generation_ != kJoining;
  owned_.clear();
  target_.reset();
  generation_ = kJoining;
  tells_everything_ = true;
  if (!is_member || !connect()) return;
  Heartbeat last;
  last.group_id = config_.group_id;
  last.member_id = member_id_;
  last.member_epoch = instance_id() ? kLeavingForAWhile : kLeaving;
  last.instance_id = instance_id();
  (void)connection_->call<protocol::ConsumerGroupHeartbeatResponse>(
      last, deadline_after(config_.client.request_timeout));
}

}  // namespace barnabas::tools
