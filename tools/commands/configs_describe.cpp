// kafka-configs --describe.
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "protocol/messages/api_describe_user_scram_credentials.hpp"
#include "tools/client/group_description.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/configs.hpp"
#include "tools/commands/java_number.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeClientQuotasRequest;
using protocol::DescribeClientQuotasResponse;
using protocol::DescribeUserScramCredentialsRequest;
using protocol::DescribeUserScramCredentialsResponse;

/// Those of a type that exist or have a configuration, sorted.
Result<std::vector<std::string>> existing_names(Admin& admin, const std::string& type) {
  std::vector<std::string> names;
  if (type == "topics") return list_topics(admin);
  if (type == "client-metrics") return list_config_resources(admin, ConfigResource::kClientMetrics);
  if (type == "groups") {
    std::set<std::string> groups;
    for (const auto& group : TRY(list_groups(admin))) groups.insert(group.id);
    for (auto& name : TRY(list_config_resources(admin, ConfigResource::kGroup)))
      groups.insert(std::move(name));
    names.assign(groups.begin(), groups.end());
    return names;
  }
  for (const auto& node : TRY(admin.nodes("listNodes"))) names.push_back(std::to_string(node.id.value()));
  return names;
}

ConfigSource dynamic_source(ConfigResource type, const std::string& name) {
  switch (type) {
    case ConfigResource::kTopic:
      return ConfigSource::kTopic;
    case ConfigResource::kBroker:
      return name.empty() ? ConfigSource::kDynamicDefaultBroker : ConfigSource::kDynamicBroker;
    case ConfigResource::kBrokerLogger:
      return ConfigSource::kDynamicBrokerLogger;
    case ConfigResource::kClientMetrics:
      return ConfigSource::kClientMetrics;
    case ConfigResource::kGroup:
      return ConfigSource::kGroup;
  }
  return ConfigSource::kUnknown;
}

Result<void> describe_resource(Admin& admin, const std::string& type, const std::string& name, bool all) {
  const ConfigResource resource = *resource_of(type);
  if (name.empty()) {
    fmt::print("Default configs for {} in the cluster are:\n", type);
  } else {
    fmt::print("{} configs for {} {} are:\n", all ? "All" : "Dynamic", singular(type), name);
  }
  auto described = TRY(describe_configs(admin, resource, {name}, true));
  if (described.empty()) return {};
  auto& entries = described.front().entries;
  std::ranges::sort(entries, {}, &ConfigEntry::name);
  const auto wanted = static_cast<std::int8_t>(dynamic_source(resource, name));
  for (const auto& entry : entries) {
    if (!all && entry.config_source != wanted) continue;
    std::vector<std::string> synonyms;
    for (const auto& synonym : entry.synonyms)
      synonyms.push_back(fmt::format("{}:{}={}", config_source_name(synonym.source), synonym.name,
                                     synonym.value.value_or("null")));
    fmt::print("  {}={} sensitive={} synonyms={{{}}}\n", entry.name, entry.value.value_or("null"),
               entry.is_sensitive, fmt::join(synonyms, ", "));
  }
  return {};
}

Result<void> describe_resources(Admin& admin, const Entity& entity, bool all) {
  const bool is_node = entity.type == "brokers" || entity.type == "broker-loggers";
  if (entity.name) {
    const bool must_exist = !all && !entity.name->empty();
    if (must_exist) {
      const auto names = TRY(existing_names(admin, entity.type));
      if (std::ranges::find(names, *entity.name) == names.end()) {
        fmt::print("The {} '{}' doesn't exist and doesn't have dynamic config.\n", singular(entity.type),
                   *entity.name);
        return {};
      }
    }
    return describe_resource(admin, entity.type, *entity.name, all);
  }
  auto names = TRY(existing_names(admin, entity.type));
  if (is_node) names.emplace_back();
  for (const auto& name : names) TRY(describe_resource(admin, entity.type, name, all));
  return {};
}

/// Kafka's names of what has quotas, in the order in which they are printed.
struct QuotaType {
  const char* type;    // of the option
  const char* entity;  // of the API
  const char* text;    // in the output
};
constexpr std::array kQuotaTypes{QuotaType{"users", "user", "user-principal"},
                                 QuotaType{"clients", "client-id", "client-id"},
                                 QuotaType{"ips", "ip", "ip"}};

void print_quotas(const QuotaEntries& quotas) {
  for (const auto& quota : quotas) {
    std::vector<std::string> names;
    for (const auto& type : kQuotaTypes)
      for (const auto& part : quota.entity)
        if (part.entity_type == type.entity)
          names.push_back(part.entity_name ? fmt::format("{} '{}'", type.text, *part.entity_name)
                                           : fmt::format("the default {}", type.text));
    std::vector<std::string> values;
    for (const auto& value : quota.values)
      values.push_back(fmt::format("{}={}", value.key, java_double(value.value)));
    fmt::print("Quota configs for {} are {}\n", fmt::join(names, ", "), fmt::join(values, ", "));
  }
}

std::string_view mechanism_name(std::int8_t mechanism) {
  return mechanism == 1 ? "SCRAM-SHA-256" : mechanism == 2 ? "SCRAM-SHA-512" : "UNKNOWN";
}

Result<void> describe_credentials(Admin& admin, const Entity& user) {
  DescribeUserScramCredentialsRequest request;
  if (user.name) request.users->push_back({.name = *user.name});
  auto answer = TRY(admin.call<DescribeUserScramCredentialsResponse>(Target::any(), request,
                                                                     "describeUserScramCredentials"));
  std::ranges::sort(answer->results, {},
                    &DescribeUserScramCredentialsResponse::DescribeUserScramCredentialsResult::user);
  for (const auto& result : answer->results) {
    if (static_cast<ErrorCode>(result.error_code) == ErrorCode::kResourceNotFound) continue;
    TRY(refusal(result.error_code, result.error_message));
    std::vector<std::string> credentials;
    for (const auto& credential : result.credential_infos)
      credentials.push_back(
          fmt::format("{}=iterations={}", mechanism_name(credential.mechanism), credential.iterations));
    fmt::print("SCRAM credential configs for user-principal '{}' are {}\n", result.user,
               fmt::join(credentials, ", "));
  }
  return {};
}

}  // namespace

Result<QuotaEntries> describe_quotas(Admin& admin, const Entities& entities) {
  enum Match : std::int8_t { kExact = 0, kDefault = 1, kAny = 2 };
  DescribeClientQuotasRequest request;
  request.strict = true;
  for (const auto& entity : entities) {
    const auto type = std::ranges::find_if(kQuotaTypes, [&](const auto& t) { return entity.type == t.type; });
    auto& component = request.components.emplace_back();
    component.entity_type = type->entity;
    component.match_type = !entity.name ? kAny : entity.name->empty() ? kDefault : kExact;
    component.match = component.match_type == kExact ? entity.name : std::nullopt;
  }
  const auto answer =
      TRY(admin.call<DescribeClientQuotasResponse>(Target::any(), request, "describeClientQuotas"));
  return answer->entries.value_or(QuotaEntries{});
}

Result<void> describe_entities(Admin& admin, const Entities& entities, bool all) {
  const auto& first = entities.front();
  if (resource_of(first.type)) return describe_resources(admin, first, all);
  print_quotas(TRY(describe_quotas(admin, entities)));
  const bool only_users = entities.size() == 1 && first.type == "users";
  const bool is_default = first.name && first.name->empty();
  if (only_users && !is_default) return describe_credentials(admin, first);
  return {};
}

}  // namespace barnabas::tools
