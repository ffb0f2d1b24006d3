// kafka-cluster: the id of a cluster, its endpoints, and removing a broker that is gone.
#include <algorithm>

#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_unregister_broker.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeClusterRequest;
using protocol::DescribeClusterResponse;

constexpr std::int8_t kBrokerEndpoints = 1;
constexpr std::int8_t kControllerEndpoints = 2;
// Of a column: as wide as its widest value.
constexpr std::size_t kNoWidth = 10;
constexpr std::size_t kMaxWidth = 100;

void add_cluster_options(ArgparseOptions& options) {
  options.value("config", "FILE", "Deprecated: --command-config is its new name.");
  options.add({.names = {"--command-config", "-c"},
               .text = "Properties of the client, as Kafka's admin client has them.",
               .placeholder = "FILE"});
  options.add_exclusive(true, {{.names = {"--bootstrap-server", "-b"},
                                .text = "Brokers to connect to; one that answers is enough.",
                                .placeholder = "HOST:PORT,..."},
                               {.names = {"--bootstrap-controller", "-C"},
                                .text = "Controllers to connect to.",
                                .placeholder = "HOST:PORT,..."}});
}

Result<Answer<DescribeClusterResponse>> describe(Admin& admin, bool controllers, bool with_fenced) {
  DescribeClusterRequest request;
  request.endpoint_type = controllers ? kControllerEndpoints : kBrokerEndpoints;
  request.include_fenced_brokers = with_fenced;
  return admin.call<DescribeClusterResponse>(Target::any(), request, "listNodes");
}

void print_endpoints(const DescribeClusterResponse& cluster, bool controllers) {
  std::size_t host_width = 0;
  std::size_t rack_width = 0;
  for (const auto& broker : cluster.brokers) {
    host_width = std::max(host_width, broker.host.size());
    rack_width = std::max(rack_width, broker.rack.value_or("").size());
  }
  host_width = std::min(kMaxWidth, host_width == 0 ? kNoWidth : host_width);
  rack_width = std::min(kMaxWidth, rack_width == 0 ? kNoWidth : rack_width);
  const auto print_row = [&](std::string_view id, std::string_view host, std::string_view port,
                             std::string_view rack, std::string_view state, std::string_view type) {
    fmt::print("{:<10} {:<{}} {:<10} {:<{}} ", id, host, host_width, port, rack, rack_width);
    if (!controllers) fmt::print("{:<10} ", state);
    fmt::print("{:<15}\n", type);
  };
  print_row("ID", "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
  for (const auto& broker : cluster.brokers)
    print_row(std::to_string(broker.broker_id), broker.host, std::to_string(broker.port),
              broker.rack.value_or("null"), broker.is_fenced ? "fenced" : "unfenced",
              controllers ? "controller" : "broker");
}

Result<void> execute(const ArgparseOptions& options) {
  if (options.has("config")) {
    if (options.has("command-config"))
      return misuse("--config and --command-config cannot be specified together.");
    warn_deprecated("config", "command-config");
  }
  const bool controllers = options.has("bootstrap-controller");
  const bool with_fenced = options.has("include-fenced-brokers");
  if (controllers && with_fenced)
    return misuse("The option --include-fenced-brokers is only supported with --bootstrap-server option");
  Admin admin(
      TRY(open_cluster(options.text(controllers ? "bootstrap-controller" : "bootstrap-server"),
                       options.text(options.has("config") ? "config" : "command-config"),
                       controllers ? Cluster::Bootstrap::kControllers : Cluster::Bootstrap::kBrokers)));
  if (options.chosen() == "unregister") {
    const auto id = static_cast<std::int32_t>(*options.number("id"));
    const protocol::UnregisterBrokerRequest request{.broker_id = id};
    TRY(admin.call<protocol::UnregisterBrokerResponse>(Target::any(), request, "unregisterBroker"));
    fmt::print("Broker {} is no longer registered.\n", id);
    return {};
  }
  auto cluster = TRY(describe(admin, controllers, with_fenced));
  if (options.chosen() == "cluster-id") {
    fmt::print("Cluster ID: {}\n", cluster->cluster_id);
  } else {
    std::ranges::sort(cluster->brokers, {}, &DescribeClusterResponse::DescribeClusterBroker::broker_id);
    print_endpoints(cluster.body, controllers);
  }
  return {};
}

}  // namespace

ArgparseOptions cluster_options() {
  ArgparseOptions options("kafka-cluster", "Asks a cluster who it is.");
  add_cluster_options(options.subcommand("cluster-id", "Print the id of the cluster."));
  auto& unregister = options.subcommand("unregister", "Remove a broker that will not come back.");
  unregister.add({.names = {"--id", "-i"},
                  .kind = ArgparseOptions::Kind::kInteger,
                  .text = "The broker's id.",
                  .required = true,
                  .placeholder = "ID"});
  add_cluster_options(unregister);
  auto& list = options.subcommand("list-endpoints", "List the nodes and where they listen.");
  list.flag("include-fenced-brokers", "Also brokers that are fenced.");
  add_cluster_options(list);
  return options;
}

int run_cluster(Arguments arguments) {
  ArgparseOptions options = cluster_options();
  if (const auto code = end_of_parsing(options, arguments, 1)) return *code;
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
