// Vote 0-2: a candidate asks a voter of the metadata quorum for its vote (KIP-595). Of the controller's
// listener.
//
//   v1 directory ids, endpoints of the leader (KIP-853)   v2 pre-votes (KIP-996)
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::VoteRequest;
using protocol::VoteResponse;

namespace {

void handle_vote(Services& services, const RequestContext& context, VoteRequest& request,
                 Reply<VoteResponse> reply) {
  ask_quorum(services, context, request, std::move(reply), Operation::kClusterAction,
             as_answer<kraft::VoteResponse>(context.api_version));
}

}  // namespace

bool serve_vote(Services& services, const RequestContext& context, protocol::Reader& reader,
                ResponseSink sink) {
  return decode_and_handle<VoteRequest, VoteResponse, handle_vote>(services, context, reader,
                                                                   std::move(sink));
}

}  // namespace barnabas::broker
