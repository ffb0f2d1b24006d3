// barnabas: the program. `barnabas --help` tells how it is started.
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/log4j_levels.hpp"
#include "base/logging.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/container_setup.hpp"
#include "broker/node.hpp"
#include "broker/storage_commands.hpp"

namespace {

using namespace barnabas;
using namespace barnabas::broker;

constexpr const char* kVersion = "barnabas 0.1.0 (Kafka protocol of 4.3.1)";

struct StartArguments {
  std::string properties_file;
  std::string data_directory;
  std::string ready_file;
  std::string log4j_file;
  std::vector<std::string> sets;  // KEY=VALUE
  bool format = false;
};

/// The signals that end the node are taken by sigwait() in the main thread alone.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

std::string default_data_directory() {
  if (const char* data = std::getenv("BARNABAS_DATA"); data != nullptr && *data != '\0') return data;
  if (const char* xdg = std::getenv("XDG_DATA_HOME"); xdg != nullptr && *xdg != '\0')
    return std::string(xdg) + "/barnabas";
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr && *home != '\0' ? home : "/tmp") + "/.local/share/barnabas";
}

/// A node for one machine: reachable from it alone, with internal topics that need no second broker.
ConfigMap single_node_properties(const std::string& data_directory) {
  return {{"process.roles", "broker,controller"},
          {"node.id", "1"},
          {"listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"},
          {"controller.listener.names", "CONTROLLER"},
          {"controller.quorum.bootstrap.servers", "localhost:9093"},
          {"log.dirs", data_directory},
          {"group.initial.rebalance.delay.ms", "0"},
          {"offsets.topic.replication.factor", "1"},
          {"transaction.state.log.replication.factor", "1"},
          {"transaction.state.log.min.isr", "1"},
          {"share.coordinator.state.topic.replication.factor", "1"},
          {"share.coordinator.state.topic.min.isr", "1"}};
}

Result<ConfigMap> properties_of(const StartArguments& arguments) {
  ConfigMap properties;
  if (arguments.properties_file.empty())
    properties = single_node_properties(arguments.data_directory.empty() ? default_data_directory()
                                                                         : arguments.data_directory);
  else
    properties = TRY(read_properties_file(arguments.properties_file));
  if (!arguments.properties_file.empty() && !arguments.data_directory.empty())
    properties["log.dirs"] = arguments.data_directory;
  for (const auto& set : arguments.sets) {
    const auto equals = set.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidConfig, "--set " + set + ": must be KEY=VALUE");
    properties[set.substr(0, equals)] = set.substr(equals + 1);
  }
  return properties;
}

int report(const Error& error) {
  std::fflush(stdout);
  std::cerr << "barnabas: " << error.detail << std::endl;
  return 1;
}

using Formatted = std::optional<kraft::FormatOptions>;

/// Formats when asked to, or when nobody named a configuration: then the directory is the program's own.
Result<Formatted> prepare_storage(const StartArguments& arguments, const ConfigMap& properties) {
  if (!arguments.format && !arguments.properties_file.empty()) return std::nullopt;
  const auto config = TRY(BrokerConfig::make(properties));
  Formatted formatted = TRY(format_when_new(*config));
  if (formatted)
    log_info("kafka.server.KafkaRaftServer", "Formatted {}",
             fmt::format("{}", config->settings()->log_dirs.front()));
  return formatted;
}

/// Waits for a signal to stop; what the start left for later is done once its rush is over.
int wait_for_end(const sigset_t& signals, const Formatted& formatted, Node& node) {
  constexpr timespec kRush{.tv_sec = 0, .tv_nsec = 500'000'000};
  int signal = sigtimedwait(&signals, nullptr, &kRush);
  if (formatted)
    if (auto done = finish_format(*formatted); !done)
      log_warn("kafka.server.KafkaRaftServer", "{}", done.error().detail);
  if (signal > 0) return signal;
  node.prefetch();
  sigwait(&signals, &signal);
  return signal;
}

void print_bootstrap_address(const ConfigMap& properties, const Node& node) {
  const auto config = BrokerConfig::make(properties);
  const auto settings = (*config)->settings();
  for (const auto& listener : settings->listeners) {
    if (listener.controller) continue;
    Endpoint told = listener.advertised.value_or(listener.bind);
    if (told.host.empty()) told.host = "localhost";
    if (told.port == 0) told.port = node.listeners().at(listener.name).port;
    std::printf("bootstrap address: %s\n", to_string(told).c_str());
    std::fflush(stdout);
    return;
  }
}

/// Without levels that can be read everything from INFO on is told.
void set_log_levels(const std::string& file) {
  if (file.empty()) return;
  std::ifstream yaml(file);
  std::ostringstream text;
  text << yaml.rdbuf();
  if (!yaml) return log_warn("kafka.server.KafkaRaftServer", "{} cannot be read", file);
  apply_log4j_levels(read_log4j_levels(text.str()));
}

