// ElectLeaders 0-2: holds elections for partitions without their preferred leader, or without any (KIP-183,
// KIP-460).
//
//   v1 unclean elections   v2 flexible
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"

namespace barnabas::broker {

using protocol::ElectLeadersRequest;
using protocol::ElectLeadersResponse;

namespace {

void handle_elect_leaders(Services& services, const RequestContext& context, ElectLeadersRequest& request,
                          Reply<ElectLeadersResponse> reply) {
  if (allowed_on_cluster(services, context, Operation::kAlter))
    return ask_controller(
        services, std::move(request),
        [reply = std::move(reply)](ElectLeadersResponse response) mutable { reply.send(response); });
  ElectLeadersResponse refused;
  refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
  if (request.topic_partitions) {
    for (const auto& topic : *request.topic_partitions) {
      auto& result = refused.replica_election_results.emplace_back();
      result.topic = topic.topic;
      for (const std::int32_t index : topic.partitions)
        result.partition_result.push_back({index, refused.error_code, "Cluster authorization failed."});
    }
  }
  reply.send(refused);
}

}  // namespace

bool serve_elect_leaders(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<ElectLeadersRequest, ElectLeadersResponse, handle_elect_leaders>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
