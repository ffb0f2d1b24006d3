// CreateDelegationToken 0-3: a token to authenticate with later (KIP-48).
//
//   v2 flexible   v3 tokens for others (KIP-373)
//
// Left out: connections that could ask for tokens, those of SASL and TLS listeners; others are answered
// DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_create_delegation_token.hpp"

namespace barnabas::broker {

using protocol::CreateDelegationTokenRequest;
using protocol::CreateDelegationTokenResponse;

namespace {

void handle_create_delegation_token(Services&, const RequestContext& context, CreateDelegationTokenRequest&,
                                    Reply<CreateDelegationTokenResponse> reply) {
  CreateDelegationTokenResponse response;
  const Principal& asking = context.connection->principal;
  response.error_code = static_cast<std::int16_t>(ErrorCode::kDelegationTokenRequestNotAllowed);
  response.principal_type = asking.type;
  response.principal_name = asking.name;
  if (context.api_version >= 3) {
    response.token_requester_principal_type = asking.type;
    response.token_requester_principal_name = asking.name;
  }
  response.issue_timestamp_ms = -1;
  response.expiry_timestamp_ms = -1;
  response.max_timestamp_ms = -1;
  reply.send(response);
}

}  // namespace

bool serve_create_delegation_token(Services& services, const RequestContext& context,
                                   protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<CreateDelegationTokenRequest, CreateDelegationTokenResponse,
                           handle_create_delegation_token>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
