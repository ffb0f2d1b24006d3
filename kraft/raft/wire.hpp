// Raft's messages as the requests and responses of the protocol, and back.
//
// Free functions; thread safety: none needed. What is said is Kafka's 4.3.1 for: Vote 0-2, BeginQuorumEpoch
// 0-1, EndQuorumEpoch 0-1, Fetch 12-18, FetchSnapshot 0-1, AddRaftVoter 0-1, RemoveRaftVoter 0,
// UpdateRaftVoter 0. The structs serve all versions: fields that an older one lacks are filled too and not
// written. A pre-vote needs Vote 2; a driver whose peer lacks it answers itself with UNSUPPORTED_VERSION.
//
// Errors of reading a request: INCONSISTENT_CLUSTER_ID, INVALID_REQUEST unless it is about
// __cluster_metadata-0 alone; refuse() makes the response that says so. Responses that make no sense read as
// INVALID_REQUEST, top-level errors as an error of epoch -1. Record and snapshot bytes are the driver's: it
// adds them to what to_wire() gives, and finds them where the response has them.
#pragma once

#include <string>
#include <string_view>

#include "kraft/raft/messages.hpp"
#include "protocol/messages/api_add_raft_voter.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_begin_quorum_epoch.hpp"
#include "protocol/messages/api_end_quorum_epoch.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_fetch_snapshot.hpp"
#include "protocol/messages/api_remove_raft_voter.hpp"
#include "protocol/messages/api_update_raft_voter.hpp"
#include "protocol/messages/api_vote.hpp"

namespace barnabas::kraft {

struct WireContext {
  std::string cluster_id;
  std::int32_t fetch_max_bytes = 1048576;           // controller.quorum.fetch.max.bytes
  std::int32_t fetch_snapshot_max_bytes = 1048576;  // controller.quorum.fetch.snapshot.max.bytes
};

protocol::VoteRequest to_wire(const VoteRequest& request, const WireContext& context, std::int16_t version);
protocol::BeginQuorumEpochRequest to_wire(const BeginQuorumEpochRequest& request, const WireContext& context,
                                          std::int16_t version);
protocol::EndQuorumEpochRequest to_wire(const EndQuorumEpochRequest& request, const WireContext& context,
                                        std::int16_t version);
protocol::FetchRequest to_wire(const FetchRequest& request, const WireContext& context, std::int16_t version);
protocol::FetchSnapshotRequest to_wire(const FetchSnapshotRequest& request, const WireContext& context,
                                       std::int16_t version);
protocol::AddRaftVoterRequest to_wire(const AddRaftVoterRequest& request, const WireContext& context,
                                      std::int16_t version);
protocol::RemoveRaftVoterRequest to_wire(const RemoveRaftVoterRequest& request, const WireContext& context,
                                         std::int16_t version);
protocol::UpdateRaftVoterRequest to_wire(const UpdateRaftVoterRequest& request, const WireContext& context,
                                         std::int16_t version);

Result<VoteRequest> from_wire(const protocol::VoteRequest& request, const WireContext& context);
Result<BeginQuorumEpochRequest> from_wire(const protocol::BeginQuorumEpochRequest& request,
                                          const WireContext& context);
Result<EndQuorumEpochRequest> from_wire(const protocol::EndQuorumEpochRequest& request,
                                        const WireContext& context);
Result<FetchRequest> from_wire(const protocol::FetchRequest& request, const WireContext& context);
Result<FetchSnapshotRequest> from_wire(const protocol::FetchSnapshotRequest& request,
                                       const WireContext& context);
Result<AddRaftVoterRequest> from_wire(const protocol::AddRaftVoterRequest& request,
                                      const WireContext& context);
Result<RemoveRaftVoterRequest> from_wire(const protocol::RemoveRaftVoterRequest& request,
                                         const WireContext& context);
Result<UpdateRaftVoterRequest> from_wire(const protocol::UpdateRaftVoterRequest& request,
                                         const WireContext& context);

protocol::VoteResponse to_wire(const VoteResponse& response, std::int16_t version);
protocol::BeginQuorumEpochResponse to_wire(const BeginQuorumEpochResponse& response, std::int16_t version);
protocol::EndQuorumEpochResponse to_wire(const EndQuorumEpochResponse& response, std::int16_t version);
protocol::FetchResponse to_wire(const FetchResponse& response, std::int16_t version);
protocol::FetchSnapshotResponse to_wire(const FetchSnapshotResponse& response, std::int16_t version);
protocol::UpdateRaftVoterResponse to_wire(const UpdateRaftVoterResponse& response, std::int16_t version);
protocol::AddRaftVoterResponse to_wire_add(const ChangeRaftVoterResponse& response);
protocol::RemoveRaftVoterResponse to_wire_remove(const ChangeRaftVoterResponse& response);

VoteResponse from_wire(const protocol::VoteResponse& response);
BeginQuorumEpochResponse from_wire(const protocol::BeginQuorumEpochResponse& response);
EndQuorumEpochResponse from_wire(const protocol::EndQuorumEpochResponse& response);
FetchResponse from_wire(const protocol::FetchResponse& response);
FetchSnapshotResponse from_wire(const protocol::FetchSnapshotResponse& response);
UpdateRaftVoterResponse from_wire(const protocol::UpdateRaftVoterResponse& response);
ChangeRaftVoterResponse from_wire(const protocol::AddRaftVoterResponse& response);
ChangeRaftVoterResponse from_wire(const protocol::RemoveRaftVoterResponse& response);
/// kraft.version of the supported features; 0 to 0 when it is not among them. Needs ApiVersions 4.
KraftVersionsResponse from_wire(const protocol::ApiVersionsResponse& response);

/// The answer to a request that from_wire() did not take.
template <class Response>
Response refuse(const Error& error) {
  Response response;
  response.error_code = static_cast<std::int16_t>(error.code);
  if constexpr (requires { response.error_message; })
    if (!error.detail.empty()) response.error_message = error.detail;
  return response;
}

}  // namespace barnabas::kraft
