#include "tools/client/group_description.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/messages/api_consumer_group_describe.hpp"
#include "protocol/messages/api_describe_groups.hpp"
#include "protocol/messages/api_list_groups.hpp"
#include "protocol/messages/data_consumer_protocol_assignment.hpp"

namespace barnabas::tools {
namespace {

using protocol::ConsumerGroupDescribeRequest;
using protocol::ConsumerGroupDescribeResponse;
using protocol::DescribeGroupsRequest;
using protocol::DescribeGroupsResponse;
using protocol::ListGroupsRequest;
using protocol::ListGroupsResponse;

constexpr std::string_view kCallName = "describeConsumerGroups(api=FIND_COORDINATOR)";

/// What the assignor of a classic group gave to a member; nothing where that is not for consumers.
Assignment decode_assignment(ByteView bytes) {
  Assignment assignment;
  protocol::Reader reader(bytes);
  const std::int16_t version = reader.int16();
  if (!reader.ok() || version < 0) return assignment;
  protocol::ConsumerProtocolAssignment decoded;
  decoded.read(reader, std::min(version, protocol::ConsumerProtocolAssignment::kMaxVersion));
  if (!reader.ok()) return assignment;
  for (const auto& topic : decoded.assigned_partitions) {
    assignment[topic.topic] = topic.partitions;
    std::ranges::sort(assignment[topic.topic]);
  }
  return assignment;
}

Assignment assignment_of(const ConsumerGroupDescribeResponse::Assignment& given) {
  Assignment assignment;
  for (const auto& topic : given.topic_partitions) {
    assignment[topic.topic_name] = topic.partitions;
    std::ranges::sort(assignment[topic.topic_name]);
  }
  return assignment;
}

Result<GroupDescription> describe_consumer_group(Admin& admin, const std::string& id) {
  ConsumerGroupDescribeRequest request;
  request.group_ids = {id};
  const auto answer = TRY(admin.call<ConsumerGroupDescribeResponse>(
      Target::group(id), request, kCallName,
      [](const ConsumerGroupDescribeResponse& groups) { return first_refusal(groups.groups); }));
  if (answer->groups.empty())
    return fail(ErrorCode::kGroupIdNotFound, fmt::format("Group {} not found.", id));
  const auto& group = answer->groups.front();
  GroupDescription described{.id = id,
                             .is_classic = false,
                             .state = group.group_state,
                             .protocol_type = "consumer",
                             .assignor = group.assignor_name,
                             .epoch = group.group_epoch,
                             .target_epoch = group.assignment_epoch,
                             .coordinator = {},
                             .members = {}};
  for (const auto& member : group.members)
    described.members.push_back(
        {.id = member.member_id,
         .instance_id = member.instance_id.value_or(""),
         .client_id = member.client_id,
         .host = member.client_host,
         .assignment = assignment_of(member.assignment),
         .target = assignment_of(member.target_assignment),
         .epoch = member.member_epoch,
         .is_upgraded = member.member_type < 0 ? std::nullopt : std::optional(member.member_type == 1)});
  return described;
}

Result<GroupDescription> describe_classic_group(Admin& admin, const std::string& id) {
  DescribeGroupsRequest request;
  request.groups = {id};
  const auto answer = TRY(admin.call<DescribeGroupsResponse>(
      Target::group(id), request, kCallName,
      [](const DescribeGroupsResponse& groups) { return first_refusal(groups.groups); }));
  if (answer->groups.empty())
    return fail(ErrorCode::kGroupIdNotFound, fmt::format("Group {} not found.", id));
  const auto& group = answer->groups.front();
  // Brokers before version 6 of this API call a group that is not there dead.
  constexpr std::int16_t kFirstWithNotFound = 6;
  if (answer.version < kFirstWithNotFound && group.group_state == "Dead")
    return fail(ErrorCode::kGroupIdNotFound, fmt::format("Group {} not found.", id));
  GroupDescription described{.id = id,
                             .is_classic = true,
                             .state = group.group_state,
                             .protocol_type = group.protocol_type,
                             .assignor = group.protocol_data,
                             .coordinator = {},
                             .members = {}};
  for (const auto& member : group.members)
    described.members.push_back({.id = member.member_id,
                                 .instance_id = member.group_instance_id.value_or(""),
                                 .client_id = member.client_id,
                                 .host = member.client_host,
                                 .assignment = decode_assignment(member.member_assignment)});
  return described;
}

}  // namespace

std::string capital_type(const std::string& type) {
  if (type.empty()) return "Classic";
  std::string made = type;
  made[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(made[0])));
  return made;
}

Result<std::vector<GroupListing>> list_groups(Admin& admin, const std::vector<std::string>& states,
                                              const std::vector<std::string>& types) {
  const auto nodes = admin.nodes("listGroups");
  if (!nodes) {
    if (nodes.error().code != ErrorCode::kRequestTimedOut) return std::unexpected(nodes.error());
    return fail(ErrorCode::kBrokerNotAvailable, "Failed to find brokers to send ListGroups");
  }
  ListGroupsRequest request;
  request.states_filter = states;
  request.types_filter = types;
  std::map<std::string, GroupListing> groups;
  for (const auto& node : *nodes) {
    const auto answer =
        TRY(admin.call<ListGroupsResponse>(Target::broker(node.id), request, "listConsumerGroups"));
    for (const auto& group : answer->groups)
      groups[group.group_id] = {.id = group.group_id,
                                .protocol_type = group.protocol_type,
                                .state = group.group_state,
                                .type = group.group_type};
  }
  std::vector<GroupListing> listed;
  for (auto& [id, group] : groups) listed.push_back(std::move(group));
  return listed;
}

Result<GroupDescription> describe_group(Admin& admin, const std::string& id) {
  auto described = describe_consumer_group(admin, id);
  // A classic group is none to this API, and some brokers do not have it.
  if (!described && (described.error().code == ErrorCode::kGroupIdNotFound ||
                     described.error().code == ErrorCode::kUnsupportedVersion))
    described = describe_classic_group(admin, id);
  if (!described) return described;
  Connection* coordinator = TRY(admin.cluster().coordinator(CoordinatorType::kGroup, id));
  described->coordinator.address = coordinator->address();
  for (const auto& node : TRY(admin.nodes("listNodes")))
    if (node.address == coordinator->address()) described->coordinator = node;
  std::ranges::sort(described->members, {}, &DescribedMember::id);
  return described;
}

}  // namespace barnabas::tools
