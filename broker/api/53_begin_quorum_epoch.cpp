// BeginQuorumEpoch 0-1: a new leader of the metadata quorum makes itself known (KIP-595). Of the
// controller's listener.
//
//   v1 directory ids, endpoints of the leader (KIP-853)
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::BeginQuorumEpochRequest;
using protocol::BeginQuorumEpochResponse;

namespace {

void handle_begin_quorum_epoch(Services& services, const RequestContext& context,
                               BeginQuorumEpochRequest& request, Reply<BeginQuorumEpochResponse> reply) {
  ask_quorum(services, context, request, std::move(reply), Operation::kClusterAction,
             as_answer<kraft::BeginQuorumEpochResponse>(context.api_version));
}

}  // namespace

bool serve_begin_quorum_epoch(Services& services, const RequestContext& context, protocol::Reader& reader,
                              ResponseSink sink) {
  return decode_and_handle<BeginQuorumEpochRequest, BeginQuorumEpochResponse, handle_begin_quorum_epoch>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
