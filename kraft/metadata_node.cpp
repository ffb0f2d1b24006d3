#include "kraft/metadata_node.hpp"

#include "kraft/controller/acl_control.hpp"
#include "kraft/controller/alter_partition_control.hpp"
#include "kraft/controller/cluster_control.hpp"
#include "kraft/controller/config_control.hpp"
#include "kraft/controller/directory_control.hpp"
#include "kraft/controller/election_control.hpp"
#include "kraft/controller/feature_control.hpp"
#include "kraft/controller/producer_id_control.hpp"
#include "kraft/controller/quota_control.hpp"
#include "kraft/controller/reassignment_control.hpp"
#include "kraft/controller/refusal.hpp"
#include "kraft/controller/topic_control.hpp"
#include "kraft/metadata_node_impl.hpp"

namespace barnabas::kraft {

namespace {

/// Request and reply, held by both ways out of the queue.
template <class Request, class Response>
struct Held {
  Request request;
  ReplyTo<Response> reply;
};

template <class Request, class Response, class Control>
MetadataNode::Impl::Queued queue_entry(Request request, ReplyTo<Response> reply, Control control) {
  auto held = std::make_shared<Held<Request, Response>>(std::move(request), std::move(reply));
  MetadataNode::Impl::Queued queued;
  queued.run = [held, control](const ControlContext& context, MetadataRecords& records) {
    ControllerResult<Response> result = control(context, held->request);
    records = std::move(result.records);
    return MetadataNode::Impl::Reply(
        [held, response = std::move(result.response)]() mutable { held->reply(std::move(response)); });
  };
  queued.refuse = [held](ErrorCode error) { held->reply(refuse(held->request, error)); };
  return queued;
}

}  // namespace

MetadataNode::MetadataNode(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
MetadataNode::~MetadataNode() = default;

Result<std::unique_ptr<MetadataNode>> MetadataNode::open(MetadataNodeDependencies dependencies,
                                                         MetadataNodeOptions options,
                                                         ImageListener on_image) {
  auto impl = std::make_unique<Impl>(dependencies, std::move(options), std::move(on_image));
  TRY(impl->open());
  return std::unique_ptr<MetadataNode>(new MetadataNode(std::move(impl)));
}

void MetadataNode::submit(protocol::CreateTopicsRequest request,
                          ReplyTo<protocol::CreateTopicsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), create_topics));
}
void MetadataNode::submit(protocol::DeleteTopicsRequest request,
                          ReplyTo<protocol::DeleteTopicsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), delete_topics));
}
void MetadataNode::submit(protocol::CreatePartitionsRequest request,
                          ReplyTo<protocol::CreatePartitionsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), create_partitions));
}
void MetadataNode::submit(protocol::IncrementalAlterConfigsRequest request,
                          ReplyTo<protocol::IncrementalAlterConfigsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), incremental_alter_configs));
}
void MetadataNode::submit(protocol::AlterConfigsRequest request,
                          ReplyTo<protocol::AlterConfigsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), alter_configs));
}
void MetadataNode::submit(protocol::AllocateProducerIdsRequest request,
                          ReplyTo<protocol::AllocateProducerIdsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), allocate_producer_ids));
}
void MetadataNode::submit(protocol::ControllerRegistrationRequest request,
                          ReplyTo<protocol::ControllerRegistrationResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), register_controller));
}
void MetadataNode::submit(protocol::AlterClientQuotasRequest request,
                          ReplyTo<protocol::AlterClientQuotasResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), alter_client_quotas));
}
void MetadataNode::submit(ScramAlterations request,
                          ReplyTo<protocol::AlterUserScramCredentialsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), alter_scram_credentials));
}
void MetadataNode::submit(protocol::CreateAclsRequest request, ReplyTo<protocol::CreateAclsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), create_acls));
}
void MetadataNode::submit(protocol::DeleteAclsRequest request, ReplyTo<protocol::DeleteAclsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), delete_acls));
}
void MetadataNode::submit(protocol::UnregisterBrokerRequest request,
                          ReplyTo<protocol::UnregisterBrokerResponse> reply) {
  const auto control = [impl = impl_.get()](const ControlContext& context,
                                            const protocol::UnregisterBrokerRequest& from) {
    return unregister_broker(context, impl->sessions(), from);
  };
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), control));
}
void MetadataNode::submit(protocol::AlterPartitionRequest request, std::int16_t version,
                          ReplyTo<protocol::AlterPartitionResponse> reply) {
  const auto control = [version](const ControlContext& context, const protocol::AlterPartitionRequest& from) {
    return alter_partition(context, from, version);
  };
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), control));
}
void MetadataNode::submit(protocol::AlterPartitionReassignmentsRequest request,
                          ReplyTo<protocol::AlterPartitionReassignmentsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), alter_partition_reassignments));
}
void MetadataNode::submit(protocol::AssignReplicasToDirsRequest request,
                          ReplyTo<protocol::AssignReplicasToDirsResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), assign_replicas_to_dirs));
}
void MetadataNode::submit(protocol::ElectLeadersRequest request,
                          ReplyTo<protocol::ElectLeadersResponse> reply) {
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), elect_leaders));
}
void MetadataNode::submit(protocol::UpdateFeaturesRequest request, std::int16_t version,
                          ReplyTo<protocol::UpdateFeaturesResponse> reply) {
  const auto control = [version](const ControlContext& context, const protocol::UpdateFeaturesRequest& from) {
    return update_features(context, from, version);
  };
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), control));
}

