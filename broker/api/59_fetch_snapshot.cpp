// FetchSnapshot 0-1: a piece of a snapshot of the metadata log (KIP-630). Of the controller's listener.
//
//   v1 directory ids, endpoints of the leader (KIP-853)
#include "broker/api/api_table.hpp"
#include "broker/api/quorum_request.hpp"

namespace barnabas::broker {

using protocol::FetchSnapshotRequest;
using protocol::FetchSnapshotResponse;

namespace {

void handle_fetch_snapshot(Services& services, const RequestContext& context, FetchSnapshotRequest& request,
                           Reply<FetchSnapshotResponse> reply) {
  const auto answer = [version = context.api_version](Reply<FetchSnapshotResponse>& to,
                                                      const kraft::QuorumAnswer& given) {
    FetchSnapshotResponse response =
        kraft::to_wire(std::get<kraft::FetchSnapshotResponse>(given.message), version);
    response.topics.front().partitions.front().unaligned_records = protocol::Records{given.bytes};
    to.send(response);
  };
  ask_quorum(services, context, request, std::move(reply), Operation::kClusterAction, answer);
}

}  // namespace

bool serve_fetch_snapshot(Services& services, const RequestContext& context, protocol::Reader& reader,
                          ResponseSink sink) {
  return decode_and_handle<FetchSnapshotRequest, FetchSnapshotResponse, handle_fetch_snapshot>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
