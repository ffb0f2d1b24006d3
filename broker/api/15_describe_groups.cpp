// DescribeGroups 0-6: state and members of classic groups.
//
//   v1 throttle time   v2 same   v3 authorized operations   v4 static members   v5 flexible
//   v6 error messages; an unknown group is GROUP_ID_NOT_FOUND (KIP-1043), before it is Dead
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_describe_groups.hpp"

namespace barnabas::broker {

using protocol::DescribeGroupsRequest;
using protocol::DescribeGroupsResponse;

namespace {

/// Collects the groups' answers, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(Reply<DescribeGroupsResponse> reply, std::size_t count)
      : reply_(std::move(reply)), missing_(count) {
    response_.groups.resize(count);
    kept_.reserve(count);
  }

  void put(std::size_t index, const GroupShard::DescribedGroup& group) {
    std::lock_guard lock(mutex_);
    GroupShard::DescribedGroup& to = response_.groups[index];
    to = group;
    for (auto& member : to.members) {
      member.member_metadata = keep(member.member_metadata);
      member.member_assignment = keep(member.member_assignment);
    }
    if (--missing_ == 0) reply_.send(response_);
  }

 private:
  ByteView keep(ByteView bytes) {
    if (bytes.empty()) return {};
    kept_.push_back(to_bytes(bytes));
    return kept_.back();
  }

  std::mutex mutex_;
  Reply<DescribeGroupsResponse> reply_;  // guarded by mutex_, as all below
  std::size_t missing_;
  DescribeGroupsResponse response_;
  std::vector<Bytes> kept_;  // what the response's views show
};

void handle_describe_groups(Services& services, const RequestContext& context, DescribeGroupsRequest& request,
                            Reply<DescribeGroupsResponse> reply) {
  if (request.groups.empty()) return reply.send({});
  auto gathering = std::make_shared<Gathering>(std::move(reply), request.groups.size());
  for (std::size_t i = 0; i < request.groups.size(); ++i) {
    const std::string& id = request.groups[i];
    const auto refuse = [gathering, i, id](ErrorCode error) {
      GroupShard::DescribedGroup group;
      group.group_id = id;
      group.error_code = static_cast<std::int16_t>(error);
      gathering->put(i, group);
    };
    if (!allowed(services, context, Operation::kDescribe, ResourceKind::kGroup, id)) {
      refuse(ErrorCode::kGroupAuthorizationFailed);
      continue;
    }
    const std::int32_t operations = request.include_authorized_operations
                                        ? authorized_operations(services, context, ResourceKind::kGroup, id)
                                        : kOperationsNotAsked;
    services.groups.run(id, GroupDriver::Kind::kExclusive,
                        [gathering, i, id, operations, refuse, version = context.api_version](
                            ErrorCode refused, GroupShard* shard, Step* step) {
                          if (refused != ErrorCode::kNone) return refuse(refused);
                          shard->describe(
                              id, version,
                              [gathering, i, operations](const GroupShard::DescribedGroup& group) {
                                GroupShard::DescribedGroup described = group;
                                if (described.error_code == 0) described.authorized_operations = operations;
                                gathering->put(i, described);
                              },
                              *step);
                        });
  }
}

}  // namespace

bool serve_describe_groups(Services& services, const RequestContext& context, protocol::Reader& reader,
                           ResponseSink sink) {
  return decode_and_handle<DescribeGroupsRequest, DescribeGroupsResponse, handle_describe_groups>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
