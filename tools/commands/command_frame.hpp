// What every command does before and after its own work: the options that all have, the cluster they name,
// the sentences for what went wrong.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/uuid.hpp"
#include "tools/client/admin.hpp"
#include "tools/client/client_config.hpp"
#include "tools/command.hpp"
#include "tools/options/argparse_options.hpp"
#include "tools/options/jopt_options.hpp"
#include "tools/options/misuse.hpp"

namespace barnabas::tools {

/// As the tools print what ended them: the sentence of a misuse, the exception of anything else.
[[nodiscard]] std::string failure_text(const Error& error);
/// Prints it to standard error: exit code 1.
int tell_failure(const Error& error);

/// Parses and does what --help, --version or an error ask for: then its exit code, else nothing. Like Kafka's
/// tools, no arguments at all and --help end with 1.
std::optional<int> end_of_parsing(JoptOptions& options, Arguments arguments);
/// Tells a mistake in the command line and where the options are explained: exit code 1.
int refuse_usage(const JoptOptions& options, const Error& error);

/// The same for tools with subcommands. `help_code` is the exit code of --help.
std::optional<int> end_of_parsing(ArgparseOptions& options, Arguments arguments, int help_code);

/// A command that measures or verifies: without any arguments it explains itself and ends with 0.
int run_explained(ArgparseOptions options, Arguments arguments,
                  Result<void> (*execute)(const ArgparseOptions& options));

/// The cluster of `bootstrap` with the properties in the file `command_config` (empty: none). A `timeout` of
/// a whole call other than 0 is that of the command's own option. `standard` are the properties that the
/// command has other defaults for.
Result<Cluster> open_cluster(const std::string& bootstrap, const std::string& command_config,
                             Cluster::Bootstrap kind = Cluster::Bootstrap::kBrokers,
                             std::chrono::milliseconds timeout = {}, Properties standard = {});
/// By --bootstrap-server or --bootstrap-controller, and --command-config.
template <class Options>
Result<Admin> open_admin(const Options& options) {
  const bool is_controller = options.has("bootstrap-controller");
  return Admin(
      TRY(open_cluster(options.text(is_controller ? "bootstrap-controller" : "bootstrap-server"),
                       options.text("command-config"),
                       is_controller ? Cluster::Bootstrap::kControllers : Cluster::Bootstrap::kBrokers)));
}

/// A uuid as Kafka writes it. kMisuse with the sentence of Kafka's tools.
Result<Uuid> parse_uuid(std::string_view text);

/// The warning about an option that got another name.
void warn_deprecated(std::string_view old_name, std::string_view new_name);

}  // namespace barnabas::tools
