// EndQuorumEpoch 0-1: a leader of the metadata quorum goes, and says who should follow it (KIP-595).
// Of the controller's listener.
//
//   v1 directory ids, endpoints of the leader (KIP-853)
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::EndQuorumEpochRequest;
using protocol::EndQuorumEpochResponse;

namespace {

void handle_end_quorum_epoch(Services& services, const RequestContext& context,
                             EndQuorumEpochRequest& request, Reply<EndQuorumEpochResponse> reply) {
  ask_quorum(services, context, request, std::move(reply), Operation::kClusterAction,
             as_answer<kraft::EndQuorumEpochResponse>(context.api_version));
}

}  // namespace

bool serve_end_quorum_epoch(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink) {
  return decode_and_handle<EndQuorumEpochRequest, EndQuorumEpochResponse, handle_end_quorum_epoch>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
