// Envelope 0: a client's request that a broker sends on to the active controller (KIP-590). Of the
// controller's listener.
//
// The request within is served as if its client had sent it: by its principal, from its address. Errors as
// Kafka 4.3.1 gives them: CLUSTER_AUTHORIZATION_FAILED when the broker may not, then
// PRINCIPAL_DESERIALIZATION_FAILURE, INVALID_REQUEST for an address that is none and for an API that is not
// forwarded, UNSUPPORTED_VERSION for what cannot be read, NOT_CONTROLLER instead of a response that says so
// (also one about the quorum that says so in raft's words, which Kafka hands through).
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/forwarding.hpp"
#include "protocol/message_codec.hpp"
#include "protocol/messages/api_envelope.hpp"

namespace barnabas::broker {

using protocol::EnvelopeRequest;
using protocol::EnvelopeResponse;

namespace {

void refuse(Reply<EnvelopeResponse>& reply, ErrorCode error) {
  EnvelopeResponse response;
  response.error_code = static_cast<std::int16_t>(error);
  reply.send(response);
}

/// What the request within is served with. Leaves the reader at its body.
Result<RequestContext> open_envelope(const RequestContext& context, const EnvelopeRequest& envelope,
                                     protocol::Reader& reader) {
  auto principal = TRY(parse_principal(envelope.request_principal.value_or(ByteView())));
  auto address = TRY(parse_address(envelope.client_host_address));
  const protocol::RequestPrefix header = protocol::read_request_header(reader);
  if (!reader.ok()) return fail(ErrorCode::kUnsupportedVersion);
  const ApiRow* row = find_api(header.api_key);
  if (row == nullptr || find_forwardable(header.api_key) == nullptr) return fail(ErrorCode::kInvalidRequest);
  if (header.api_version < row->min_version || header.api_version > row->max_version)
    return fail(ErrorCode::kUnsupportedVersion);
  RequestContext inner = context;
  inner.api_key = header.api_key;
  inner.api_version = header.api_version;
  inner.correlation_id = header.correlation_id;
  inner.client_id = header.client_id;
  inner.connection = std::make_shared<ClientConnection>(*context.connection);
  inner.connection->principal = std::move(principal);
  inner.connection->peer = {std::move(address), 0};
  return inner;
}

void answer(Reply<EnvelopeResponse>& reply, const RequestContext& inner, const EncodedResponse& within) {
  if (within.kind != EncodedResponse::Kind::kSend) return refuse(reply, ErrorCode::kUnknownServerError);
  const ByteView payload = ByteView(within.bytes).subspan(4);
  protocol::Reader reader(payload);
  reader.skip(4);
  if (protocol::response_header_version(inner.api_key, inner.api_version) > 0)
    protocol::skip_tagged_fields(reader);
  if (find_forwardable(inner.api_key)->tells_not_controller(reader, inner.api_version))
    return refuse(reply, ErrorCode::kNotController);
  EnvelopeResponse response;
  response.response_data = payload;
  reply.send(response);
}

void handle_envelope(Services& services, const RequestContext& context, EnvelopeRequest& request,
                     Reply<EnvelopeResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kClusterAction))
    return refuse(reply, ErrorCode::kClusterAuthorizationFailed);
  protocol::Reader reader(request.request_data);
  auto inner = open_envelope(context, request, reader);
  if (!inner) return refuse(reply, inner.error().code);
  auto held = std::make_shared<Reply<EnvelopeResponse>>(std::move(reply));
  auto sink = [held, inner = *inner](EncodedResponse within) { answer(*held, inner, within); };
  if (!find_api(inner->api_key)->handler(services, *inner, reader, std::move(sink)))
    refuse(*held, ErrorCode::kUnsupportedVersion);
}

}  // namespace

bool serve_envelope(Services& services, const RequestContext& context, protocol::Reader& reader,
                    ResponseSink sink) {
  return decode_and_handle<EnvelopeRequest, EnvelopeResponse, handle_envelope>(services, context, reader,
                                                                               std::move(sink));
}

}  // namespace barnabas::broker
