// UpdateRaftVoter 0: a voter of the metadata quorum tells its leader where it listens now
// (KIP-853). Of the controller's listener.
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::UpdateRaftVoterRequest;
using protocol::UpdateRaftVoterResponse;

namespace {

void handle_update_raft_voter(Services& services, const RequestContext& context,
                              UpdateRaftVoterRequest& request, Reply<UpdateRaftVoterResponse> reply) {
  ask_quorum(services, context, request, std::move(reply), Operation::kClusterAction,
             as_answer<kraft::UpdateRaftVoterResponse>(context.api_version));
}

}  // namespace

bool serve_update_raft_voter(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<UpdateRaftVoterRequest, UpdateRaftVoterResponse, handle_update_raft_voter>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
