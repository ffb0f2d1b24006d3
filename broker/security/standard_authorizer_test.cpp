#include "broker/security/standard_authorizer.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"

namespace barnabas::broker {
namespace {

using enum protocol::AclOperation;
using protocol::AclOperation;
using protocol::PatternType;
using protocol::PermissionType;
using protocol::ResourceType;

constexpr auto kDeny = PermissionType::kDeny;
constexpr auto kLiteral = PatternType::kLiteral;
constexpr auto kPrefixed = PatternType::kPrefixed;
const Principal kAlice{"User", "alice"};
const Principal kBob{"User", "bob"};

kraft::AclEntry acl(std::string principal, AclOperation operation, std::string name,
                    PatternType pattern = kLiteral, PermissionType permission = PermissionType::kAllow,
                    std::string host = "*", ResourceType type = ResourceType::kTopic) {
  return {static_cast<std::int8_t>(type),
          std::move(name),
          static_cast<std::int8_t>(pattern),
          std::move(principal),
          std::move(host),
          static_cast<std::int8_t>(operation),
          static_cast<std::int8_t>(permission)};
}

class Rules {
 public:
  explicit Rules(std::vector<kraft::AclEntry> acls, std::vector<std::string> super_users = {},
                 bool allow_everyone = false)
      : authorizer(super_users, allow_everyone) {
    SeededRandom random(5);
    for (auto& entry : acls) image[Uuid::random(random)] = std::move(entry);
    authorizer.follow(image);
  }
  [[nodiscard]] bool allow(const Principal& who, AclOperation operation, std::string_view name,
                           std::string_view host = "10.0.0.1") const {
    return authorizer.allows(who, host, operation, ResourceType::kTopic, name);
  }
  [[nodiscard]] bool allow_for_some(AclOperation operation) const {
    return authorizer.allows_for_some(kAlice, "10.0.0.1", operation, ResourceType::kTopic);
  }

