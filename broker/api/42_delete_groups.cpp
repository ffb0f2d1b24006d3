// DeleteGroups 0-2: empty groups and their offsets go.
//
//   v1 throttle time first   v2 flexible
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_delete_groups.hpp"

namespace barnabas::broker {

using protocol::DeleteGroupsRequest;
using protocol::DeleteGroupsResponse;

namespace {

/// Collects the groups' answers, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(Reply<DeleteGroupsResponse> reply, std::size_t count)
      : reply_(std::move(reply)), missing_(count) {
    response_.results.resize(count);
  }

  void put(std::size_t index, GroupShard::DeletedGroup result) {
    std::lock_guard lock(mutex_);
    response_.results[index] = std::move(result);
    if (--missing_ == 0) reply_.send(response_);
  }

 private:
  std::mutex mutex_;
  Reply<DeleteGroupsResponse> reply_;  // guarded by mutex_, as all below
  std::size_t missing_;
  DeleteGroupsResponse response_;
};

void handle_delete_groups(Services& services, const RequestContext& context, DeleteGroupsRequest& request,
                          Reply<DeleteGroupsResponse> reply) {
  if (request.groups_names.empty()) return reply.send({});
  auto gathering = std::make_shared<Gathering>(std::move(reply), request.groups_names.size());
  for (std::size_t i = 0; i < request.groups_names.size(); ++i) {
    const std::string& id = request.groups_names[i];
    const auto refuse = [gathering, i, id](ErrorCode error) {
      gathering->put(i, {id, static_cast<std::int16_t>(error)});
    };
    if (!allowed(services, context, Operation::kDelete, ResourceKind::kGroup, id)) {
      refuse(ErrorCode::kGroupAuthorizationFailed);
      continue;
    }
    services.groups.run(
        id, GroupDriver::Kind::kExclusive,
        [gathering, i, id, refuse](ErrorCode refused, GroupShard* shard, Step* step) {
          if (refused != ErrorCode::kNone) return refuse(refused);
          shard->remove(
              id, [gathering, i](const GroupShard::DeletedGroup& result) { gathering->put(i, result); },
              *step);
        });
  }
}

}  // namespace

bool serve_delete_groups(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<DeleteGroupsRequest, DeleteGroupsResponse, handle_delete_groups>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
