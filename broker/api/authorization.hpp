// Asks the authorizer on behalf of a request.
#pragma once

#include <string_view>

#include "broker/api/request_context.hpp"
#include "broker/api/services.hpp"
#include "broker/security/authorizer.hpp"

namespace barnabas::broker {

[[nodiscard]] inline bool allowed(const Services& services, const RequestContext& context,
                                  Operation operation, ResourceKind kind, std::string_view name) {
  const ClientConnection& client = *context.connection;
  return services.authorizer.allows(client.principal, client.peer.host, operation, kind, name);
}
[[nodiscard]] inline bool allowed_on_cluster(const Services& services, const RequestContext& context,
                                             Operation operation) {
  return allowed(services, context, operation, ResourceKind::kCluster, kClusterResource);
}

/// Value of the AuthorizedOperations fields when they were not asked for.
inline constexpr std::int32_t kOperationsNotAsked = INT32_MIN;

/// Bit n stands for Operation n, of those that make sense for the kind (KIP-430).
[[nodiscard]] inline std::int32_t authorized_operations(const Services& services,
                                                        const RequestContext& context, ResourceKind kind,
                                                        std::string_view name) {
  std::int32_t bits = 0;
  for (const Operation operation : protocol::operations_of(kind)) {
    if (operation != Operation::kAll && allowed(services, context, operation, kind, name))
      bits |= 1 << static_cast<int>(operation);
  }
  return bits;
}

}  // namespace barnabas::broker
