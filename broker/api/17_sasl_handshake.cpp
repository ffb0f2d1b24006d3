// SaslHandshake 0-1: which mechanism a client will authenticate with. On a plain text listener there is
// nothing to authenticate, and the client is told so.
//
// Left out: listeners with SASL.
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_sasl_handshake.hpp"

namespace barnabas::broker {

using protocol::SaslHandshakeRequest;
using protocol::SaslHandshakeResponse;

namespace {

void handle_sasl_handshake(Services&, const RequestContext&, SaslHandshakeRequest&,
                           Reply<SaslHandshakeResponse> reply) {
  SaslHandshakeResponse response;
  response.error_code = static_cast<std::int16_t>(ErrorCode::kIllegalSaslState);
  reply.send(response);
}

}  // namespace

bool serve_sasl_handshake(Services& services, const RequestContext& context, protocol::Reader& reader,
                          ResponseSink sink) {
  return decode_and_handle<SaslHandshakeRequest, SaslHandshakeResponse, handle_sasl_handshake>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