void MetadataNode::submit(protocol::BrokerRegistrationRequest request,
                          ReplyTo<protocol::BrokerRegistrationResponse> reply) {
  const auto control = [impl = impl_.get()](const ControlContext& context,
                                            const protocol::BrokerRegistrationRequest& from) {
    return register_broker(context, impl->sessions(), from);
  };
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), control));
}
void MetadataNode::submit(protocol::BrokerHeartbeatRequest request,
                          ReplyTo<protocol::BrokerHeartbeatResponse> reply) {
  const auto control = [impl = impl_.get()](const ControlContext& context,
                                            const protocol::BrokerHeartbeatRequest& from) {
    return broker_heartbeat(context, impl->sessions(), from);
  };
  impl_->enqueue(queue_entry(std::move(request), std::move(reply), control));
}

void MetadataNode::submit(protocol::BrokerRegistrationRequest request,
                          ReplyTo<protocol::BrokerRegistrationResponse> on_registered,
                          ReplyTo<protocol::BrokerHeartbeatResponse> on_unfenced) {
  protocol::BrokerHeartbeatRequest heartbeat;
  heartbeat.broker_id = request.broker_id;
  const auto unfence = [impl = impl_.get(), incarnation = request.incarnation_id](
                           const ControlContext& context, protocol::BrokerHeartbeatRequest from) {
    const BrokerRegistration* known = context.image.broker(BrokerId(from.broker_id));
    const bool registered = known != nullptr && known->incarnation_id == incarnation;
    from.broker_epoch = registered ? known->epoch : -1;
    from.current_metadata_offset = context.next_offset.value() - 1;
    return broker_heartbeat(context, impl->sessions(), from);
  };
  submit(std::move(request), std::move(on_registered));
  impl_->enqueue(queue_entry(std::move(heartbeat), std::move(on_unfenced), unfence));
}

namespace {

/// The metadata partition alone may be asked for. Measured on Kafka 4.3.1: one that is wrong refuses all.
bool asks_for_metadata(const protocol::DescribeQuorumRequest& request) {
  return request.topics.size() == 1 && request.topics[0].topic_name == "__cluster_metadata" &&
         request.topics[0].partitions.size() == 1 && request.topics[0].partitions[0].partition_index == 0;
}

protocol::DescribeQuorumResponse refuse_quorum_description(const protocol::DescribeQuorumRequest& request) {
  protocol::DescribeQuorumResponse response;
  response.error_message = "";
  for (const auto& topic : request.topics) {
    auto& described = response.topics.emplace_back();
    described.topic_name = topic.topic_name;
    for (const auto& partition : topic.partitions) {
      auto& answer = described.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      answer.error_code = static_cast<std::int16_t>(ErrorCode::kUnknownTopicOrPartition);
      answer.error_message = "This server does not host this topic-partition.";
    }
  }
  return response;
}

}  // namespace

