#include "simulation/coordinators/classic_member.hpp"

#include <fmt/format.h>

#include "broker/coordinator/consumer_protocol.hpp"
#include "protocol/messages/api_leave_group.hpp"
#include "protocol/messages/data_consumer_protocol_subscription.hpp"

namespace barnabas::simulation {

namespace {
constexpr std::int16_t kVersionOfBlobs = 1;
constexpr std::int32_t kSessionTimeoutMs = 3000;
constexpr std::int32_t kRebalanceTimeoutMs = 4000;
constexpr std::chrono::milliseconds kHeartbeatInterval{500};
constexpr const char* kProtocol = "dealt-out";

Bytes subscription_to(const std::string& topic) {
  protocol::ConsumerProtocolSubscription subscription;
  subscription.topics = {topic};
  protocol::Writer writer;
  writer.int16(kVersionOfBlobs);
  subscription.write(writer, kVersionOfBlobs);
  return writer.take();
}

}  // namespace

ClassicMember::ClassicMember(CoordinatedClient& client, GroupChecks& checks, MembershipOptions options)
    : GroupMember(client, checks, std::move(options)),
      subscription_(subscription_to(this->options().topic)) {}

void ClassicMember::join() {
  if (is_leaving_) return;
  lose_all();
  protocol::JoinGroupRequest request;
  request.group_id = options().group;
  request.session_timeout_ms = kSessionTimeoutMs;
  request.rebalance_timeout_ms = kRebalanceTimeoutMs;
  request.member_id = id();
  request.group_instance_id = options().instance;
  request.protocol_type = broker::kConsumerProtocolType;
  request.protocols.push_back({kProtocol, ByteView(subscription_)});
  client().ask<protocol::JoinGroupResponse>(
      coordinator(), request, {5, 9},
      [this](const protocol::JoinGroupResponse& response) { on_joined(response); });
}

void ClassicMember::on_joined(const protocol::JoinGroupResponse& response) {
  const auto error = static_cast<ErrorCode>(response.error_code);
  if (error == ErrorCode::kMemberIdRequired) {
    known_as(response.member_id);
    return join();
  }
  if (error != ErrorCode::kNone) return join_again(error);
  joined(response.member_id, response.generation_id);
  sync(response);
}

void ClassicMember::sync(const protocol::JoinGroupResponse& joined) {
  protocol::SyncGroupRequest request;
  request.group_id = options().group;
  request.generation_id = epoch();
  request.member_id = id();
  request.group_instance_id = options().instance;
  auto blobs = std::make_shared<std::vector<Bytes>>();
  dealt_out_ = -1;
  // The successor of a static member that led does not know how many there were to be dealt out.
  if (joined.leader == id() && joined.skip_assignment) dealt_out_ = 0;
  if (joined.leader == id() && !joined.skip_assignment) {
    dealt_out_ = partitions();
    const auto members = static_cast<std::int32_t>(joined.members.size());
    for (std::int32_t at = 0; at < members; ++at) {
      broker::PartitionsByName dealt;
      for (std::int32_t partition = at; partition < dealt_out_; partition += members)
        dealt[options().topic].insert(partition);
      blobs->push_back(broker::write_assignment(dealt, kVersionOfBlobs));
    }
    for (std::size_t at = 0; at < blobs->size(); ++at)
      request.assignments.push_back({joined.members[at].member_id, ByteView((*blobs)[at])});
  }
  client().ask<protocol::SyncGroupResponse>(
      coordinator(), request, {3, 4},
      [this, blobs](const protocol::SyncGroupResponse& response) { on_synced(response); });
}

void ClassicMember::on_synced(const protocol::SyncGroupResponse& response) {
  const auto error = static_cast<ErrorCode>(response.error_code);
  if (error != ErrorCode::kNone) return join_again(error);
  const auto assignment = broker::parse_assignment(response.assignment);
  if (!assignment)
    return client().checks().violated(fmt::format("{} is given an assignment that nobody made", id()));
  std::set<TopicPartition> assigned;
  for (const auto& [topic, partitions] : assignment->partitions)
    for (const std::int32_t partition : partitions) assigned.insert({topic, PartitionIndex(partition)});
  own(assigned);
  arrange_heartbeat();
}

void ClassicMember::arrange_heartbeat() {
  client().after(kHeartbeatInterval, [this] { heartbeat(); });
}

void ClassicMember::heartbeat() {
  if (is_leaving_) return;
  protocol::HeartbeatRequest request;
  request.group_id = options().group;
  request.generation_id = epoch();
  request.member_id = id();
  request.group_instance_id = options().instance;
  client().ask<protocol::HeartbeatResponse>(
      coordinator(), request, {3, 4}, [this](const protocol::HeartbeatResponse& response) {
        if (response.error_code != 0) return join_again(static_cast<ErrorCode>(response.error_code));
        if (dealt_out_ >= 0 && dealt_out_ != partitions()) return join();
        arrange_heartbeat();
      });
}

void ClassicMember::join_again(ErrorCode error) {
  lose_all();
  switch (error) {
    case ErrorCode::kFencedInstanceId:
      return end();
    case ErrorCode::kUnknownMemberId:
      known_as("");
      break;
    case ErrorCode::kIllegalGeneration:
    case ErrorCode::kRebalanceInProgress:
    case ErrorCode::kRequestTimedOut:
      break;
    default:
      client().checks().violated(fmt::format("{} of {} is refused with error {}", client().host(),
                                             options().group, static_cast<int>(error)));
  }
  client().after(client().kBackoff, [this] { join(); });
}

void ClassicMember::leave(std::function<void()> done) {
  is_leaving_ = true;
  lose_all();
  protocol::LeaveGroupRequest request;
  request.group_id = options().group;
  auto& member = request.members.emplace_back();
  member.member_id = id();
  member.group_instance_id = options().instance;
  client().ask<protocol::LeaveGroupResponse>(
      coordinator(), request, {3, 5},
      [done = std::move(done)](const protocol::LeaveGroupResponse&) { done(); });
}

}  // namespace barnabas::simulation
