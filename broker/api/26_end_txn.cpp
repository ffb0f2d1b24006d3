// EndTxn 0-5: commits or aborts a transaction.
//
//   v1 same   v2 PRODUCER_FENCED   v3 flexible   v4 TRANSACTION_ABORTABLE   v5 of transaction.version 2: the
//   producer id and epoch to go on with (KIP-890)
//
// Answered when the decision is in the log; the markers are written behind the answer, and until that is done
// other requests of the transactional id are told CONCURRENT_TRANSACTIONS.
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/transaction_errors.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "protocol/messages/api_end_txn.hpp"

namespace barnabas::broker {

using protocol::EndTxnRequest;
using protocol::EndTxnResponse;

namespace {

constexpr std::int16_t kFirstVersionOfFenced = 2;
constexpr std::int16_t kFirstVersionWithEpochBump = 5;

void handle_end_txn(Services& services, const RequestContext& context, EndTxnRequest& request,
                    Reply<EndTxnResponse> reply) {
  EndTxnResponse refused;
  if (!allowed(services, context, Operation::kWrite, ResourceKind::kTransactionalId,
               request.transactional_id)) {
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kTransactionalIdAuthorizationFailed);
    return reply.send(refused);
  }
  if (request.transactional_id.empty()) {
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kInvalidRequest);
    return reply.send(refused);
  }
  EndInput input;
  input.producer = {ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch)};
  input.commit = request.committed;
  // Only clients of transaction.version 2 ask so.
  if (context.api_version >= kFirstVersionWithEpochBump)
    input.client_version = kFirstTransactionVersionWithEpochBump;
  services.transactions.end_transaction(
      std::move(request.transactional_id), input,
      [reply = std::move(reply), version = context.api_version](const TransactionAnswer& ended) mutable {
        EndTxnResponse response;
        response.error_code = error_in_version(ended.error_code, version >= kFirstVersionOfFenced);
        response.producer_id = ended.producer.id.value();
        response.producer_epoch = ended.producer.epoch.value();
        reply.send(response);
      });
}

}  // namespace

bool serve_end_txn(Services& services, const RequestContext& context, protocol::Reader& reader,
                   ResponseSink sink) {
  return decode_and_handle<EndTxnRequest, EndTxnResponse, handle_end_txn>(services, context, reader,
                                                                          std::move(sink));
}

}  // namespace barnabas::broker
