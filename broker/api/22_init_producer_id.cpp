// InitProducerId 0-5: a producer id for an idempotent producer.
//
//   v2 flexible   v3 the producer's current id and epoch (KIP-360)   v4, v5 new errors only
//
// Version 6 is unstable in Kafka 4.3.1 and closes the connection there and here. Left out: transactional ids,
// which are answered with TRANSACTIONAL_ID_AUTHORIZATION_FAILED, the error that a client gives up on at once
// (docs/gaps.md).
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/producer_id_allocator.hpp"
#include "protocol/messages/api_init_producer_id.hpp"

namespace barnabas::broker {

using protocol::InitProducerIdRequest;
using protocol::InitProducerIdResponse;

namespace {

void refuse(ErrorCode error, Reply<InitProducerIdResponse> reply) {
  InitProducerIdResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  response.producer_epoch = kNoProducerEpoch.value();
  reply.send(response);
}

void handle_init_producer_id(Services& services, const RequestContext& context,
                             InitProducerIdRequest& request, Reply<InitProducerIdResponse> reply) {
  if (request.transactional_id) {
    const ErrorCode error = request.transactional_id->empty()
                                ? ErrorCode::kInvalidRequest
                                : ErrorCode::kTransactionalIdAuthorizationFailed;
    return refuse(error, std::move(reply));
  }
  // Who may write to some topic may do so idempotently (KIP-679).
  const ClientConnection& client = *context.connection;
  if (!allowed_on_cluster(services, context, Operation::kIdempotentWrite) &&
      !services.authorizer.allows_for_some(client.principal, client.peer.host, Operation::kWrite,
                                           ResourceKind::kTopic)) {
    return refuse(ErrorCode::kClusterAuthorizationFailed, std::move(reply));
  }
  const bool has_id = request.producer_id != kNoProducerId.value();
  const bool has_epoch = request.producer_epoch != kNoProducerEpoch.value();
  if (has_id != has_epoch) return refuse(ErrorCode::kInvalidRequest, std::move(reply));
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
