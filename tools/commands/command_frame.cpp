#include "tools/commands/command_frame.hpp"

#include <cstdio>

#include "tools/client/tool_log.hpp"
#include "tools/version_text.hpp"

namespace barnabas::tools {

std::string failure_text(const Error& error) {
  return error.code == kMisuse ? error.detail : exception_line(error);
}

int tell_failure(const Error& error) {
  fmt::print(stderr, "{}\n", failure_text(error));
  return 1;
}

std::optional<int> end_of_parsing(JoptOptions& options, Arguments arguments) {
  const auto parsed = options.parse(arguments);
  if (!parsed) return refuse_usage(options, parsed.error());
  if (arguments.empty() || options.has("help")) {
    fmt::print(stderr, "{}", options.usage());
    return 1;
  }
  if (options.has("version")) {
    fmt::print("{}\n", kKafkaVersion);
    return 0;
  }
  return std::nullopt;
}

int refuse_usage(const JoptOptions& options, const Error& error) {
  fmt::print(stderr, "{}\n`{} --help` explains the options.\n", error.detail, options.tool());
  return 1;
}

std::optional<int> end_of_parsing(ArgparseOptions& options, Arguments arguments, int help_code) {
  const auto parsed = options.parse(arguments);
  if (!parsed) {
    fmt::print(stderr, "{0}: error: {1}\n`{0} --help` explains the options.\n", options.tool(),
               parsed.error().detail);
    return 1;
  }
  if (!options.help_wanted()) return std::nullopt;
  fmt::print("{}", options.usage());
  return help_code;
}

int run_explained(ArgparseOptions options, Arguments arguments,
                  Result<void> (*execute)(const ArgparseOptions& options)) {
  if (arguments.empty()) {
    fmt::print("{}", options.usage());
    return 0;
  }
  if (const auto code = end_of_parsing(options, arguments, 1)) return *code;
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

Result<Cluster> open_cluster(const std::string& bootstrap, const std::string& command_config,
                             Cluster::Bootstrap kind, std::chrono::milliseconds timeout,
                             Properties standard) {
  Properties properties = std::move(standard);
  if (!command_config.empty()) {
    auto read = read_properties(command_config);
    if (!read) return misuse(read.error().detail);
    for (auto& [key, value] : *read) properties[key] = std::move(value);
  }
  auto addresses = parse_bootstrap(bootstrap);
  if (!addresses) return misuse("Failed to create new KafkaAdminClient: " + addresses.error().detail);
  auto config = client_config_of(properties);
  if (!config) return misuse(config.error().detail);
  if (timeout.count() > 0) config->default_api_timeout = timeout;
  return Cluster(*std::move(addresses), *std::move(config), kind);
}

Result<Uuid> parse_uuid(std::string_view text) {
  constexpr std::size_t kMaxLength = 24;  // with padding
  if (text.size() > kMaxLength)
    return misuse(fmt::format("Input string with prefix `{}` is too long to be decoded as a base64 UUID",
                              text.substr(0, kMaxLength)));
  const auto uuid = Uuid::parse(text);
  if (uuid) return *uuid;
  return misuse(
      fmt::format("Input string `{}` decoded as {} bytes, which is not equal to the expected 16 bytes of a "
                  "base64-encoded UUID",
                  text, text.size() * 3 / 4));
}

void warn_deprecated(std::string_view old_name, std::string_view new_name) {
  fmt::print("Option --{} has been deprecated and will be removed in a future version. Use --{} instead.\n",
             old_name, new_name);
}

}  // namespace barnabas::tools
