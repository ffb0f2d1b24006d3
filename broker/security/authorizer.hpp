// Authorizer: may this principal do this to that? Thread safety: thread-safe.
//
// Values of ResourceKind and Operation are the protocol's. Without authorizer.class.name everything is
// allowed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace barnabas::broker {

enum class ResourceKind : std::int8_t {
  kTopic = 2,
  kGroup = 3,
  kCluster = 4,
  kTransactionalId = 5,
  kDelegationToken = 6,
  kUser = 7
};
enum class Operation : std::int8_t {
  kRead = 3,
  kWrite = 4,
  kCreate = 5,
  kDelete = 6,
  kAlter = 7,
  kDescribe = 8,
  kClusterAction = 9,
  kDescribeConfigs = 10,
  kAlterConfigs = 11,
  kIdempotentWrite = 12,
  kCreateTokens = 13,
  kDescribeTokens = 14,
  kTwoPhaseCommit = 15,
};

/// Who asks, as the connection's authentication says.
struct Principal {
  std::string type = "User";
  std::string name = "ANONYMOUS";
};

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  [[nodiscard]] virtual bool allows(const Principal& principal, std::string_view host, Operation operation,
                                    ResourceKind kind, std::string_view name) const = 0;
};

class AllowAll final : public Authorizer {
 public:
  [[nodiscard]] bool allows(const Principal&, std::string_view, Operation, ResourceKind,
                            std::string_view) const override {
    return true;
  }
};

/// The name of the cluster as a resource ("kafka-cluster" in ACLs).
inline constexpr std::string_view kClusterResource = "kafka-cluster";

}  // namespace barnabas::broker
