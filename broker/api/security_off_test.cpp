// What a node without SASL and without an authorizer says to those who ask for either. Measured on
// Kafka 4.3.1.
#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"
#include "protocol/messages/api_create_acls.hpp"
#include "protocol/messages/api_create_delegation_token.hpp"
#include "protocol/messages/api_delete_acls.hpp"
#include "protocol/messages/api_describe_acls.hpp"
#include "protocol/messages/api_describe_delegation_token.hpp"
#include "protocol/messages/api_expire_delegation_token.hpp"
#include "protocol/messages/api_renew_delegation_token.hpp"
#include "protocol/messages/api_sasl_authenticate.hpp"
#include "protocol/messages/api_sasl_handshake.hpp"

namespace barnabas::broker::testing {
namespace {

ErrorCode error_of(std::int16_t code) {
  return static_cast<ErrorCode>(code);
}

TEST_CASE("on a plain text listener nobody authenticates") {
  ApiFixture node;
  CHECK(error_of(node.ask<protocol::SaslHandshakeResponse>(protocol::SaslHandshakeRequest()).error_code) ==
        ErrorCode::kIllegalSaslState);
  const auto response = node.ask<protocol::SaslAuthenticateResponse>(protocol::SaslAuthenticateRequest());
  CHECK(error_of(response.error_code) == ErrorCode::kIllegalSaslState);
  CHECK(response.error_message == "SaslAuthenticate request received after successful authentication");
}

TEST_CASE("without an authorizer there are no ACLs") {
  ApiFixture node;
  protocol::DescribeAclsRequest describe;
  describe.resource_type_filter = describe.operation = describe.permission_type = 1;
  protocol::CreateAclsRequest create;
  auto& acl = create.creations.emplace_back();
  acl.resource_type = 2;
  acl.operation = acl.permission_type = 3;
  protocol::DeleteAclsRequest remove;
  auto& filter = remove.filters.emplace_back();
  filter.resource_type_filter = filter.operation = filter.permission_type = 1;
  for (std::int16_t version = 0; version <= 3; ++version) {
    const auto described = node.ask<protocol::DescribeAclsResponse>(describe, version);
    CHECK(error_of(described.error_code) == ErrorCode::kSecurityDisabled);
    CHECK(described.error_message == "No Authorizer is configured on the broker");
    const auto created = node.ask<protocol::CreateAclsResponse>(create, version);
    CHECK(error_of(created.results.at(0).error_code) == ErrorCode::kSecurityDisabled);
    const auto removed = node.ask<protocol::DeleteAclsResponse>(remove, version);
    CHECK(error_of(removed.filter_results.at(0).error_code) == ErrorCode::kSecurityDisabled);
  }
}

TEST_CASE("tokens are for connections that have authenticated") {
  ApiFixture node;
  constexpr ErrorCode kRefused = ErrorCode::kDelegationTokenRequestNotAllowed;
  const auto created =
      node.ask<protocol::CreateDelegationTokenResponse>(protocol::CreateDelegationTokenRequest());
  CHECK(error_of(created.error_code) == kRefused);
  CHECK(created.principal_name == "ANONYMOUS");
  CHECK(created.max_timestamp_ms == -1);
  CHECK(error_of(node.ask<protocol::RenewDelegationTokenResponse>(protocol::RenewDelegationTokenRequest())
                     .error_code) == kRefused);
  CHECK(error_of(node.ask<protocol::ExpireDelegationTokenResponse>(protocol::ExpireDelegationTokenRequest())
                     .error_code) == kRefused);
  CHECK(
      error_of(node.ask<protocol::DescribeDelegationTokenResponse>(protocol::DescribeDelegationTokenRequest())
                   .error_code) == kRefused);
}

}  // namespace
}  // namespace barnabas::broker::testing
