#include "tools/client/classic_member.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/error_table.hpp"
#include "protocol/messages/api_heartbeat.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_leave_group.hpp"
#include "protocol/messages/api_sync_group.hpp"
#include "protocol/messages/data_consumer_protocol_assignment.hpp"
#include "protocol/messages/data_consumer_protocol_subscription.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kProtocolType = "consumer";
/// Of what Kafka 4.3.1 writes.
constexpr std::int16_t kSubscriptionVersion = 3;
constexpr std::chrono::milliseconds kJoinGrace{5000};

/// Subscriptions and assignments are bytes to the broker, with their version in front.
template <class Message>
Bytes encoded(const Message& message, std::int16_t version) {
  protocol::Writer writer;
  writer.int16(version);
  message.write(writer, version);
  return writer.take();
}
template <class Message>
std::optional<Message> decoded(ByteView bytes) {
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  if (!reader.ok() || version < 0) return std::nullopt;
  Message message;
  message.read(reader, std::min<std::int16_t>(version, Message::kMaxVersion));
  if (!reader.ok()) return std::nullopt;
  return message;
}

GroupSubscriber subscriber_of(const std::string& member_id, const std::string& instance_id, ByteView bytes) {
  GroupSubscriber subscriber{member_id, instance_id, {}, {}};
  const auto subscription = decoded<protocol::ConsumerProtocolSubscription>(bytes);
  if (!subscription) return subscriber;
  subscriber.topics = subscription->topics;
  for (const auto& topic : subscription->owned_partitions) {
    for (const std::int32_t partition : topic.partitions) {
      subscriber.owned.push_back({topic.topic, PartitionIndex(partition)});
    }
  }
  return subscriber;
}

protocol::ConsumerProtocolAssignment assignment_of(const std::vector<TopicPartition>& partitions) {
  protocol::ConsumerProtocolAssignment assignment;
  for (const TopicPartition& partition : partitions) {
    auto& topics = assignment.assigned_partitions;
    if (topics.empty() || topics.back().topic != partition.topic) topics.push_back({partition.topic, {}});
    topics.back().partitions.push_back(partition.partition.value());
  }
  return assignment;
}

}  // namespace

Result<void> ClassicMember::step() {
  if (now() < not_before_) return {};
  Result<void> done;
  switch (state_) {
    case State::kOutside:
      done = connect();
      if (done) done = send_join();
      break;
    case State::kJoining:
    case State::kSyncing:
      if (connection_->readable(std::chrono::milliseconds(0))) {
        done = state_ == State::kJoining ? take_join() : take_sync();
      } else if (now() > answer_deadline_) {
        done = fail(ErrorCode::kNetworkException, "The coordinator does not answer");
      }
      break;
    case State::kStable:
      if (now() >= next_heartbeat_) done = heartbeat();
  }
  return done ? done : recover(done.error());
}

Deadline ClassicMember::next_event() const {
  if (now() < not_before_) return not_before_;
  if (state_ == State::kStable) return next_heartbeat_;
  return state_ == State::kOutside ? now() : answer_deadline_;
}

Result<void> ClassicMember::send_join() {
  if (std::exchange(has_assignment_, false)) host_.revoked(std::exchange(owned_, {}));
  protocol::ConsumerProtocolSubscription subscription;
  subscription.topics = host_.topics();
  std::ranges::sort(subscription.topics);
  const Bytes metadata = encoded(subscription, kSubscriptionVersion);
  protocol::JoinGroupRequest request;
  request.group_id = config_.group_id;
  request.session_timeout_ms = static_cast<std::int32_t>(config_.session_timeout.count());
  request.rebalance_timeout_ms = static_cast<std::int32_t>(config_.max_poll_interval.count());
  request.member_id = member_id_;
  request.protocol_type = kProtocolType;
  for (const AssignmentStrategy strategy : config_.strategies) {
    request.protocols.push_back({std::string(protocol_name(strategy)), metadata});
  }
  constexpr std::int16_t kFirstWithInstanceIds = 5;
  const auto version = connection_->version_of<protocol::JoinGroupRequest>();
  if (version && *version >= kFirstWithInstanceIds) request.group_instance_id = instance_id();
  answer_deadline_ = deadline_after(config_.max_poll_interval + kJoinGrace);
  TRY(connection_->send(request, deadline_after(config_.client.request_timeout)));
  state_ = State::kJoining;
  return {};
}

Result<void> ClassicMember::take_join() {
  const auto answer =
      TRY(connection_->receive<protocol::JoinGroupResponse>(deadline_after(config_.client.request_timeout)));
  const auto error = static_cast<ErrorCode>(answer->error_code);
  if (error == ErrorCode::kMemberIdRequired) {
    member_id_ = answer->member_id;
    return send_join();
  }
  if (error != ErrorCode::kNone) return fail(error);
  member_id_ = answer->member_id;
  generation_ = answer->generation_id;
  protocol_ = answer->protocol_name.value_or("");
  protocol::SyncGroupRequest request;
  request.group_id = config_.group_id;
  request.generation_id = generation_;
  request.member_id = member_id_;
  std::vector<std::pair<std::string, Bytes>> assignments_of_all;
  if (answer->leader == member_id_ && !answer->skip_assignment) {
    std::vector<std::pair<std::string, Bytes>> subscriptions;
    std::map<std::string, std::string> instance_ids;
    for (const auto& member : answer->members) {
      subscriptions.emplace_back(member.member_id, to_bytes(member.metadata));
      instance_ids[member.member_id] = member.group_instance_id.value_or("");
    }
    assignments_of_all = TRY(assignments(protocol_, subscriptions, instance_ids));
    for (const auto& [member, bytes] : assignments_of_all) request.assignments.push_back({member, bytes});
  }
  const auto version = connection_->version_of<protocol::SyncGroupRequest>();
  if (version && *version >= 3) request.group_instance_id = instance_id();
  if (version && *version >= 5) {
    request.protocol_type = kProtocolType;
    request.protocol_name = protocol_;
  }
  answer_deadline_ = deadline_after(config_.max_poll_interval + kJoinGrace);
  TRY(connection_->send(request, deadline_after(config_.client.request_timeout)));
  state_ = State::kSyncing;
  return {};
}

