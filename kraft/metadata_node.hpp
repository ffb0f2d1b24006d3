// MetadataNode: one replica of the metadata quorum, composed: raft, its log and snapshots, the controller,
// and the image that the rest of the node reads.
//
// Owned by the broker, which runs it on one strand and calls run_once() when submit() queued something or the
// returned deadline passed. Thread safety: none; every call on that strand (blocking file I/O is allowed
// there). Images handed out are immutable and may go anywhere.
//
// Invariants
//  1. A reply runs only after its records are committed, replayed, and published through on_image; with
//     NOT_CONTROLLER when this node ceases to lead before, though the next leader may still commit them.
//  2. Images are published in log order, each offset once, whether this node leads, follows or observes.
//  3. What a request's control returned is one record batch: after a crash all of it is there or nothing.
//  4. All requests queued before run_once() share one sync.
//  5. A snapshot is of what is committed and on this node's disk.
// Errors: open() gives INVALID_CONFIG for a directory that is not formatted, belongs to another cluster or
// node, or has other voters than the configuration, UNSUPPORTED_VERSION for a newer metadata.version; nothing
// is touched then. A failing disk, records that this software cannot read, or a quorum of another cluster
// fail run_once(), now and later, and the node must stop. Units: `now` is on Clock::monotonic()'s scale.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "base/random.hpp"
#include "kraft/active_controller.hpp"
#include "kraft/controller/control.hpp"
#include "kraft/controller/scram_control.hpp"
#include "kraft/metadata_delta.hpp"
#include "kraft/metadata_image.hpp"
#include "kraft/quorum_peers.hpp"
#include "kraft/raft/raft_node.hpp"
#include "protocol/messages/api_allocate_producer_ids.hpp"
#include "protocol/messages/api_alter_client_quotas.hpp"
#include "protocol/messages/api_alter_configs.hpp"
#include "protocol/messages/api_alter_partition.hpp"
#include "protocol/messages/api_alter_partition_reassignments.hpp"
#include "protocol/messages/api_assign_replicas_to_dirs.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"
#include "protocol/messages/api_broker_registration.hpp"
#include "protocol/messages/api_controller_registration.hpp"
#include "protocol/messages/api_create_acls.hpp"
#include "protocol/messages/api_create_partitions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_delete_acls.hpp"
#include "protocol/messages/api_delete_topics.hpp"
#include "protocol/messages/api_describe_quorum.hpp"
#include "protocol/messages/api_elect_leaders.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"
#include "protocol/messages/api_unregister_broker.hpp"
#include "protocol/messages/api_update_features.hpp"

namespace barnabas::kraft {

struct MetadataNodeOptions {
  std::string directory;  // metadata.log.dir; formatted (bootstrap.hpp)
  BrokerId node_id;
  DirectoryId directory_id;
  /// This controller's listeners, registered and (first one) offered to voters.
  std::vector<NamedEndpoint> controller_endpoints;
  std::string
      controller_listener;  // the first of controller.listener.names: how other controllers are reached
  /// controller.quorum.voters; nothing: the voters are in the log (kraft.version 1).
  std::optional<VoterSet> static_voters;
  /// How many controller.quorum.bootstrap.servers there are (bootstrap_peer).
  std::size_t bootstrap_servers = 0;
  /// process.roles has controller. A node without observes: it never votes, and syncs its log when it must.
  bool is_controller = true;
  bool auto_join = false;  // controller.quorum.auto.join.enable
  RaftTimeouts timeouts;
  std::string min_insync_replicas = "1";  // static value, for the bootstrap records
  ControllerOptions controller;
  std::int64_t max_idle_interval_ms = 500;          // metadata.max.idle.interval.ms; 0: no NoOp records
  std::int64_t snapshot_max_new_bytes = 20971520;   // metadata.log.max.record.bytes.between.snapshots
  std::int64_t snapshot_max_interval_ms = 3600000;  // metadata.log.max.snapshot.interval.ms; 0: none
  std::int64_t retention_bytes = 104857600;         // metadata.max.retention.bytes; -1: no limit
  std::int64_t retention_ms = 604800000;            // metadata.max.retention.ms; -1: no limit
  std::int32_t segment_bytes = 1073741824;          // metadata.log.segment.bytes
  std::int64_t segment_ms = 604800000;              // metadata.log.segment.ms
};

struct MetadataNodeDependencies {
  FileSystem& files;
  const Clock& clock;
  Random& random;
  const ConfigValidator& configs;
  /// Null where there is nobody to ask: a quorum of this node alone.
  QuorumPeers* peers = nullptr;
};

template <class Response>
using ReplyTo = std::move_only_function<void(Response)>;

class MetadataNode {
 public:
  /// `image` holds everything up to its offset; `changes` is what differs from the one before.
  using ImageListener = std::function<void(const MetadataImagePtr& image, const MetadataChanges& changes)>;

  /// Reads the newest snapshot, which is the first image. `on_image` hears of each later one, before the
  /// replies that it concerns.
  static Result<std::unique_ptr<MetadataNode>> open(MetadataNodeDependencies dependencies,
                                                    MetadataNodeOptions options, ImageListener on_image);
  ~MetadataNode();

