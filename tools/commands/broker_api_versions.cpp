// kafka-broker-api-versions: which APIs every broker has, and in which versions.
#include "protocol/api_keys.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"

namespace barnabas::tools {
namespace {

/// The versions that Apache Kafka 4.3's clients have: what both sides have is what they would use.
std::string usable(const protocol::ApiInfo& api, const VersionRange& broker) {
  const auto newest =
      static_cast<std::int16_t>(api.last_version_unstable ? api.max_version - 1 : api.max_version);
  const std::int16_t best = std::min(newest, broker.max);
  return best < std::max(api.min_version, broker.min) ? "NONE" : std::to_string(best);
}

std::string versions_of(const Connection& broker, const protocol::ApiInfo& api) {
  const auto range = broker.broker_versions(static_cast<std::int16_t>(api.key));
  if (!range) return "UNSUPPORTED";
  const std::string versions =
      range->min == range->max ? std::to_string(range->min) : fmt::format("{} to {}", range->min, range->max);
  return fmt::format("{} [usable: {}]", versions, usable(api, *range));
}

void print_broker(const Node& node, const Connection& broker) {
  fmt::print("{} (id: {} rack: {} isFenced: false) -> (\n", to_string(node.address), node.id.value(),
             node.rack.empty() ? "null" : node.rack);
  const char* separator = "";
  for (const auto& api : protocol::all_apis()) {
    if ((api.listeners & protocol::kBrokerListener) == 0) continue;
    fmt::print("{}\t{}({}): {}", separator, api.name, static_cast<int>(api.key), versions_of(broker, api));
    separator = ",\n";
  }
  fmt::print("\n)\n");
}

Result<void> execute(const JoptOptions& options) {
  Admin admin = TRY(open_admin(options));
  for (const auto& node : TRY(admin.nodes("findAllBrokers"))) {
    const auto connection = admin.cluster().node(node.id);
    if (connection)
      print_broker(node, **connection);
    else
      fmt::print("{} (id: {} rack: {} isFenced: false) -> ERROR: {}\n", to_string(node.address),
                 node.id.value(), node.rack.empty() ? "null" : node.rack, failure_text(connection.error()));
  }
  return {};
}

}  // namespace

JoptOptions broker_api_versions_options() {
  JoptOptions options("kafka-broker-api-versions", "Tells which APIs brokers have, in which versions.");
  options.add_standard_options();
  return options;
}

int run_broker_api_versions(Arguments arguments) {
  JoptOptions options = broker_api_versions_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto complete = options.require({"bootstrap-server"}); !complete)
    return refuse_usage(options, complete.error());
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
