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
  const auto control = [version, impl = impl_.get()](const ControlContext& context,
                                                     const protocol::UpdateFeaturesRequest& from) {
    std::vector<BrokerId> quorum;
    if (impl->options().static_voters)
      for (const Voter& voter : impl->options().static_voters->voters) quorum.push_back(voter.key.id);
    FeatureUpdates updates = update_features(context, from, version, quorum);
    if (updates.upgrades_kraft_version) impl->upgrade_kraft_version();
    return ControllerResult<protocol::UpdateFeaturesResponse>(std::move(updates));
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

bool MetadataNode::broker_disconnected(BrokerId broker, std::int64_t epoch) {
  const std::int64_t patience = impl_->options().controller.broker_disconnect_timeout_ms;
  const BrokerRegistration* known = impl_->image()->broker(broker);
  if (patience <= 0 || !is_active_controller() || !known || known->epoch != epoch || known->fenced)
    return false;
  impl_->sessions().disconnected(broker, epoch, impl_->clock_ms() + patience);
  return true;
}
void MetadataNode::broker_gone(BrokerId broker, std::int64_t epoch) {
  if (is_active_controller()) impl_->sessions().disconnected(broker, epoch, impl_->clock_ms());
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

/// Measured on Kafka 4.3.1: the partitions that were asked for, with one error and its usual text.
protocol::DescribeQuorumResponse refuse_quorum_description(const protocol::DescribeQuorumRequest& request,
                                                           ErrorCode error, const char* message) {
  protocol::DescribeQuorumResponse response;
  response.error_message = "";
  for (const auto& topic : request.topics) {
    auto& described = response.topics.emplace_back();
    described.topic_name = topic.topic_name;
    for (const auto& partition : topic.partitions) {
      auto& answer = described.partitions.emplace_back();
      answer.partition_index = partition.partition_index;
      answer.error_code = static_cast<std::int16_t>(error);
      answer.error_message = message;
    }
  }
  return response;
}

using ReplicaState = protocol::DescribeQuorumResponse::ReplicaState;
constexpr std::int16_t kFirstVersionWithDirectories = 2;

/// What a leader knows of its replicas, in the terms of one version.
class QuorumDescription {
 public:
  QuorumDescription(const RaftNode& raft, std::int64_t wall_ms, std::chrono::nanoseconds now,
                    std::int16_t version)
      : raft_(raft), wall_ms_(wall_ms), now_(now), version_(version) {}

  [[nodiscard]] std::vector<ReplicaState> voters() const {
    std::vector<ReplicaState> states;
    for (const Voter& voter : raft_.voters().voters) {
      ReplicaState& state = states.emplace_back(state_of(voter.key));
      if (voter.key.id == raft_.local().id) {
        state.log_end_offset = raft_.log().end.value();
        state.last_fetch_timestamp = state.last_caught_up_timestamp = wall_ms_;
        continue;
      }
      for (const ReplicaProgress& replica : raft_.progress())
        if (replica.key.id == voter.key.id && raft_.voters().has_voter(replica.key)) tell(replica, state);
    }
    return states;
  }
  [[nodiscard]] std::vector<ReplicaState> observers() const {
    std::vector<ReplicaState> states;
    for (const ReplicaProgress& replica : raft_.progress())
      if (!raft_.voters().has_voter(replica.key) && replica.last_fetch)
        tell(replica, states.emplace_back(state_of(replica.key)));
    return states;
  }

 private:
  [[nodiscard]] ReplicaState state_of(const ReplicaKey& key) const {
    ReplicaState state;
    state.replica_id = key.id.value();
    if (version_ >= kFirstVersionWithDirectories) state.replica_directory_id = key.directory.value();
    state.log_end_offset = -1;
    return state;
  }
  void tell(const ReplicaProgress& replica, ReplicaState& state) const {
    state.log_end_offset = replica.end.value();
    state.last_fetch_timestamp = wall_time(replica.last_fetch);
    state.last_caught_up_timestamp = wall_time(replica.last_caught_up);
  }
  [[nodiscard]] std::int64_t wall_time(const std::optional<std::chrono::nanoseconds>& at) const {
    if (!at) return -1;
    return wall_ms_ - std::chrono::duration_cast<std::chrono::milliseconds>(now_ - *at).count();
  }

  const RaftNode& raft_;
  std::int64_t wall_ms_;
  std::chrono::nanoseconds now_;
  std::int16_t version_;
};

}  // namespace

protocol::DescribeQuorumResponse MetadataNode::describe_quorum(const protocol::DescribeQuorumRequest& request,
                                                               std::int16_t version) const {
  if (!asks_for_metadata(request))
    return refuse_quorum_description(request, ErrorCode::kUnknownTopicOrPartition,
                                     "This server does not host this topic-partition.");
  const RaftNode& raft = impl_->raft();
  if (raft.role() != RaftRole::kLeader)
    return refuse_quorum_description(
        request, ErrorCode::kNotLeaderOrFollower,
        "For requests intended only for the leader, this error indicates that the broker is not the current "
        "leader. For requests intended for any replica, this error indicates that the broker is not a "
        "replica of the topic partition.");
  protocol::DescribeQuorumResponse response;
  response.error_message = "";
  const Clock& clock = impl_->dependencies().clock;
  const QuorumDescription description(raft, clock.wall_ms(), clock.monotonic(), version);
  auto& described = response.topics.emplace_back();
  described.topic_name = request.topics[0].topic_name;
  auto& answer = described.partitions.emplace_back();
  answer.error_message = "";
  answer.leader_id = raft.leader().value();
  answer.leader_epoch = raft.epoch().value();
  answer.high_watermark = raft.announced_high_watermark().value();
  answer.current_voters = description.voters();
  answer.observers = description.observers();
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

void MetadataNode::receive(BrokerId from, RaftMessage request, std::int32_t max_bytes, QuorumReply reply) {
  impl_->receive(from, std::move(request), max_bytes, std::move(reply));
}
void MetadataNode::receive_answer(BrokerId peer, std::uint64_t correlation, QuorumAnswer answer) {
  impl_->receive_answer(peer, correlation, std::move(answer));
}
void MetadataNode::receive_failure(BrokerId peer, std::uint64_t correlation, QuorumFailure failure) {
  impl_->receive_failure(peer, correlation, failure);
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
bool MetadataNode::is_caught_up() const {
  return impl_->is_caught_up();
}
bool MetadataNode::is_lone_voter() const {
  return impl_->raft().is_sole_voter();
}
std::optional<protocol::ControllerRegistrationRequest> MetadataNode::wanted_registration() const {
  return impl_->wanted_registration();
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
Result<void> MetadataNode::resign() {
  return impl_->resign();
}
bool MetadataNode::may_stop() const {
  return impl_->raft().may_stop();
}
Result<void> MetadataNode::close() {
  return impl_->close();
}

}  // namespace barnabas::kraft