  // Queue a request; the reply comes from a later run_once(). Requests take effect in the order of the calls.
  // While this node does not lead, the answer is NOT_CONTROLLER in the response's own form.
  void submit(protocol::CreateTopicsRequest request, ReplyTo<protocol::CreateTopicsResponse> reply);
  void submit(protocol::DeleteTopicsRequest request, ReplyTo<protocol::DeleteTopicsResponse> reply);
  void submit(protocol::CreatePartitionsRequest request, ReplyTo<protocol::CreatePartitionsResponse> reply);
  void submit(protocol::IncrementalAlterConfigsRequest request,
              ReplyTo<protocol::IncrementalAlterConfigsResponse> reply);
  void submit(protocol::AlterConfigsRequest request, ReplyTo<protocol::AlterConfigsResponse> reply);
  void submit(protocol::AllocateProducerIdsRequest request,
              ReplyTo<protocol::AllocateProducerIdsResponse> reply);
  void submit(protocol::BrokerRegistrationRequest request,
              ReplyTo<protocol::BrokerRegistrationResponse> reply);
  void submit(protocol::BrokerHeartbeatRequest request, ReplyTo<protocol::BrokerHeartbeatResponse> reply);
  /// Registers the broker of this process and unfences it in the same commit. It need not prove that it has
  /// seen its registration: images come in order, so it has when anybody hears that it is unfenced.
  void submit(protocol::BrokerRegistrationRequest request,
              ReplyTo<protocol::BrokerRegistrationResponse> on_registered,
              ReplyTo<protocol::BrokerHeartbeatResponse> on_unfenced);
  void submit(protocol::ControllerRegistrationRequest request,
              ReplyTo<protocol::ControllerRegistrationResponse> reply);
  void submit(protocol::AlterClientQuotasRequest request, ReplyTo<protocol::AlterClientQuotasResponse> reply);
  void submit(ScramAlterations request, ReplyTo<protocol::AlterUserScramCredentialsResponse> reply);
  void submit(protocol::CreateAclsRequest request, ReplyTo<protocol::CreateAclsResponse> reply);
  void submit(protocol::DeleteAclsRequest request, ReplyTo<protocol::DeleteAclsResponse> reply);
  void submit(protocol::UnregisterBrokerRequest request, ReplyTo<protocol::UnregisterBrokerResponse> reply);
  void submit(protocol::AlterPartitionRequest request, std::int16_t version,
              ReplyTo<protocol::AlterPartitionResponse> reply);
  void submit(protocol::AlterPartitionReassignmentsRequest request,
              ReplyTo<protocol::AlterPartitionReassignmentsResponse> reply);
  void submit(protocol::AssignReplicasToDirsRequest request,
              ReplyTo<protocol::AssignReplicasToDirsResponse> reply);
  void submit(protocol::ElectLeadersRequest request, ReplyTo<protocol::ElectLeadersResponse> reply);
  void submit(protocol::UpdateFeaturesRequest request, std::int16_t version,
              ReplyTo<protocol::UpdateFeaturesResponse> reply);

  // Raft's messages, each taken up by the next run_once().
  /// A request of another replica; its answer may take as long as the request allows.
  void receive(BrokerId from, RaftMessage request, std::int32_t max_bytes, QuorumReply reply);
  /// What QuorumPeers::ask() brought.
  void receive_answer(BrokerId peer, std::uint64_t correlation, QuorumAnswer answer);
  void receive_failure(BrokerId peer, std::uint64_t correlation, QuorumFailure failure);

  /// The connection that carried the heartbeats of a broker's life ended: its session is shortened
  /// (ControllerOptions::broker_disconnect_timeout_ms). False when nobody waits for the broker: this node
  /// does not lead, the option is off, or that life is over.
  bool broker_disconnected(BrokerId broker, std::int64_t epoch);
  /// And there is no process any more: the session is over.
  void broker_gone(BrokerId broker, std::int64_t epoch);

  /// Answers at once: the state of the quorum, which its leader knows.
  [[nodiscard]] protocol::DescribeQuorumResponse describe_quorum(
      const protocol::DescribeQuorumRequest& request, std::int16_t version) const;

  /// Carries out everything queued and due; returns when it must be called again at the latest.
  Result<std::chrono::nanoseconds> run_once(std::chrono::nanoseconds now);

  /// The newest published image; never null.
  [[nodiscard]] MetadataImagePtr image() const;
  [[nodiscard]] bool is_active_controller() const;
  /// The image has all that was committed before the present leader: nothing that it does not name is wanted.
  [[nodiscard]] bool is_caught_up() const;
  /// Whether this node is the only voter of its quorum, and so leads as soon as it runs.
  [[nodiscard]] bool is_lone_voter() const;
  /// What the active controller, another node, must be told, as the image has nothing or something else about
  /// this controller; nothing when there is nothing to tell.
  [[nodiscard]] std::optional<protocol::ControllerRegistrationRequest> wanted_registration() const;
  [[nodiscard]] ActiveController active_controller() const;
  [[nodiscard]] BrokerId leader() const;
  [[nodiscard]] LeaderEpoch epoch() const;
  [[nodiscard]] Offset high_watermark() const;
  /// 1 when the voters are in the log.
  [[nodiscard]] std::int16_t kraft_version() const;

  /// Writes a snapshot of the committed image now. Its end offset.
  Result<Offset> write_snapshot();
  /// Ends a leadership; the next run_once() tells the voters who should follow.
  Result<void> resign();
  /// After resign(): the voters have heard, or there is nothing to hear.
  [[nodiscard]] bool may_stop() const;
  /// A clean stop: drops what is queued (NOT_CONTROLLER), resigns, syncs, closes the log.
  Result<void> close();

  class Impl;  // metadata_node_impl.hpp; nobody else's business

 private:
  explicit MetadataNode(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace barnabas::kraft
