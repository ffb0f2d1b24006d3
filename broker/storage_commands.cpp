#include "broker/storage_commands.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <ostream>

#include "base/posix_file_system.hpp"
#include "base/properties_file.hpp"
#include "kraft/bootstrap.hpp"
#include "kraft/metadata_record.hpp"
#include "log/log_manager.hpp"

namespace barnabas::broker {
namespace {

using Voters = kraft::FormatOptions::Voters;

/// What a standalone voter writes of itself; the host of a listener on every interface is this machine's
/// name.
std::vector<kraft::VoterEndpoint> controller_endpoints(const BrokerSettings& settings) {
  std::vector<kraft::VoterEndpoint> endpoints;
  for (const auto& listener : settings.listeners) {
    if (!listener.controller) continue;
    Endpoint endpoint = listener.advertised.value_or(listener.bind);
    if (endpoint.host.empty()) endpoint.host = "localhost";
    endpoints.push_back({listener.name, endpoint});
  }
  return endpoints;
}

Result<Voters> choose_voters(const FormatArguments& arguments, const BrokerSettings& settings) {
  const int chosen = (arguments.standalone ? 1 : 0) + (arguments.no_initial_controllers ? 1 : 0) +
                     (arguments.initial_controllers.empty() ? 0 : 1);
  if (chosen > 1)
    return fail(ErrorCode::kInvalidConfig,
                "Only one of --standalone, --initial-controllers and --no-initial-controllers may be given.");
  if (!settings.controller_quorum_voters.empty()) {
    if (chosen > 0)
      return fail(ErrorCode::kInvalidConfig,
                  "You cannot specify controller.quorum.voters and format the node with "
                  "--initial-controllers or --standalone. If you want to use dynamic quorum, please remove "
                  "controller.quorum.voters and specify controller.quorum.bootstrap.servers instead.");
    return Voters::kStatic;
  }
  if (arguments.standalone) return Voters::kStandalone;
  if (!arguments.initial_controllers.empty()) return Voters::kInitial;
  if (!arguments.no_initial_controllers && settings.is_controller)
    return fail(ErrorCode::kInvalidConfig,
                "Because controller.quorum.voters is not set on this controller, you must specify one of the "
                "following: --standalone, --initial-controllers, or --no-initial-controllers.");
  return Voters::kNone;
}

Result<std::map<std::string, std::int16_t>> parse_features(const std::vector<std::string>& arguments) {
  std::map<std::string, std::int16_t> features;
  for (const auto& argument : arguments) {
    const auto equals = argument.find('=');
    std::int16_t level = 0;
    const char* end = argument.data() + argument.size();
    const bool whole = equals != std::string::npos && equals + 1 < argument.size() &&
                       std::from_chars(argument.data() + equals + 1, end, level).ptr == end;
    if (!whole)
      return fail(ErrorCode::kInvalidConfig,
                  fmt::format("Can't parse feature=level string {}: it must be NAME=LEVEL", argument));
    features[argument.substr(0, equals)] = level;
  }
  return features;
}

kraft::FormatOptions storage_of(const BrokerSettings& settings) {
  kraft::FormatOptions options;
  options.node_id = settings.node_id;
  options.log_directories = settings.log_dirs;
  options.metadata_directory = settings.metadata_log_dir;
  options.controller_endpoints = controller_endpoints(settings);
  const auto& directories = options.log_directories;
  if (std::ranges::find(directories, options.metadata_directory) == directories.end())
    options.log_directories.push_back(options.metadata_directory);
  return options;
}

Result<kraft::FormatOptions> make_options(const FormatArguments& arguments) {
  auto properties = TRY(read_properties_file(arguments.config_file));
  const auto config = TRY(BrokerConfig::make(std::move(properties)));
  const auto settings = config->settings();
  kraft::FormatOptions options = storage_of(*settings);
  options.cluster_id = arguments.cluster_id;
  options.ignore_formatted = arguments.ignore_formatted;
  options.release_version = arguments.release_version;
  options.features = TRY(parse_features(arguments.features));
  for (const auto& argument : arguments.scram_users) {
    auto user = kraft::parse_scram_user(argument);
    if (!user) return fail(user.error().code, "--add-scram: " + user.error().detail);
    options.scram_users.push_back(*std::move(user));
  }
  options.voters = TRY(choose_voters(arguments, *settings));
  if (options.voters == Voters::kInitial)
    options.initial_voters = TRY(kraft::parse_initial_controllers(
        arguments.initial_controllers, settings->controller_listener_names.front()));
  return options;
}

/// As Java prints an array of its signed bytes.
std::string signed_bytes(ByteView bytes) {
  std::vector<int> numbers;
  for (const auto byte : bytes) numbers.push_back(static_cast<std::int8_t>(byte));
  return fmt::format("[{}]", fmt::join(numbers, ", "));
}

std::string bootstrap_text(const kraft::FormatReport& done) {
  std::vector<std::string> records;
  for (const Bytes& framed : done.bootstrap_records) {
    const auto record = kraft::decode(framed);
    if (!record) continue;
    std::string text;
    if (const auto* level = std::get_if<protocol::FeatureLevelRecord>(&*record))
      text = fmt::format("FeatureLevelRecord(name='{}', featureLevel={})", level->name, level->feature_level);
    if (const auto* user = std::get_if<protocol::UserScramCredentialRecord>(&*record))
      text = fmt::format(
          "UserScramCredentialRecord(name='{}', mechanism={}, salt={}, storedKey={}, serverKey={}, "
          "iterations={})",
          user->name, user->mechanism, signed_bytes(user->salt), signed_bytes(user->stored_key),
          signed_bytes(user->server_key), user->iterations);
    records.push_back(fmt::format("ApiMessageAndVersion({} at version 0)", text));
  }
  return fmt::format("{}", fmt::join(records, ", "));
}

void report(const kraft::FormatOptions& options, const kraft::FormatReport& done, std::ostream& out) {
  if (done.formatted.empty()) {
    out << "All of the log directories are already formatted.\n";
    return;
  }
  out << fmt::format(
      "Bootstrap metadata: BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format "
      "command)\n",
      bootstrap_text(done), done.metadata_version);
  const bool voter = options.voters == Voters::kStandalone || options.voters == Voters::kInitial;
  for (const auto& directory : done.formatted) {
    const bool metadata = directory == options.metadata_directory;
    out << fmt::format("Formatting {} directory {} with metadata.version {}.\n",
                       !metadata ? "data"
                       : voter   ? "dynamic metadata voter"
                                 : "metadata",
                       directory, kraft::metadata_version_name(done.metadata_version));
  }
}

}  // namespace

Result<ConfigMap> read_properties_file(const std::string& path) {
  PosixFileSystem files;
  const auto text = TRY(files.read_file(path));
  const auto parsed = parse_properties(text);
  if (!parsed) return fail(parsed.error().code, path + ": " + parsed.error().detail);
  ConfigMap properties;
  for (const auto& property : *parsed) properties[property.key] = property.value;
  return properties;
}

std::string random_cluster_id() {
  SystemRandom random;
  return Uuid::random(random).to_string();
}

int run_format(const FormatArguments& arguments, std::ostream& out, std::ostream& err) {
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  const auto options = make_options(arguments);
  if (!options) {
    err << options.error().detail << '\n';
    return 1;
  }
  const auto done = kraft::format_storage(files, clock, random, *options);
  if (!done) {
    err << done.error().detail << '\n';
    return 1;
  }
  report(*options, *done, out);
  return 0;
}

Result<std::optional<kraft::FormatOptions>> format_when_new(const BrokerConfig& config) {
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  const auto settings = config.settings();
  kraft::FormatOptions options = storage_of(*settings);
  for (const auto& directory : options.log_directories)
    if (TRY(log::read_meta_properties(files, directory))) return std::nullopt;
  options.cluster_id = random_cluster_id();
  options.voters = settings->controller_quorum_voters.empty() ? Voters::kStandalone : Voters::kStatic;
  options.is_started_at_once = true;
  TRY(kraft::format_storage(files, clock, random, options));
  return options;
}

Result<void> finish_format(const kraft::FormatOptions& options) {
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  return kraft::write_bootstrap_files(files, clock, random, options);
}

}  // namespace barnabas::broker
