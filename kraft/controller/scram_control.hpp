// SCRAM credentials: AlterUserScramCredentials (KIP-554). See control.hpp.
//
// Every user of a request stands for itself. Errors: 91 RESOURCE_NOT_FOUND, 92 DUPLICATE_RESOURCE, 93
// UNACCEPTABLE_CREDENTIAL, 33 UNSUPPORTED_SASL_MECHANISM. Source: measured on Kafka 4.3.1.
#pragma once

#include <vector>

#include "kraft/controller/control.hpp"
#include "kraft/scram.hpp"
#include "protocol/messages/api_alter_user_scram_credentials.hpp"

namespace barnabas::kraft {

/// The request with bytes of its own: it outlives its frame.
struct ScramAlterations {
  struct Upsertion {
    ScramUser user;
    std::int32_t iterations = 0;
    Bytes salt;
    ScramKeys keys;  // empty where the request brought no salted password
  };
  std::vector<ScramUser> deletions;
  std::vector<Upsertion> upsertions;
};
[[nodiscard]] ScramAlterations to_alterations(const protocol::AlterUserScramCredentialsRequest& request);

/// The records view the bytes of `alterations`.
ControllerResult<protocol::AlterUserScramCredentialsResponse> alter_scram_credentials(
    const ControlContext& context, const ScramAlterations& alterations);

}  // namespace barnabas::kraft