int run_node(const StartArguments& arguments) {
  set_log_levels(arguments.log4j_file);
  const sigset_t signals = block_signals();
  const auto properties = properties_of(arguments);
  if (!properties) return report(properties.error());
  const auto formatted = prepare_storage(arguments, *properties);
  if (!formatted) return report(formatted.error());
  std::atomic<bool> failed = false;
  NodeOptions options;
  options.properties = *properties;
  options.ready_file = arguments.ready_file;
  const auto asked_to_stop = [] {
    sigset_t pending;
    return sigpending(&pending) == 0 &&
           (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
  };
  options.give_up = asked_to_stop;
  options.on_failure = [&failed](const Error& error) {
    log_error("kafka.server.KafkaRaftServer", "This node cannot go on: {}", error.detail);
    failed = true;
    kill(getpid(), SIGTERM);
  };
  auto node = Node::start(std::move(options));
  if (!node && node.error().code == ErrorCode::kRequestTimedOut && asked_to_stop()) {
    log_info("kafka.server.KafkaRaftServer", "{}", node.error().detail);
    return 0;
  }
  if (!node) return report(node.error());
  print_bootstrap_address(*properties, **node);
  const int signal = wait_for_end(signals, *formatted, **node);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);  // a second signal ends the process at once
  log_info("kafka.server.KafkaRaftServer", "Stopping ({})", failed ? "a part failed" : strsignal(signal));
  if (auto stopped = (*node)->stop(); !stopped) return report(stopped.error());
  log_info("kafka.server.KafkaRaftServer", "[KafkaRaftServer nodeId={}] shut down completed",
           (*node)->id().value());
  return failed ? 1 : 0;
}

void describe_format(CLI::App& format, FormatArguments& arguments) {
  format.add_option("-t,--cluster-id", arguments.cluster_id, "Id of the cluster: 22 characters")->required();
  format.add_option("-c,--config", arguments.config_file, "The node's properties file")->required();
  format.add_flag("-g,--ignore-formatted", arguments.ignore_formatted,
                  "Leave formatted directories alone and format the others");
  format.add_option("-r,--release-version", arguments.release_version, "Feature levels of this release");
  format.add_option("-f,--feature", arguments.features, "NAME=LEVEL, above the release's levels");
  format.add_flag("-s,--standalone", arguments.standalone, "This controller votes alone");
  format.add_flag("-N,--no-initial-controllers", arguments.no_initial_controllers,
                  "Write no voters: they are learnt from the quorum");
  format.add_option("-I,--initial-controllers", arguments.initial_controllers,
                    "Voters: ID@HOST:PORT:DIRECTORY_ID,...");
  format.add_option("-S,--add-scram", arguments.scram_users,
                    "SCRAM-SHA-256=[name=...,password=...]: a user from the start");
}

void describe_start(CLI::App& app, StartArguments& arguments) {
  app.add_option("FILE", arguments.properties_file,
                 "Properties of the node, as Apache Kafka's server.properties; none: a single node on "
                 "localhost:9092");
  app.add_option("--set,--override", arguments.sets, "KEY=VALUE, above the file; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--data", arguments.data_directory,
                 "Where the data is; default $BARNABAS_DATA, else $XDG_DATA_HOME/barnabas");
  app.add_option("--ready-file", arguments.ready_file,
                 "Written with the bound addresses, as JSON, once the node serves");
  app.add_option("--log4j", arguments.log4j_file, "A log4j2.yaml whose levels the log follows");
  app.add_flag("--format", arguments.format, "Format the log directories when none of them is");
}

void describe_container_setup(CLI::App& setup, ContainerSetupArguments& arguments) {
  setup.add_option("--flavour", arguments.flavour, "Whose image is followed")
      ->check(CLI::IsMember({"apache", "confluent"}));
  setup.add_option("-D,--default-configs-dir", arguments.default_configs_dir, "Defaults")->required();
  setup.add_option("-M,--mounted-configs-dir", arguments.mounted_configs_dir, "What the user mounted");
  setup.add_option("-F,--final-configs-dir", arguments.final_configs_dir, "Where the result goes")
      ->required();
}

int run(int argc, char** argv) {
  CLI::App app("A broker that speaks the Kafka protocol.");
  app.set_version_flag("--version", kVersion);
  app.require_subcommand(0, 1);
  StartArguments start;
  describe_start(app, start);
  FormatArguments format;
  CLI::App* format_command = app.add_subcommand("format", "Make log directories ready for a node");
  describe_format(*format_command, format);
  CLI::App* uuid_command = app.add_subcommand("random-uuid", "Print a random uuid, fit for a cluster id");
  std::string info_config;
  CLI::App* info_command = app.add_subcommand("info", "Look at the log directories of a node");
  info_command->add_option("-c,--config", info_config, "The node's properties file")->required();
  std::string release;
  CLI::App* mapping_command = app.add_subcommand("version-mapping", "Print the feature levels of a release");
  mapping_command->add_option("-r,--release-version", release, "Default: the newest");
  std::vector<std::string> features;
  CLI::App* dependencies_command =
      app.add_subcommand("feature-dependencies", "Print what feature levels need of others");
  dependencies_command->add_option("-f,--feature", features, "NAME=LEVEL; may be repeated")->required();
  ContainerSetupArguments container;
  CLI::App* container_command =
      app.add_subcommand("container-setup", "Write a container's configuration from its environment");
  describe_container_setup(*container_command, container);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (*format_command) return run_format(format, std::cout, std::cerr);
  if (*info_command) return run_info(info_config, std::cout, std::cerr);
  if (*mapping_command) return run_version_mapping(release, std::cout, std::cerr);
  if (*dependencies_command) return run_feature_dependencies(features, std::cout, std::cerr);
  if (*container_command) return run_container_setup(container, process_environment(), std::cout, std::cerr);
  if (*uuid_command) {
    std::cout << random_cluster_id() << '\n';
    return 0;
  }
  return run_node(start);
}

}  // namespace

int main(int argc, char** argv) {
  // Few arenas: memory that one thread gave back is used by the next, and an idle node stays small.
  mallopt(M_ARENA_MAX, 2);
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "barnabas: " << error.what() << std::endl;
    return 1;
  }
}
