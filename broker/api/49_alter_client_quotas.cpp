// AlterClientQuotas 0-1: sets and removes quotas (KIP-546). They are kept, not enforced yet: docs/gaps.md.
//
//   v1 flexible
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"

namespace barnabas::broker {

using protocol::AlterClientQuotasRequest;
using protocol::AlterClientQuotasResponse;

namespace {

AlterClientQuotasResponse refusal(const AlterClientQuotasRequest& request) {
  AlterClientQuotasResponse refused;
  for (const auto& entry : request.entries) {
    auto& answer = refused.entries.emplace_back();
    answer.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    answer.error_message = "Cluster authorization failed.";
    for (const auto& part : entry.entity) answer.entity.push_back({part.entity_type, part.entity_name});
  }
  return refused;
}

void handle_alter_client_quotas(Services& services, const RequestContext& context,
                                AlterClientQuotasRequest& request, Reply<AlterClientQuotasResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kAlterConfigs)) return reply.send(refusal(request));
  ask_controller(
      services, std::move(request),
      [reply = std::move(reply)](AlterClientQuotasResponse response) mutable { reply.send(response); });
}

}  // namespace

bool serve_alter_client_quotas(Services& services, const RequestContext& context, protocol::Reader& reader,
                               ResponseSink sink) {
  return decode_and_handle<AlterClientQuotasRequest, AlterClientQuotasResponse, handle_alter_client_quotas>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
