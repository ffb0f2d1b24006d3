// RemoveRaftVoter 0: a controller ceases to be a voter of the metadata quorum (KIP-853).
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::RemoveRaftVoterRequest;
using protocol::RemoveRaftVoterResponse;

namespace {

void handle_remove_raft_voter(Services& services, const RequestContext& context,
                              RemoveRaftVoterRequest& request, Reply<RemoveRaftVoterResponse> reply) {
  const auto answer = [](Reply<RemoveRaftVoterResponse>& to, const kraft::QuorumAnswer& given) {
    to.send(kraft::to_wire_remove(std::get<kraft::ChangeRaftVoterResponse>(given.message)));
  };
  ask_quorum(services, context, request, std::move(reply), Operation::kAlter, answer);
}

}  // namespace

bool serve_remove_raft_voter(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<RemoveRaftVoterRequest, RemoveRaftVoterResponse, handle_remove_raft_voter>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
