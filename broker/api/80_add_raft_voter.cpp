// AddRaftVoter 0-1: a controller becomes a voter of the metadata quorum (KIP-853).
//
//   v1 the choice to be answered before the change is committed (KIP-1186)
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::AddRaftVoterRequest;
using protocol::AddRaftVoterResponse;

namespace {

void handle_add_raft_voter(Services& services, const RequestContext& context, AddRaftVoterRequest& request,
                           Reply<AddRaftVoterResponse> reply) {
  const auto answer = [](Reply<AddRaftVoterResponse>& to, const kraft::QuorumAnswer& given) {
    to.send(kraft::to_wire_add(std::get<kraft::ChangeRaftVoterResponse>(given.message)));
  };
  ask_quorum(services, context, request, std::move(reply), Operation::kAlter, answer);
}

}  // namespace

bool serve_add_raft_voter(Services& services, const RequestContext& context, protocol::Reader& reader,
                          ResponseSink sink) {
  return decode_and_handle<AddRaftVoterRequest, AddRaftVoterResponse, handle_add_raft_voter>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
