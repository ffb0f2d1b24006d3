#include "broker/config/wanted_acls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>

#include "protocol/acl_terms.hpp"

namespace barnabas::broker {

using protocol::AclOperation;
using protocol::PatternType;
using protocol::PermissionType;
using protocol::ResourceType;

namespace {

struct ResourceOption {
  std::string_view name;
  ResourceType type;
};
constexpr ResourceOption kResourceOptions[] = {{"topic", ResourceType::kTopic},
                                               {"group", ResourceType::kGroup},
                                               {"transactional-id", ResourceType::kTransactionalId},
                                               {"delegation-token", ResourceType::kDelegationToken},
                                               {"user-principal", ResourceType::kUser}};
constexpr std::string_view kValueOptions[] = {"allow-principal", "deny-principal", "allow-host",
                                              "deny-host",       "operation",      "resource-pattern-type"};
/// "add" and "force" say nothing here; they are taken because a command line may be pasted.
constexpr std::string_view kFlags[] = {"cluster", "producer", "consumer", "idempotent", "add", "force"};

std::unexpected<Error> refuse(std::string why) {
  return fail(ErrorCode::kInvalidConfig, std::move(why));
}

/// Words, quoted ones whole.
Result<std::vector<std::string>> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = '\0';
  for (const char c : text) {
    const bool is_quote = quote == '\0' ? c == '\'' || c == '"' : c == quote;
    const bool is_space = quote == '\0' && (c == ' ' || c == '\t');
    if (!is_space && !in_word) words.emplace_back();
    in_word = !is_space;
    if (is_quote)
      quote = quote == '\0' ? c : '\0';
    else if (!is_space)
      words.back() += c;
  }
  if (quote != '\0') return refuse(fmt::format("a quote {} is not closed", quote));
  return words;
}

class Options {
 public:
  static Result<Options> parse(std::string_view text) {
    Options options;
    const auto words = TRY(words_of(text));
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (!words[i].starts_with("--")) return refuse(fmt::format("{} is no option of kafka-acls", words[i]));
      const auto equals = std::min(words[i].find('='), words[i].size());
      const std::string name = words[i].substr(2, equals - 2);
      if (std::ranges::find(kFlags, name) != std::end(kFlags)) {
        options.values_[name];
        continue;
      }
      const bool takes_value =
          std::ranges::find(kValueOptions, name) != std::end(kValueOptions) ||
          std::ranges::find(kResourceOptions, name, &ResourceOption::name) != std::end(kResourceOptions);
      if (!takes_value) return refuse(fmt::format("--{} is no option for ACLs that are added", name));
      if (equals < words[i].size()) {
        options.values_[name].push_back(words[i].substr(equals + 1));
      } else if (++i < words.size()) {
        options.values_[name].push_back(words[i]);
      } else {
        return refuse(fmt::format("--{} needs a value", name));
      }
    }
    return options;
  }
  [[nodiscard]] bool has(std::string_view name) const { return values_.contains(name); }
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? std::vector<std::string>() : found->second;
  }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

/// One entry of every resource, for everybody who is named.
class Expansion {
 public:
  Expansion(const Options& options, PatternType pattern) : options_(options), pattern_(pattern) {}

  Result<void> add(ResourceType type, const std::string& name, const std::vector<AclOperation>& operations) {
    const auto known = protocol::operations_of(type);
    for (const AclOperation operation : operations) {
      if (std::ranges::find(known, operation) == known.end())
        return refuse(
            fmt::format("{} is no operation of the resource type {}", name_of(operation), name_of(type)));
      add_all(type, name, operation, "allow", PermissionType::kAllow);
      add_all(type, name, operation, "deny", PermissionType::kDeny);
    }
    return {};
  }
  Result<void> add_named(std::string_view option, ResourceType type,
                         const std::vector<AclOperation>& operations) {
    for (const auto& name : options_.all(option)) TRY(add(type, name, operations));
    return {};
  }
  [[nodiscard]] std::vector<kraft::AclEntry> take() { return std::move(entries_); }

