#include "broker/api/api_table.hpp"

#include <algorithm>

#include "protocol/api_keys.hpp"

namespace barnabas::broker {

// One function an API, in the file of its number: 18 is served by 18_api_versions.cpp.
#define SERVE(name) bool name(Services&, const RequestContext&, protocol::Reader&, ResponseSink)
SERVE(serve_produce);
SERVE(serve_fetch);
SERVE(serve_list_offsets);
SERVE(serve_metadata);
SERVE(serve_offset_commit);
SERVE(serve_offset_fetch);
SERVE(serve_find_coordinator);
SERVE(serve_join_group);
SERVE(serve_heartbeat);
SERVE(serve_leave_group);
SERVE(serve_sync_group);
SERVE(serve_describe_groups);
SERVE(serve_list_groups);
SERVE(serve_sasl_handshake);
SERVE(serve_api_versions);
SERVE(serve_create_topics);
SERVE(serve_delete_topics);
SERVE(serve_delete_records);
SERVE(serve_init_producer_id);
SERVE(serve_offset_for_leader_epoch);
SERVE(serve_add_partitions_to_txn);
SERVE(serve_add_offsets_to_txn);
SERVE(serve_end_txn);
SERVE(serve_write_txn_markers);
SERVE(serve_txn_offset_commit);
SERVE(serve_describe_acls);
SERVE(serve_create_acls);
SERVE(serve_delete_acls);
SERVE(serve_describe_configs);
SERVE(serve_alter_configs);
SERVE(serve_alter_replica_log_dirs);
SERVE(serve_describe_log_dirs);
SERVE(serve_sasl_authenticate);
SERVE(serve_create_partitions);
SERVE(serve_create_delegation_token);
SERVE(serve_renew_delegation_token);
SERVE(serve_expire_delegation_token);
SERVE(serve_describe_delegation_token);
SERVE(serve_delete_groups);
SERVE(serve_elect_leaders);
SERVE(serve_incremental_alter_configs);
SERVE(serve_alter_partition_reassignments);
SERVE(serve_list_partition_reassignments);
SERVE(serve_offset_delete);
SERVE(serve_describe_client_quotas);
SERVE(serve_alter_client_quotas);
SERVE(serve_describe_user_scram_credentials);
SERVE(serve_alter_user_scram_credentials);
SERVE(serve_consumer_group_heartbeat);
SERVE(serve_consumer_group_describe);
SERVE(serve_describe_quorum);
SERVE(serve_update_features);
SERVE(serve_envelope);
SERVE(serve_describe_cluster);
SERVE(serve_describe_producers);
SERVE(serve_unregister_broker);
SERVE(serve_describe_transactions);
SERVE(serve_list_transactions);
SERVE(serve_list_config_resources);
SERVE(serve_describe_topic_partitions);
SERVE(serve_alter_partition);
SERVE(serve_broker_registration);
SERVE(serve_broker_heartbeat);
SERVE(serve_allocate_producer_ids);
SERVE(serve_controller_registration);
SERVE(serve_assign_replicas_to_dirs);
SERVE(serve_vote);
SERVE(serve_begin_quorum_epoch);
SERVE(serve_end_quorum_epoch);
SERVE(serve_fetch_snapshot);
SERVE(serve_add_raft_voter);
SERVE(serve_remove_raft_voter);
SERVE(serve_update_raft_voter);
#undef SERVE

namespace {

// key, name, versions, pipelined, handler. Sorted by key. The lowest versions are those of Kafka 3.9.1.
constexpr ApiRow kTable[] = {
    {0, "Produce", 0, 13, true, serve_produce},
    {1, "Fetch", 0, 18, false, serve_fetch},
    {2, "ListOffsets", 0, 11, false, serve_list_offsets},
    {3, "Metadata", 0, 13, false, serve_metadata},
    {8, "OffsetCommit", 0, 10, false, serve_offset_commit},
    {9, "OffsetFetch", 0, 10, false, serve_offset_fetch},
    {10, "FindCoordinator", 0, 6, false, serve_find_coordinator},
    {11, "JoinGroup", 0, 9, false, serve_join_group},
    {12, "Heartbeat", 0, 4, false, serve_heartbeat},
    {13, "LeaveGroup", 0, 5, false, serve_leave_group},
    {14, "SyncGroup", 0, 5, false, serve_sync_group},
    {15, "DescribeGroups", 0, 6, false, serve_describe_groups},
    {16, "ListGroups", 0, 5, false, serve_list_groups},
    {17, "SaslHandshake", 0, 1, false, serve_sasl_handshake},
    {18, "ApiVersions", 0, 4, false, serve_api_versions},
    {19, "CreateTopics", 0, 7, false, serve_create_topics},
    {20, "DeleteTopics", 0, 6, false, serve_delete_topics},
    {21, "DeleteRecords", 0, 2, false, serve_delete_records},
    {22, "InitProducerId", 0, 5, false, serve_init_producer_id},
    {23, "OffsetForLeaderEpoch", 0, 4, false, serve_offset_for_leader_epoch},
    {24, "AddPartitionsToTxn", 0, 5, false, serve_add_partitions_to_txn},
    {25, "AddOffsetsToTxn", 0, 4, false, serve_add_offsets_to_txn},
    {26, "EndTxn", 0, 5, false, serve_end_txn},
    {27, "WriteTxnMarkers", 0, 2, false, serve_write_txn_markers},
    {28, "TxnOffsetCommit", 0, 5, false, serve_txn_offset_commit},
    {29, "DescribeAcls", 0, 3, false, serve_describe_acls},
    {30, "CreateAcls", 0, 3, false, serve_create_acls},
    {31, "DeleteAcls", 0, 3, false, serve_delete_acls},
    {32, "DescribeConfigs", 0, 4, false, serve_describe_configs},
    {33, "AlterConfigs", 0, 2, false, serve_alter_configs},
    {34, "AlterReplicaLogDirs", 0, 2, false, serve_alter_replica_log_dirs},
    {35, "DescribeLogDirs", 0, 5, false, serve_describe_log_dirs},
    {36, "SaslAuthenticate", 0, 2, false, serve_sasl_authenticate},
    {37, "CreatePartitions", 0, 3, false, serve_create_partitions},
    {38, "CreateDelegationToken", 0, 3, false, serve_create_delegation_token},
    {39, "RenewDelegationToken", 0, 2, false, serve_renew_delegation_token},
    {40, "ExpireDelegationToken", 0, 2, false, serve_expire_delegation_token},
    {41, "DescribeDelegationToken", 0, 3, false, serve_describe_delegation_token},
    {42, "DeleteGroups", 0, 2, false, serve_delete_groups},
    {43, "ElectLeaders", 0, 2, false, serve_elect_leaders},
    {44, "IncrementalAlterConfigs", 0, 1, false, serve_incremental_alter_configs},
    {45, "AlterPartitionReassignments", 0, 1, false, serve_alter_partition_reassignments},
    {46, "ListPartitionReassignments", 0, 0, false, serve_list_partition_reassignments},
    {47, "OffsetDelete", 0, 0, false, serve_offset_delete},
    {48, "DescribeClientQuotas", 0, 1, false, serve_describe_client_quotas},
    {49, "AlterClientQuotas", 0, 1, false, serve_alter_client_quotas},
    {50, "DescribeUserScramCredentials", 0, 0, false, serve_describe_user_scram_credentials},
    {51, "AlterUserScramCredentials", 0, 0, false, serve_alter_user_scram_credentials},
    {52, "Vote", 0, 2, false, serve_vote},
    {53, "BeginQuorumEpoch", 0, 1, false, serve_begin_quorum_epoch},
    {54, "EndQuorumEpoch", 0, 1, false, serve_end_quorum_epoch},
    {55, "DescribeQuorum", 0, 2, false, serve_describe_quorum},
    {56, "AlterPartition", 0, 3, false, serve_alter_partition},
    {57, "UpdateFeatures", 0, 2, false, serve_update_features},
    {58, "Envelope", 0, 0, true, serve_envelope},
    {59, "FetchSnapshot", 0, 1, false, serve_fetch_snapshot},
    {60, "DescribeCluster", 0, 2, false, serve_describe_cluster},
    {61, "DescribeProducers", 0, 0, false, serve_describe_producers},
    {62, "BrokerRegistration", 0, 4, false, serve_broker_registration},
    {63, "BrokerHeartbeat", 0, 2, false, serve_broker_heartbeat},
    {64, "UnregisterBroker", 0, 0, false, serve_unregister_broker},
    {65, "DescribeTransactions", 0, 0, false, serve_describe_transactions},
    {66, "ListTransactions", 0, 2, false, serve_list_transactions},
    {67, "AllocateProducerIds", 0, 0, false, serve_allocate_producer_ids},
    {68, "ConsumerGroupHeartbeat", 0, 1, false, serve_consumer_group_heartbeat},
    {69, "ConsumerGroupDescribe", 0, 1, false, serve_consumer_group_describe},
    {70, "ControllerRegistration", 0, 0, false, serve_controller_registration},
    {73, "AssignReplicasToDirs", 0, 0, false, serve_assign_replicas_to_dirs},
    {74, "ListConfigResources", 0, 1, false, serve_list_config_resources},
    {75, "DescribeTopicPartitions", 0, 0, false, serve_describe_topic_partitions},
    {80, "AddRaftVoter", 0, 1, false, serve_add_raft_voter},
    {81, "RemoveRaftVoter", 0, 0, false, serve_remove_raft_voter},
    {82, "UpdateRaftVoter", 0, 0, false, serve_update_raft_voter},
};

}  // namespace

std::span<const ApiRow> api_table() {
  return kTable;
}

const ApiRow* find_api(std::int16_t key) {
  const auto* row = std::ranges::lower_bound(kTable, key, {}, &ApiRow::key);
  return row != std::end(kTable) && row->key == key ? row : nullptr;
}

bool is_served_on(const ApiRow& row, bool controller_listener) {
  const protocol::ApiInfo* api = protocol::find_api(row.key);
  const auto listener = controller_listener ? protocol::kControllerListener : protocol::kBrokerListener;
  return api != nullptr && (api->listeners & listener) != 0;
}

}  // namespace barnabas::broker
