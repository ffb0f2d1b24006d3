// SaslAuthenticate 0-2: one step of a mechanism. A connection of a plain text listener is as authenticated as
// it will ever be.
//
//   v1 session lifetime   v2 flexible
//
// Left out: listeners with SASL.
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_sasl_authenticate.hpp"

namespace barnabas::broker {

using protocol::SaslAuthenticateRequest;
using protocol::SaslAuthenticateResponse;

namespace {

void handle_sasl_authenticate(Services&, const RequestContext&, SaslAuthenticateRequest&,
                              Reply<SaslAuthenticateResponse> reply) {
  SaslAuthenticateResponse response;
  response.error_code = static_cast<std::int16_t>(ErrorCode::kIllegalSaslState);
  response.error_message = "SaslAuthenticate request received after successful authentication";
  reply.send(response);
}

}  // namespace

bool serve_sasl_authenticate(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<SaslAuthenticateRequest, SaslAuthenticateResponse, handle_sasl_authenticate>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
