// MetadataRecord: one record of __cluster_metadata, as a value.
//
// A variant over all record types of Apache Kafka 4.3, and its frame on disk: uvarint 1, uvarint api key,
// uvarint version, then the message (flexible). Which version is written follows from metadata.version and,
// for changes of a broker's registration, from what the record carries (measured on Kafka 4.3.1).
// Thread safety: plain values; `bytes` fields are views, see decode().
#pragma once

#include <cstdint>
#include <span>
#include <variant>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "protocol/messages/metarec_abort_transaction_record.hpp"
#include "protocol/messages/metarec_access_control_entry_record.hpp"
#include "protocol/messages/metarec_begin_transaction_record.hpp"
#include "protocol/messages/metarec_broker_registration_change_record.hpp"
#include "protocol/messages/metarec_clear_elr_record.hpp"
#include "protocol/messages/metarec_client_quota_record.hpp"
#include "protocol/messages/metarec_config_record.hpp"
#include "protocol/messages/metarec_delegation_token_record.hpp"
#include "protocol/messages/metarec_end_transaction_record.hpp"
#include "protocol/messages/metarec_feature_level_record.hpp"
#include "protocol/messages/metarec_fence_broker_record.hpp"
#include "protocol/messages/metarec_no_op_record.hpp"
#include "protocol/messages/metarec_partition_change_record.hpp"
#include "protocol/messages/metarec_partition_record.hpp"
#include "protocol/messages/metarec_producer_ids_record.hpp"
#include "protocol/messages/metarec_register_broker_record.hpp"
#include "protocol/messages/metarec_register_controller_record.hpp"
#include "protocol/messages/metarec_remove_access_control_entry_record.hpp"
#include "protocol/messages/metarec_remove_delegation_token_record.hpp"
#include "protocol/messages/metarec_remove_topic_record.hpp"
#include "protocol/messages/metarec_remove_user_scram_credential_record.hpp"
#include "protocol/messages/metarec_topic_record.hpp"
#include "protocol/messages/metarec_unfence_broker_record.hpp"
#include "protocol/messages/metarec_unregister_broker_record.hpp"
#include "protocol/messages/metarec_user_scram_credential_record.hpp"
#include "protocol/messages/metarec_zk_migration_state_record.hpp"

namespace barnabas::kraft {

using MetadataRecord = std::variant<
    protocol::NoOpRecord, protocol::RegisterBrokerRecord, protocol::UnregisterBrokerRecord,
    protocol::TopicRecord, protocol::PartitionRecord, protocol::ConfigRecord, protocol::PartitionChangeRecord,
    protocol::FenceBrokerRecord, protocol::UnfenceBrokerRecord, protocol::RemoveTopicRecord,
    protocol::DelegationTokenRecord, protocol::UserScramCredentialRecord, protocol::FeatureLevelRecord,
    protocol::ClientQuotaRecord, protocol::ProducerIdsRecord, protocol::BrokerRegistrationChangeRecord,
    protocol::AccessControlEntryRecord, protocol::RemoveAccessControlEntryRecord,
    protocol::ZkMigrationStateRecord, protocol::RemoveUserScramCredentialRecord,
    protocol::BeginTransactionRecord, protocol::EndTransactionRecord, protocol::AbortTransactionRecord,
    protocol::RemoveDelegationTokenRecord, protocol::RegisterControllerRecord, protocol::ClearElrRecord>;
using MetadataRecords = std::vector<MetadataRecord>;

/// The record's framed bytes at the version that `metadata_version` has for it.
[[nodiscard]] Bytes encode(const MetadataRecord& record, std::int16_t metadata_version);
/// Views in the record point into `value`. CORRUPT_MESSAGE for an unknown frame, type or version and for
/// bytes that do not parse.
Result<MetadataRecord> decode(ByteView value);

}  // namespace barnabas::kraft
