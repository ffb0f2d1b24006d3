// kafka-configs: its parts. An entity is what has a configuration: a topic, a broker, a user with a client
// id.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/messages/api_describe_client_quotas.hpp"
#include "tools/client/admin.hpp"
#include "tools/client/config_description.hpp"
#include "tools/options/jopt_options.hpp"

namespace barnabas::tools {

struct Entity {
  std::string type;                 // "topics"
  std::optional<std::string> name;  // "": the default of all; nothing: all of them
};

/// In the order in which Kafka's tool takes them; the first says what is done.
using Entities = std::vector<Entity>;

/// "topic" of "topics".
[[nodiscard]] inline std::string singular(const std::string& type) {
  return type.substr(0, type.size() - 1);
}
/// Nothing for users, clients and ips, whose quotas are no configuration of a resource.
[[nodiscard]] std::optional<ConfigResource> resource_of(const std::string& type);

Result<void> describe_entities(Admin& admin, const Entities& entities, bool all);

/// Which quotas a filter of just these entities finds, as (entity, key=value pairs).
using QuotaEntries = std::vector<protocol::DescribeClientQuotasResponse_EntryData>;
Result<QuotaEntries> describe_quotas(Admin& admin, const Entities& entities);

Result<void> alter_entities(Admin& admin, const Entities& entities, const JoptOptions& options);

}  // namespace barnabas::tools