protocol::DescribeQuorumResponse MetadataNode::describe_quorum(const protocol::DescribeQuorumRequest& request,
                                                               std::int16_t version) const {
  constexpr std::int16_t kFirstVersionWithDirectories = 2;
  if (!asks_for_metadata(request)) return refuse_quorum_description(request);
  const RaftNode& raft = impl_->raft();
  protocol::DescribeQuorumResponse response;
  response.error_message = "";
  const std::int64_t now = impl_->dependencies().clock.wall_ms();
  auto& described = response.topics.emplace_back();
  described.topic_name = request.topics[0].topic_name;
  auto& answer = described.partitions.emplace_back();
  answer.error_message = "";
  answer.leader_id = raft.leader().value();
  answer.leader_epoch = raft.epoch().value();
  answer.high_watermark = raft.high_watermark().value();
  for (const Voter& voter : raft.voters().voters) {
    auto& state = answer.current_voters.emplace_back();
    state.replica_id = voter.key.id.value();
    if (version >= kFirstVersionWithDirectories) state.replica_directory_id = voter.key.directory.value();
    state.log_end_offset = raft.log().end.value();
    state.last_fetch_timestamp = now;
    state.last_caught_up_timestamp = now;
  }
  if (version < kFirstVersionWithDirectories) return response;
  for (const Voter& voter : raft.voters().voters) {
    auto& node = response.nodes.emplace_back();
    node.node_id = voter.key.id.value();
    for (const VoterEndpoint& endpoint : voter.endpoints) {
      auto& listener = node.listeners.emplace_back();
      listener.name = endpoint.listener;
      listener.host = endpoint.endpoint.host;
      listener.port = endpoint.endpoint.port;
    }
  }
  return response;
}

Result<std::chrono::nanoseconds> MetadataNode::run_once(std::chrono::nanoseconds now) {
  return impl_->run_once(now);
}
MetadataImagePtr MetadataNode::image() const {
  return impl_->image();
}
bool MetadataNode::is_active_controller() const {
  return impl_->raft().is_active_leader();
}
ActiveController MetadataNode::active_controller() const {
  const RaftNode& raft = impl_->raft();
  const MetadataNodeOptions& options = impl_->options();
  ActiveController active{raft.leader(), raft.epoch(), std::nullopt, raft.is_active_leader()};
  if (active.id == options.node_id) {
    if (!options.controller_endpoints.empty())
      active.endpoint = options.controller_endpoints.front().endpoint;
    return active;
  }
  if (active.id == kNoBroker) return active;
  const std::vector<VoterEndpoint> known = raft.endpoints_of(active.id);
  for (const VoterEndpoint& endpoint : known)
    if (endpoint.listener == options.controller_listener) active.endpoint = endpoint.endpoint;
  // An answer that names the leader says only where, not by which listener.
  if (!active.endpoint && !known.empty()) active.endpoint = known.front().endpoint;
  return active;
}
BrokerId MetadataNode::leader() const {
  return impl_->raft().leader();
}
LeaderEpoch MetadataNode::epoch() const {
  return impl_->raft().epoch();
}
Offset MetadataNode::high_watermark() const {
  return impl_->raft().high_watermark();
}
std::int16_t MetadataNode::kraft_version() const {
  return impl_->raft().kraft_version();
}
Result<Offset> MetadataNode::write_snapshot() {
  return impl_->write_snapshot();
}
Result<void> MetadataNode::close() {
  return impl_->close();
}

}  // namespace barnabas::kraft
