// AddOffsetsToTxn 0-4: the offsets of a group become part of a transaction, which means the partition of
// __consumer_offsets that the group is kept in.
//
//   v1 same   v2 PRODUCER_FENCED   v3 flexible   v4 TRANSACTION_ABORTABLE
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/transaction_errors.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "protocol/messages/api_add_offsets_to_txn.hpp"

namespace barnabas::broker {

using protocol::AddOffsetsToTxnRequest;
using protocol::AddOffsetsToTxnResponse;

namespace {

constexpr std::int16_t kFirstVersionOfFenced = 2;

TopicPartition partition_of(const Services& services, const std::string& group) {
  const kraft::MetadataImagePtr image = services.metadata.image();
  const kraft::TopicImage* topic = image->topic(kGroupTopic);
  const std::int32_t count = topic != nullptr ? static_cast<std::int32_t>(topic->partitions.size())
                                              : services.config.settings()->offsets_topic_num_partitions;
  return {std::string(kGroupTopic), PartitionIndex(coordinator_partition(group, count))};
}

void handle_add_offsets_to_txn(Services& services, const RequestContext& context,
                               AddOffsetsToTxnRequest& request, Reply<AddOffsetsToTxnResponse> reply) {
  const auto answer = [version = context.api_version](std::int16_t error,
                                                      Reply<AddOffsetsToTxnResponse>& to) {
    AddOffsetsToTxnResponse response;
    response.error_code = error_in_version(error, version >= kFirstVersionOfFenced);
    to.send(response);
  };
  ErrorCode refused = ErrorCode::kNone;
  if (!allowed(services, context, Operation::kWrite, ResourceKind::kTransactionalId,
               request.transactional_id)) {
    refused = ErrorCode::kTransactionalIdAuthorizationFailed;
  } else if (!allowed(services, context, Operation::kRead, ResourceKind::kGroup, request.group_id)) {
    refused = ErrorCode::kGroupAuthorizationFailed;
  } else if (request.transactional_id.empty()) {
    refused = ErrorCode::kInvalidRequest;
  }
  if (refused != ErrorCode::kNone) return answer(static_cast<std::int16_t>(refused), reply);
  const std::string id = request.transactional_id;
  const TopicPartition partition = partition_of(services, request.group_id);
  services.transactions.run(id, [request = std::move(request), partition, answer, reply = std::move(reply)](
                                    ErrorCode error, TransactionShard* shard, Step* step) mutable {
    if (error != ErrorCode::kNone) return answer(static_cast<std::int16_t>(error), reply);
    shard->add_partitions(
        request.transactional_id, {ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch)},
        {partition}, 0,
        [answer, reply = std::move(reply)](const TransactionAnswer& added) mutable {
          answer(added.error_code, reply);
        },
        *step);
  });
}

}  // namespace

bool serve_add_offsets_to_txn(Services& services, const RequestContext& context, protocol::Reader& reader,
                              ResponseSink sink) {
  return decode_and_handle<AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, handle_add_offsets_to_txn>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