  kraft::AclsImage image;
  StandardAuthorizer authorizer;
};

TEST_CASE("what no ACL allows is denied") {
  const Rules rules({acl("User:alice", kRead, "t")});
  CHECK(rules.allow(kAlice, kRead, "t"));
  CHECK_FALSE(rules.allow(kAlice, kWrite, "t"));
  CHECK_FALSE(rules.allow(kAlice, kRead, "t2"));
  CHECK_FALSE(rules.allow(kBob, kRead, "t"));
  CHECK_FALSE(rules.allow({"Group", "alice"}, kRead, "t"));
  CHECK_FALSE(rules.authorizer.allows(kAlice, "h", kRead, ResourceType::kGroup, "t"));
}

TEST_CASE("a denial wins over what is allowed, in whatever way both came") {
  const Rules rules({acl("User:*", kAll, "*"), acl("User:alice", kWrite, "t", kLiteral, kDeny),
                     acl("User:bob", kAll, "se", kPrefixed, kDeny)});
  CHECK_FALSE(rules.allow(kAlice, kWrite, "t"));
  CHECK(rules.allow(kAlice, kRead, "t"));
  CHECK(rules.allow(kBob, kWrite, "t"));
  CHECK_FALSE(rules.allow(kBob, kDescribe, "secret"));
  CHECK(rules.allow(kBob, kDescribe, "s"));
}

TEST_CASE("what is allowed implies DESCRIBE, what is denied implies nothing") {
  for (const auto operation : {kRead, kWrite, kDelete, kAlter, kDescribe, kAll}) {
    CHECK(Rules({acl("User:alice", operation, "t")}).allow(kAlice, kDescribe, "t"));
    const Rules denied(
        {acl("User:alice", kDescribe, "t"), acl("User:alice", operation, "t", kLiteral, kDeny)});
    CHECK(denied.allow(kAlice, kDescribe, "t") == (operation != kDescribe && operation != kAll));
  }
  for (const auto operation : {kCreate, kAlterConfigs, kDescribeConfigs})
    CHECK_FALSE(Rules({acl("User:alice", operation, "t")}).allow(kAlice, kDescribe, "t"));
  CHECK(Rules({acl("User:alice", kAlterConfigs, "t")}).allow(kAlice, kDescribeConfigs, "t"));
  CHECK_FALSE(Rules({acl("User:alice", kAlter, "t")}).allow(kAlice, kDescribeConfigs, "t"));
}

TEST_CASE("prefixes are found however they nest, and stand for themselves too") {
  const Rules rules({acl("User:alice", kRead, "a", kPrefixed), acl("User:alice", kWrite, "abc", kPrefixed),
                     acl("User:bob", kRead, "abcd", kPrefixed), acl("User:bob", kRead, "abd", kPrefixed)});
  CHECK(rules.allow(kAlice, kRead, "a"));
  CHECK(rules.allow(kAlice, kRead, "abe"));
  CHECK(rules.allow(kAlice, kRead, "abcdz"));
  CHECK(rules.allow(kAlice, kWrite, "abc"));
  CHECK_FALSE(rules.allow(kAlice, kWrite, "abd"));
  CHECK_FALSE(rules.allow(kBob, kRead, "abc"));
  CHECK_FALSE(rules.allow(kAlice, kRead, "b"));
  CHECK_FALSE(rules.allow(kAlice, kRead, ""));
  // A prefix "*" is a star, no wildcard.
  CHECK_FALSE(Rules({acl("User:alice", kRead, "*", kPrefixed)}).allow(kAlice, kRead, "t"));
}

TEST_CASE("hosts are compared as Java writes addresses") {
  const Rules rules({acl("User:*", kRead, "t", kLiteral, PermissionType::kAllow, "10.0.0.1"),
                     acl("User:*", kRead, "t", kLiteral, PermissionType::kAllow, "0:0:0:0:0:0:0:1")});
  CHECK(rules.allow(kAlice, kRead, "t", "10.0.0.1"));
  CHECK_FALSE(rules.allow(kAlice, kRead, "t", "10.0.0.2"));
  CHECK(rules.allow(kAlice, kRead, "t", "::1"));
  CHECK_FALSE(rules.allow(kAlice, kRead, "t", "fe80::1%eth0"));
}

TEST_CASE("super users may do everything; of what no ACL speaks everybody may, when that is set") {
  const Rules supers({acl("User:*", kAll, "*", kLiteral, kDeny)}, {"User:alice"});
  CHECK(supers.allow(kAlice, kWrite, "t"));
  CHECK_FALSE(supers.allow(kBob, kWrite, "t"));
  const Rules open({acl("User:bob", kRead, "t"), acl("User:bob", kRead, "p", kPrefixed)}, {}, true);
  CHECK(open.allow(kAlice, kWrite, "other"));
  CHECK_FALSE(open.allow(kAlice, kRead, "t"));
  CHECK_FALSE(open.allow(kAlice, kRead, "p1"));
}

TEST_CASE("an operation is allowed for some resource unless what allows it is denied as a whole") {
  CHECK_FALSE(Rules({}).allow_for_some(kWrite));
  CHECK(Rules({}, {}, true).allow_for_some(kWrite));
  CHECK(Rules({}, {"User:alice"}).allow_for_some(kWrite));
  CHECK(Rules({acl("User:*", kWrite, "t")}).allow_for_some(kWrite));
  CHECK_FALSE(Rules({acl("User:alice", kRead, "t")}).allow_for_some(kWrite));
  CHECK_FALSE(Rules({acl("User:bob", kWrite, "t")}).allow_for_some(kWrite));
  const auto denied = [](std::string name, PatternType pattern) {
    return acl("User:alice", kAll, std::move(name), pattern, kDeny);
  };
  CHECK_FALSE(Rules({acl("User:alice", kWrite, "t"), denied("t", kLiteral)}).allow_for_some(kWrite));
  CHECK_FALSE(Rules({acl("User:alice", kWrite, "tt"), denied("t", kPrefixed)}).allow_for_some(kWrite));
  CHECK_FALSE(
      Rules({acl("User:alice", kWrite, "tt", kPrefixed), denied("t", kPrefixed)}).allow_for_some(kWrite));
  CHECK(Rules({acl("User:alice", kWrite, "t", kPrefixed), denied("tt", kPrefixed)}).allow_for_some(kWrite));
  CHECK(Rules({acl("User:alice", kWrite, "t", kPrefixed), denied("t", kLiteral)}).allow_for_some(kWrite));
  CHECK_FALSE(Rules({acl("User:alice", kWrite, "*"), denied("*", kLiteral)}).allow_for_some(kWrite));
}

/// The same question asked of every ACL there is.
bool asked_of_all(const kraft::AclsImage& acls, const Principal& who, AclOperation operation,
                  std::string_view name) {
  bool allowed = false;
  for (const auto& [id, entry] : acls) {
    const bool of_prefix = entry.pattern_type == static_cast<std::int8_t>(kPrefixed);
    const bool about = of_prefix ? name.starts_with(entry.resource_name)
                                 : entry.resource_name == name || entry.resource_name == "*";
    if (!about || (entry.principal != "User:" + who.name && entry.principal != "User:*")) continue;
    if (entry.operation != static_cast<std::int8_t>(operation)) continue;
    if (entry.permission_type == static_cast<std::int8_t>(kDeny)) return false;
    allowed = true;
  }
  return allowed;
}

TEST_CASE("the index finds what a walk through all ACLs finds") {
  SeededRandom random(17);
  const auto pick = [&random](std::uint64_t below) { return random.next() % below; };
  const auto name = [&] {
    std::string text;
    for (auto length = pick(5); length > 0; --length) text += static_cast<char>('a' + pick(2));
    return text.empty() ? std::string("*") : text;
  };
  for (int round = 0; round < 200; ++round) {
    std::vector<kraft::AclEntry> acls;
    for (auto count = pick(12); count > 0; --count)
      acls.push_back(acl(pick(3) == 0 ? "User:*" : "User:alice", pick(2) == 0 ? kCreate : kClusterAction,
                         name(), pick(2) == 0 ? kLiteral : kPrefixed,
                         pick(4) == 0 ? kDeny : PermissionType::kAllow));
    const Rules rules(std::move(acls));
    for (int question = 0; question < 40; ++question) {
      const std::string asked = name();
      INFO("round " << round << ", " << asked);
      REQUIRE(rules.allow(kAlice, kCreate, asked) == asked_of_all(rules.image, kAlice, kCreate, asked));
      REQUIRE(rules.allow(kBob, kCreate, asked) == asked_of_all(rules.image, kBob, kCreate, asked));
    }
  }
}

TEST_CASE("an authorizer is made of its class's name") {
  BrokerSettings settings;
  CHECK_FALSE((*make_authorizer(settings))->obeys_acls());
  settings.authorizer_class_name = kStandardAuthorizer;
  settings.super_users = {"User:alice"};
  CHECK((*make_authorizer(settings))->obeys_acls());
  settings.super_users = {"alice"};
  CHECK(make_authorizer(settings).error().detail ==
        "Invalid value alice for configuration super.users: expected a string in format "
        "principalType:principalName");
  settings.authorizer_class_name = "kafka.security.authorizer.AclAuthorizer";
  CHECK(make_authorizer(settings).error().detail.find("could not be found") != std::string::npos);
}

}  // namespace
}  // namespace barnabas::broker