 private:
  void add_all(ResourceType type, const std::string& name, AclOperation operation, const std::string& whom,
               PermissionType permission) {
    std::vector<std::string> hosts = options_.all(whom + "-host");
    if (hosts.empty()) hosts = {protocol::kAclWildcard};
    const auto pattern = type == ResourceType::kCluster ? PatternType::kLiteral : pattern_;
    for (const auto& principal : options_.all(whom + "-principal"))
      for (const auto& host : hosts)
        entries_.push_back({static_cast<std::int8_t>(type), name, static_cast<std::int8_t>(pattern),
                            principal, host, static_cast<std::int8_t>(operation),
                            static_cast<std::int8_t>(permission)});
  }

  const Options& options_;
  PatternType pattern_;
  std::vector<kraft::AclEntry> entries_;
};

Result<PatternType> pattern_of(const Options& options) {
  const auto named = options.all("resource-pattern-type");
  if (named.empty()) return PatternType::kLiteral;
  const PatternType pattern = protocol::pattern_named(named.back());
  if (pattern == PatternType::kLiteral || pattern == PatternType::kPrefixed) return pattern;
  return refuse(fmt::format("--resource-pattern-type {}: must be literal or prefixed", named.back()));
}

Result<std::vector<AclOperation>> operations_of(const Options& options) {
  std::vector<AclOperation> operations;
  for (const auto& name : options.all("operation")) {
    operations.push_back(protocol::operation_named(name));
    if (operations.back() == AclOperation::kUnknown || operations.back() == AclOperation::kAny)
      return refuse(fmt::format("--operation {}: there is no such operation", name));
  }
  if (operations.empty()) operations.push_back(AclOperation::kAll);
  return operations;
}

Result<void> check(const Options& options) {
  std::vector<std::string> principals = options.all("allow-principal");
  std::ranges::copy(options.all("deny-principal"), std::back_inserter(principals));
  if (principals.empty()) return refuse("needs --allow-principal or --deny-principal");
  for (const auto& principal : principals)
    if (const auto colon = principal.find(':'); colon == std::string::npos || colon == 0)
      return refuse(fmt::format("the principal {} must be TYPE:NAME", principal));
  const bool for_client = options.has("producer") || options.has("consumer");
  if (for_client && (options.has("operation") || options.has("deny-principal")))
    return refuse("--producer and --consumer are without --operation and --deny-principal");
  if (for_client && !options.has("topic")) return refuse("--producer and --consumer need a --topic");
  if (options.has("consumer") && !options.has("group")) return refuse("--consumer needs a --group");
  if (options.has("idempotent") && !options.has("producer"))
    return refuse("--idempotent is for a --producer");
  return {};
}

/// What a producer and a consumer need.
Result<void> add_for_clients(const Options& options, Expansion& expansion) {
  using enum AclOperation;
  if (options.has("producer")) {
    TRY(expansion.add_named("topic", ResourceType::kTopic, {kWrite, kDescribe, kCreate}));
    TRY(expansion.add_named("transactional-id", ResourceType::kTransactionalId, {kWrite, kDescribe}));
    if (options.has("idempotent"))
      TRY(expansion.add(ResourceType::kCluster, protocol::kClusterResourceName, {kIdempotentWrite}));
  }
  if (options.has("consumer")) {
    TRY(expansion.add_named("topic", ResourceType::kTopic, {kRead, kDescribe}));
    TRY(expansion.add_named("group", ResourceType::kGroup, {kRead}));
  }
  return {};
}

}  // namespace

Result<std::vector<kraft::AclEntry>> parse_wanted_acls_entry(std::string_view text) {
  const Options options = TRY(Options::parse(text));
  TRY(check(options));
  Expansion expansion(options, TRY(pattern_of(options)));
  if (options.has("producer") || options.has("consumer")) {
    TRY(add_for_clients(options, expansion));
  } else {
    const auto operations = TRY(operations_of(options));
    for (const auto& [option, type] : kResourceOptions) TRY(expansion.add_named(option, type, operations));
    if (options.has("cluster"))
      TRY(expansion.add(ResourceType::kCluster, protocol::kClusterResourceName, operations));
  }
  auto entries = expansion.take();
  if (entries.empty()) return refuse("names no resource, such as --topic NAME");
  return entries;
}

}  // namespace barnabas::broker
