// InitProducerId 0-5: a producer id, for an idempotent or a transactional producer.
//
//   v2 flexible   v3 the producer's current id and epoch (KIP-360)   v4 PRODUCER_FENCED
//   v5 TRANSACTION_ABORTABLE
//
// A transactional id's producer that is initialized again gets an epoch above that of the one before, whose
// open transaction is aborted first: CONCURRENT_TRANSACTIONS until that is done. Version 6 (two-phase commit,
// KIP-939) is unstable in Kafka 4.3.1 and closes the connection there and here.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/transaction_errors.hpp"
#include "broker/drivers/producer_id_allocator.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "protocol/messages/api_init_producer_id.hpp"

namespace barnabas::broker {

using protocol::InitProducerIdRequest;
using protocol::InitProducerIdResponse;

namespace {

constexpr std::int16_t kFirstVersionOfFenced = 4;

void refuse(ErrorCode error, Reply<InitProducerIdResponse> reply) {
  InitProducerIdResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  response.producer_epoch = kNoProducerEpoch.value();
  reply.send(response);
}

void init_transactional(Services& services, const RequestContext& context, InitProducerIdRequest& request,
                        Reply<InitProducerIdResponse> reply) {
  if (request.transactional_id->empty()) return refuse(ErrorCode::kInvalidRequest, std::move(reply));
  InitProducerInput input;
  input.timeout_ms = request.transaction_timeout_ms;
  if (request.producer_id != kNoProducerId.value())
    input.expected = {ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch)};
  services.transactions.init_producer(
      std::move(*request.transactional_id), input,
      [reply = std::move(reply), version = context.api_version](const TransactionAnswer& answer) mutable {
        InitProducerIdResponse response;
        response.error_code = error_in_version(answer.error_code, version >= kFirstVersionOfFenced);
        response.producer_id = answer.producer.id.value();
        response.producer_epoch = answer.producer.epoch.value();
        reply.send(response);
      });
}

void handle_init_producer_id(Services& services, const RequestContext& context,
                             InitProducerIdRequest& request, Reply<InitProducerIdResponse> reply) {
  if (request.transactional_id) {
    if (!allowed(services, context, Operation::kWrite, ResourceKind::kTransactionalId,
                 *request.transactional_id))
      return refuse(ErrorCode::kTransactionalIdAuthorizationFailed, std::move(reply));
  } else {
    // Who may write to some topic may do so idempotently (KIP-679).
    const ClientConnection& client = *context.connection;
    if (!allowed_on_cluster(services, context, Operation::kIdempotentWrite) &&
        !services.authorizer.allows_for_some(client.principal, client.peer.host, Operation::kWrite,
                                             ResourceKind::kTopic)) {
      return refuse(ErrorCode::kClusterAuthorizationFailed, std::move(reply));
    }
  }
  const bool has_id = request.producer_id != kNoProducerId.value();
  const bool has_epoch = request.producer_epoch != kNoProducerEpoch.value();
  if (has_id != has_epoch) return refuse(ErrorCode::kInvalidRequest, std::move(reply));
  if (request.transactional_id) return init_transactional(services, context, request, std::move(reply));
  services.producer_ids.next([reply = std::move(reply)](Result<ProducerId> id) mutable {
    if (!id) return refuse(id.error().code, std::move(reply));
    InitProducerIdResponse response;
    response.producer_id = id->value();
    response.producer_epoch = 0;
    reply.send(response);
  });
}

}  // namespace

bool serve_init_producer_id(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink) {
  return decode_and_handle<InitProducerIdRequest, InitProducerIdResponse, handle_init_producer_id>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
