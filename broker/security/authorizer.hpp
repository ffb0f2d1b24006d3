// Authorizer: may this principal do this to that? Thread safety: thread-safe.
//
// Owned by the node, which makes the one that authorizer.class.name asks for; without it everything is
// allowed and ACLs are not served.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kraft/metadata_image.hpp"
#include "protocol/acl_terms.hpp"

namespace barnabas::broker {

using Operation = protocol::AclOperation;
using ResourceKind = protocol::ResourceType;

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
  /// Whether there is any resource of that kind, one that exists or not, to which `operation` is allowed.
  [[nodiscard]] virtual bool allows_for_some(const Principal& principal, std::string_view host,
                                             Operation operation, ResourceKind kind) const = 0;
  /// Whether it goes by ACLs: whoever creates or describes some is served only then.
  [[nodiscard]] virtual bool obeys_acls() const = 0;
  /// Another one when an answer may be another one.
  [[nodiscard]] virtual std::uint64_t version() const = 0;
  /// The ACLs of the metadata image that is published now.
  virtual void follow(const kraft::AclsImage& acls) = 0;
};

class AllowAll final : public Authorizer {
 public:
  [[nodiscard]] bool allows(const Principal&, std::string_view, Operation, ResourceKind,
                            std::string_view) const override {
    return true;
  }
  [[nodiscard]] bool allows_for_some(const Principal&, std::string_view, Operation,
                                     ResourceKind) const override {
    return true;
  }
  [[nodiscard]] bool obeys_acls() const override { return false; }
  [[nodiscard]] std::uint64_t version() const override { return 0; }
  void follow(const kraft::AclsImage&) override {}
};

/// The name of the cluster as a resource ("kafka-cluster" in ACLs).
inline constexpr std::string_view kClusterResource = protocol::kClusterResourceName;

}  // namespace barnabas::broker