Result<std::vector<std::pair<std::string, Bytes>>> ClassicMember::assignments(
    const std::string& protocol, const std::vector<std::pair<std::string, Bytes>>& subscriptions,
    const std::map<std::string, std::string>& instance_ids) {
  const auto strategy = std::ranges::find_if(
      config_.strategies, [&](AssignmentStrategy known) { return protocol_name(known) == protocol; });
  if (strategy == config_.strategies.end()) {
    return fail(ErrorCode::kInconsistentGroupProtocol,
                fmt::format("The group chose the protocol {}, which is not one of this member's", protocol));
  }
  std::vector<GroupSubscriber> members;
  std::vector<std::string> topics;
  for (const auto& [member_id, bytes] : subscriptions) {
    members.push_back(subscriber_of(member_id, instance_ids.at(member_id), bytes));
    topics.insert(topics.end(), members.back().topics.begin(), members.back().topics.end());
  }
  std::ranges::sort(topics);
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  const PartitionCounts counts = TRY(host_.partition_counts(topics));
  std::vector<std::pair<std::string, Bytes>> all;
  for (const auto& [member, partitions] : assign_partitions(*strategy, std::move(members), counts)) {
    all.emplace_back(member, encoded(assignment_of(partitions), kSubscriptionVersion));
  }
  return all;
}

Result<void> ClassicMember::take_sync() {
  const auto answer =
      TRY(connection_->receive<protocol::SyncGroupResponse>(deadline_after(config_.client.request_timeout)));
  if (answer->error_code != 0) return fail(static_cast<ErrorCode>(answer->error_code));
  std::vector<TopicPartition> partitions;
  if (!answer->assignment.empty()) {
    const auto assignment = decoded<protocol::ConsumerProtocolAssignment>(answer->assignment);
    if (!assignment)
      return fail(ErrorCode::kInvalidRequest, "The group's leader sent an assignment that cannot be read");
    for (const auto& topic : assignment->assigned_partitions) {
      for (const std::int32_t partition : topic.partitions) {
        partitions.push_back({topic.topic, PartitionIndex(partition)});
      }
    }
  }
  state_ = State::kStable;
  has_assignment_ = true;
  next_heartbeat_ = deadline_after(config_.heartbeat_interval);
  owned_ = std::move(partitions);
  host_.assigned(owned_);
  return {};
}

Result<void> ClassicMember::heartbeat() {
  protocol::HeartbeatRequest request;
  request.group_id = config_.group_id;
  request.generation_id = generation_;
  request.member_id = member_id_;
  const auto version = connection_->version_of<protocol::HeartbeatRequest>();
  if (version && *version >= 3) request.group_instance_id = instance_id();
  const auto answer = TRY(connection_->call<protocol::HeartbeatResponse>(
      request, deadline_after(config_.client.request_timeout)));
  if (answer->error_code != 0) return fail(static_cast<ErrorCode>(answer->error_code));
  next_heartbeat_ = deadline_after(config_.heartbeat_interval);
  return {};
}

Result<void> ClassicMember::recover(const Error& error) {
  switch (error.code) {
    case ErrorCode::kRebalanceInProgress:
      state_ = State::kOutside;
      return {};
    case ErrorCode::kUnknownMemberId:
    case ErrorCode::kIllegalGeneration:
      if (error.code == ErrorCode::kUnknownMemberId) member_id_.clear();
      generation_ = -1;
      state_ = State::kOutside;
      return {};
    default:
      break;
  }
  if (coordinator_is_elsewhere(error.code))
    connection_.reset();
  else if (!protocol::error_info(error.code).retriable)
    return std::unexpected(error);
  state_ = State::kOutside;
  wait_a_moment();
  return {};
}

void ClassicMember::subscription_changed() {
  if (state_ == State::kStable) state_ = State::kOutside;
}

Result<void> ClassicMember::commit(const Offsets& offsets) {
  // A join that is on its way is answered after the commit at best; the member has given up everything then.
  if (state_ == State::kJoining || state_ == State::kSyncing) return {};
  return GroupMember::commit(offsets);
}

void ClassicMember::leave() {
  // What is on its way would be answered first.
  if (state_ == State::kJoining || state_ == State::kSyncing) connection_.reset();
  const bool is_member = !member_id_.empty() && config_.group_instance_id.empty();
  state_ = State::kOutside;
  if (!is_member || !connect()) return;
  protocol::LeaveGroupRequest request;
  request.group_id = config_.group_id;
  constexpr std::int16_t kFirstWithSeveral = 3;
  constexpr std::int16_t kFirstWithReasons = 5;
  const auto version = connection_->version_of<protocol::LeaveGroupRequest>();
  if (version && *version >= kFirstWithSeveral) {
    request.members.push_back({member_id_, std::nullopt, std::nullopt});
    if (*version >= kFirstWithReasons) request.members.back().reason = "the consumer is being closed";
  } else {
    request.member_id = member_id_;
  }
  (void)connection_->call<protocol::LeaveGroupResponse>(request,
                                                        deadline_after(config_.client.request_timeout));
  member_id_.clear();
}

}  // namespace barnabas::tools
