// AllocateProducerIds 0: a block of producer ids for a broker (KIP-730). Of the controller's listener.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_allocate_producer_ids.hpp"

namespace barnabas::broker {

using protocol::AllocateProducerIdsRequest;
using protocol::AllocateProducerIdsResponse;

namespace {

void handle_allocate_producer_ids(Services& services, const RequestContext& context,
                                  AllocateProducerIdsRequest& request,
                                  Reply<AllocateProducerIdsResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction)) {
    AllocateProducerIdsResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    return reply.send(refused);
  }
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](AllocateProducerIdsResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_allocate_producer_ids(Services& services, const RequestContext& context, protocol::Reader& reader,
                                 ResponseSink sink) {
  return decode_and_handle<AllocateProducerIdsRequest, AllocateProducerIdsResponse,
                           handle_allocate_producer_ids>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
