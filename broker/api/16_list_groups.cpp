// ListGroups 0-5: the groups that this node coordinates.
//
//   v1 throttle time   v2 same   v3 flexible   v4 states, and a filter by them   v5 types, and a filter by
//   them
//
// Left out: share and streams groups.
#include <iterator>
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_list_groups.hpp"

namespace barnabas::broker {

using protocol::ListGroupsRequest;
using protocol::ListGroupsResponse;

namespace {

/// Collects the shards' answers, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(const Services& services, const RequestContext& context, Reply<ListGroupsResponse> reply,
            std::size_t count)
      : services_(services), context_(context), reply_(std::move(reply)), missing_(count) {}

  void put(const ListGroupsResponse& part) {
    std::lock_guard lock(mutex_);
    if (part.error_code != 0) response_.error_code = part.error_code;
    response_.groups.insert(response_.groups.end(), part.groups.begin(), part.groups.end());
    if (--missing_ == 0) finish();
  }

 private:
  void finish() {
    if (response_.error_code != 0) response_.groups.clear();
    // Who may describe the cluster sees every group, others those that they may describe.
    if (!allowed_on_cluster(services_, context_, Operation::kDescribe)) {
      std::erase_if(response_.groups, [&](const auto& group) {
        return !allowed(services_, context_, Operation::kDescribe, ResourceKind::kGroup, group.group_id);
      });
    }
    reply_.send(response_);
  }

  const Services& services_;
  const RequestContext context_;
  std::mutex mutex_;
  Reply<ListGroupsResponse> reply_;  // guarded by mutex_, as all below
  std::size_t missing_;
  ListGroupsResponse response_;
};

void handle_list_groups(Services& services, const RequestContext& context, ListGroupsRequest& request,
                        Reply<ListGroupsResponse> reply) {
  const std::size_t shards = services.groups.shard_count();
  if (shards == 0) return reply.send({});
  auto gathering = std::make_shared<Gathering>(services, context, std::move(reply), shards);
  auto filter = std::make_shared<const ListGroupsRequest>(std::move(request));
  for (std::size_t i = 0; i < shards; ++i) {
    services.groups.run_on(
        i, GroupDriver::Kind::kExclusive,
        [gathering, filter](ErrorCode refused, GroupShard* shard, Step* step) {
          if (refused == ErrorCode::kNone) {
            return shard->list(
                *filter, [gathering](const ListGroupsResponse& part) { gathering->put(part); }, *step);
          }
          // Shards of other nodes are their business; a shard that loads may know more.
          ListGroupsResponse part;
          if (refused != ErrorCode::kNotCoordinator) part.error_code = static_cast<std::int16_t>(refused);
          gathering->put(part);
        });
  }
}

}  // namespace

bool serve_list_groups(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  return decode_and_handle<ListGroupsRequest, ListGroupsResponse, handle_list_groups>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
