// AlterUserScramCredentials 0: what users log in with (KIP-554). Kept for SASL listeners, which are not
// served yet: docs/gaps.md.
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"

namespace barnabas::broker {

using protocol::AlterUserScramCredentialsRequest;
using protocol::AlterUserScramCredentialsResponse;

namespace {

void handle_alter_scram(Services& services, const RequestContext& context,
                        AlterUserScramCredentialsRequest& request,
                        Reply<AlterUserScramCredentialsResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kAlter)) {
    AlterUserScramCredentialsResponse refused;
    const auto add = [&](const std::string& user) {
      refused.results.push_back({user, static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed),
                                 "Cluster authorization failed."});
    };
    for (const auto& asked : request.deletions) add(asked.name);
    for (const auto& asked : request.upsertions) add(asked.name);
    return reply.send(refused);
  }
  ask_controller(services, kraft::to_alterations(request),
                 [reply = std::move(reply)](AlterUserScramCredentialsResponse response) mutable {
                   reply.send(response);
                 });
}

}  // namespace

bool serve_alter_user_scram_credentials(Services& services, const RequestContext& context,
                                        protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse,
                           handle_alter_scram>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
