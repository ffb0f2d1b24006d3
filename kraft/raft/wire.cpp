#include "kraft/raft/wire.hpp"

#include "kraft/raft/wire_parts.hpp"

namespace barnabas::kraft {

using wire::check_cluster;
using wire::partition_of;
using wire::say_error;
using wire::say_listeners;
using wire::say_partition;
using wire::voter_endpoints;

namespace {
constexpr std::int16_t kFirstPreVote = 2;    // of Vote
constexpr std::int16_t kFirstEndpoints = 1;  // of Vote, BeginQuorumEpoch, EndQuorumEpoch
constexpr std::int16_t kFirstAckChoice = 1;  // of AddRaftVoter
}  // namespace

// Vote

protocol::VoteRequest to_wire(const VoteRequest& request, const WireContext& context, std::int16_t version) {
  protocol::VoteRequest to;
  to.cluster_id = context.cluster_id;
  to.voter_id = request.voter.id.value();
  auto& partition = say_partition(to);
  partition.replica_epoch = request.epoch.value();
  partition.replica_id = request.candidate.id.value();
  partition.replica_directory_id = request.candidate.directory.value();
  partition.voter_directory_id = request.voter.directory.value();
  partition.last_offset_epoch = request.last.last_epoch.value();
  partition.last_offset = request.last.end.value();
  partition.pre_vote = request.pre_vote && version >= kFirstPreVote;
  return to;
}

Result<VoteRequest> from_wire(const protocol::VoteRequest& request, const WireContext& context) {
  TRY(check_cluster(request, context));
  const auto* partition = TRY(partition_of(request));
  VoteRequest to;
  to.candidate = {BrokerId(partition->replica_id), DirectoryId(partition->replica_directory_id)};
  to.epoch = LeaderEpoch(partition->replica_epoch);
  to.last = {Offset(partition->last_offset), LeaderEpoch(partition->last_offset_epoch)};
  to.pre_vote = partition->pre_vote;
  to.voter = {BrokerId(request.voter_id), DirectoryId(partition->voter_directory_id)};
  return to;
}

protocol::VoteResponse to_wire(const VoteResponse& response, std::int16_t version) {
  protocol::VoteResponse to;
  say_partition(to).vote_granted = response.granted;
  wire::say_leader(to, response, version >= kFirstEndpoints);
  return to;
}

VoteResponse from_wire(const protocol::VoteResponse& response) {
  VoteResponse to;
  if (const auto* partition = wire::read_leader(response, to)) to.granted = partition->vote_granted;
  return to;
}

// BeginQuorumEpoch

protocol::BeginQuorumEpochRequest to_wire(const BeginQuorumEpochRequest& request, const WireContext& context,
                                          std::int16_t) {
  protocol::BeginQuorumEpochRequest to;
  to.cluster_id = context.cluster_id;
  to.voter_id = request.voter.id.value();
  auto& partition = say_partition(to);
  partition.voter_directory_id = request.voter.directory.value();
  partition.leader_id = request.leader.value();
  partition.leader_epoch = request.epoch.value();
  say_listeners(request.leader_endpoints, to.leader_endpoints);
  return to;
}

Result<BeginQuorumEpochRequest> from_wire(const protocol::BeginQuorumEpochRequest& request,
                                          const WireContext& context) {
  TRY(check_cluster(request, context));
  const auto* partition = TRY(partition_of(request));
  BeginQuorumEpochRequest to;
  to.leader = BrokerId(partition->leader_id);
  to.epoch = LeaderEpoch(partition->leader_epoch);
  to.voter = {BrokerId(request.voter_id), DirectoryId(partition->voter_directory_id)};
  to.leader_endpoints = voter_endpoints(request.leader_endpoints);
  return to;
}

protocol::BeginQuorumEpochResponse to_wire(const BeginQuorumEpochResponse& response, std::int16_t version) {
  protocol::BeginQuorumEpochResponse to;
  say_partition(to);
  wire::say_leader(to, response, version >= kFirstEndpoints);
  return to;
}

BeginQuorumEpochResponse from_wire(const protocol::BeginQuorumEpochResponse& response) {
  BeginQuorumEpochResponse to;
  (void)wire::read_leader(response, to);
  return to;
}

// EndQuorumEpoch

protocol::EndQuorumEpochRequest to_wire(const EndQuorumEpochRequest& request, const WireContext& context,
                                        std::int16_t) {
  protocol::EndQuorumEpochRequest to;
  to.cluster_id = context.cluster_id;
  auto& partition = say_partition(to);
  partition.leader_id = request.leader.value();
  partition.leader_epoch = request.epoch.value();
  for (const ReplicaKey& successor : request.preferred_successors) {
    partition.preferred_successors.push_back(successor.id.value());
    auto& candidate = partition.preferred_candidates.emplace_back();
    candidate.candidate_id = successor.id.value();
    candidate.candidate_directory_id = successor.directory.value();
  }
  say_listeners(request.leader_endpoints, to.leader_endpoints);
  return to;
}

Result<EndQuorumEpochRequest> from_wire(const protocol::EndQuorumEpochRequest& request,
                                        const WireContext& context) {
  TRY(check_cluster(request, context));
  const auto* partition = TRY(partition_of(request));
  EndQuorumEpochRequest to;
  to.leader = BrokerId(partition->leader_id);
  to.epoch = LeaderEpoch(partition->leader_epoch);
  for (const auto& candidate : partition->preferred_candidates)
    to.preferred_successors.push_back(
        {BrokerId(candidate.candidate_id), DirectoryId(candidate.candidate_directory_id)});
  if (to.preferred_successors.empty())  // version 0
    for (const std::int32_t id : partition->preferred_successors)
      to.preferred_successors.push_back({BrokerId(id), DirectoryId()});
  to.leader_endpoints = voter_endpoints(request.leader_endpoints);
  return to;
}

protocol::EndQuorumEpochResponse to_wire(const EndQuorumEpochResponse& response, std::int16_t version) {
  protocol::EndQuorumEpochResponse to;
  say_partition(to);
  wire::say_leader(to, response, version >= kFirstEndpoints);
  return to;
}

EndQuorumEpochResponse from_wire(const protocol::EndQuorumEpochResponse& response) {
  EndQuorumEpochResponse to;
  (void)wire::read_leader(response, to);
  return to;
}

// AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter

protocol::AddRaftVoterRequest to_wire(const AddRaftVoterRequest& request, const WireContext& context,
                                      std::int16_t version) {
  protocol::AddRaftVoterRequest to;
  to.cluster_id = context.cluster_id;
  to.timeout_ms = static_cast<std::int32_t>(request.timeout.count());
  to.voter_id = request.voter.key.id.value();
  to.voter_directory_id = request.voter.key.directory.value();
  say_listeners(request.voter.endpoints, to.listeners);
  if (version >= kFirstAckChoice) to.ack_when_committed = request.ack_when_committed;
  return to;
}

Result<AddRaftVoterRequest> from_wire(const protocol::AddRaftVoterRequest& request,
                                      const WireContext& context) {
  TRY(check_cluster(request, context));
  AddRaftVoterRequest to;
  to.voter.key = {BrokerId(request.voter_id), DirectoryId(request.voter_directory_id)};
  to.voter.endpoints = voter_endpoints(request.listeners);
  to.timeout = std::chrono::milliseconds(request.timeout_ms);
  to.ack_when_committed = request.ack_when_committed;
  return to;
}

protocol::RemoveRaftVoterRequest to_wire(const RemoveRaftVoterRequest& request, const WireContext& context,
                                         std::int16_t) {
  protocol::RemoveRaftVoterRequest to;
  to.cluster_id = context.cluster_id;
  to.voter_id = request.voter.id.value();
  to.voter_directory_id = request.voter.directory.value();
  return to;
}

Result<RemoveRaftVoterRequest> from_wire(const protocol::RemoveRaftVoterRequest& request,
                                         const WireContext& context) {
  TRY(check_cluster(request, context));
  return RemoveRaftVoterRequest{{BrokerId(request.voter_id), DirectoryId(request.voter_directory_id)}};
}

protocol::UpdateRaftVoterRequest to_wire(const UpdateRaftVoterRequest& request, const WireContext& context,
                                         std::int16_t) {
  protocol::UpdateRaftVoterRequest to;
  to.cluster_id = context.cluster_id;
  to.current_leader_epoch = request.epoch.value();
  to.voter_id = request.voter.key.id.value();
  to.voter_directory_id = request.voter.key.directory.value();
  say_listeners(request.voter.endpoints, to.listeners);
  to.kraft_version_feature.min_supported_version = request.voter.min_kraft_version;
  to.kraft_version_feature.max_supported_version = request.voter.max_kraft_version;
  return to;
}

Result<UpdateRaftVoterRequest> from_wire(const protocol::UpdateRaftVoterRequest& request,
                                         const WireContext& context) {
  TRY(check_cluster(request, context));
  UpdateRaftVoterRequest to;
  to.epoch = LeaderEpoch(request.current_leader_epoch);
  to.voter.key = {BrokerId(request.voter_id), DirectoryId(request.voter_directory_id)};
  to.voter.endpoints = voter_endpoints(request.listeners);
  to.voter.min_kraft_version = request.kraft_version_feature.min_supported_version;
  to.voter.max_kraft_version = request.kraft_version_feature.max_supported_version;
  return to;
}

protocol::UpdateRaftVoterResponse to_wire(const UpdateRaftVoterResponse& response, std::int16_t) {
  protocol::UpdateRaftVoterResponse to;
  say_error(to, response.error);
  to.current_leader.leader_id = response.leader.value();
  to.current_leader.leader_epoch = response.epoch.value();
  if (!response.leader_endpoint) return to;
  to.current_leader.host = response.leader_endpoint->host;
  to.current_leader.port = response.leader_endpoint->port;
  return to;
}

UpdateRaftVoterResponse from_wire(const protocol::UpdateRaftVoterResponse& response) {
  UpdateRaftVoterResponse to;
  to.error = static_cast<ErrorCode>(response.error_code);
  to.leader = BrokerId(response.current_leader.leader_id);
  to.epoch = LeaderEpoch(response.current_leader.leader_epoch);
  if (!response.current_leader.host.empty())
    to.leader_endpoint =
        Endpoint{response.current_leader.host, static_cast<std::uint16_t>(response.current_leader.port)};
  return to;
}

protocol::AddRaftVoterResponse to_wire_add(const ChangeRaftVoterResponse& response) {
  return refuse<protocol::AddRaftVoterResponse>({response.error, response.message});
}
protocol::RemoveRaftVoterResponse to_wire_remove(const ChangeRaftVoterResponse& response) {
  return refuse<protocol::RemoveRaftVoterResponse>({response.error, response.message});
}
ChangeRaftVoterResponse from_wire(const protocol::AddRaftVoterResponse& response) {
  return {static_cast<ErrorCode>(response.error_code), response.error_message.value_or("")};
}
ChangeRaftVoterResponse from_wire(const protocol::RemoveRaftVoterResponse& response) {
  return {static_cast<ErrorCode>(response.error_code), response.error_message.value_or("")};
}

KraftVersionsResponse from_wire(const protocol::ApiVersionsResponse& response) {
  KraftVersionsResponse to;
  to.error = static_cast<ErrorCode>(response.error_code);
  for (const auto& feature : response.supported_features) {
    if (feature.name != "kraft.version") continue;
    to.min = feature.min_version;
    to.max = feature.max_version;
  }
  return to;
}

}  // namespace barnabas::kraft
