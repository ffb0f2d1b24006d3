// DescribeDelegationToken 0-3: the tokens of some or all owners (KIP-48).
//
//   v2 flexible   v3 who asked for a token
//
// Left out: connections that could ask for tokens, those of SASL and TLS listeners; others are answered
// DELEGATION_TOKEN_REQUEST_NOT_ALLOWED.
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_describe_delegation_token.hpp"

namespace barnabas::broker {

using protocol::DescribeDelegationTokenRequest;
using protocol::DescribeDelegationTokenResponse;

namespace {

void handle_describe_delegation_token(Services&, const RequestContext&, DescribeDelegationTokenRequest&,
                                      Reply<DescribeDelegationTokenResponse> reply) {
  DescribeDelegationTokenResponse response;
  response.error_code = static_cast<std::int16_t>(ErrorCode::kDelegationTokenRequestNotAllowed);
  reply.send(response);
}

}  // namespace

bool serve_describe_delegation_token(Services& services, const RequestContext& context,
                                     protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<DescribeDelegationTokenRequest, DescribeDelegationTokenResponse,
                           handle_describe_delegation_token>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
