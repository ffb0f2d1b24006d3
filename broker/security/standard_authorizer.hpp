// StandardAuthorizer: goes by the ACLs of the metadata image, as Apache Kafka's authorizer of that name.
//
// Owned by the node. Thread safety: thread-safe; follow() swaps the whole index, so a question is answered by
// the ACLs of one image.
// Rules, in order: a super user may do everything; an ACL that denies wins over those that allow; an ACL that
// allows READ, WRITE, DELETE or ALTER allows DESCRIBE too, one of ALTER_CONFIGS allows DESCRIBE_CONFIGS (a
// denial implies nothing); a resource of which no ACL speaks is everybody's if
// allow.everyone.if.no.acl.found; what no ACL allows is denied. Source: KIP-11, KIP-290, KIP-801; measured on
// Kafka 4.3.1.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/security/acl_index.hpp"
#include "broker/security/authorizer.hpp"

namespace barnabas::broker {

inline constexpr std::string_view kStandardAuthorizer =
    "org.apache.kafka.metadata.authorizer.StandardAuthorizer";

class StandardAuthorizer final : public Authorizer {
 public:
  /// `super_users` are TYPE:NAME each.
  StandardAuthorizer(const std::vector<std::string>& super_users, bool allow_everyone_if_no_acl_found);

  [[nodiscard]] bool allows(const Principal& principal, std::string_view host, Operation operation,
                            ResourceKind kind, std::string_view name) const override;
  [[nodiscard]] bool allows_for_some(const Principal& principal, std::string_view host, Operation operation,
                                     ResourceKind kind) const override;
  [[nodiscard]] bool obeys_acls() const override { return true; }
  [[nodiscard]] std::uint64_t version() const override { return version_.load(std::memory_order_acquire); }
  void follow(const kraft::AclsImage& acls) override;

 private:
  [[nodiscard]] bool is_super_user(const Principal& principal) const;

  std::set<std::string> super_users_;
  bool allow_everyone_if_no_acl_found_;
  std::atomic<std::shared_ptr<const AclIndex>> index_;
  std::atomic<std::uint64_t> version_ = 0;
};

/// The authorizer that the settings ask for. INVALID_CONFIG for a class that is not there, or a super user
/// that is no principal.
Result<std::unique_ptr<Authorizer>> make_authorizer(const BrokerSettings& settings);

}  // namespace barnabas::broker
