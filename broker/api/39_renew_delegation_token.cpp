// RenewDelegationToken 0-2: lengthens the life of a token (KIP-48).
//
//   v2 flexible
//
// Left out: connections that could ask for tokens, those of SASL and TLS listeners; others are answered
// DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_renew_delegation_token.hpp"

namespace barnabas::broker {

using protocol::RenewDelegationTokenRequest;
using protocol::RenewDelegationTokenResponse;

namespace {

void handle_renew_delegation_token(Services&, const RequestContext&, RenewDelegationTokenRequest&,
                                   Reply<RenewDelegationTokenResponse> reply) {
  RenewDelegationTokenResponse response;
  response.error_code = static_cast<std::int16_t>(ErrorCode::kDelegationTokenRequestNotAllowed);
  response.expiry_timestamp_ms = -1;
  reply.send(response);
}

}  // namespace

bool serve_renew_delegation_token(Services& services, const RequestContext& context, protocol::Reader& reader,
                                  ResponseSink sink) {
  return decode_and_handle<RenewDelegationTokenRequest, RenewDelegationTokenResponse,
                           handle_renew_delegation_token>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
