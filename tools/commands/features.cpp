// kafka-features: the feature levels of a cluster.
#include <algorithm>
#include <map>

#include "kraft/bootstrap.hpp"
#include "kraft/metadata_image.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_update_features.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

using protocol::ApiVersionsResponse;
using protocol::UpdateFeaturesRequest;
using protocol::UpdateFeaturesResponse;

constexpr std::string_view kMetadataVersion = kraft::kMetadataVersionFeature;
constexpr std::int16_t kNewestMetadataVersion = 30;

using Levels = std::map<std::string, std::int16_t, std::less<>>;

/// The three kinds of change, as UpdateFeatures numbers them.
enum class UpgradeType : std::int8_t { kUpgrade = 1, kSafeDowngrade = 2, kUnsafeDowngrade = 3 };

struct Change {
  std::string_view verb;  // "upgrade"
  UpgradeType type = UpgradeType::kUpgrade;
  bool dry_run = false;
};

std::string level_name(std::string_view feature, std::int16_t level) {
  const auto name = feature == kMetadataVersion ? kraft::metadata_version_name(level) : std::string_view();
  return name.empty() ? std::to_string(level) : std::string(name);
}

Result<void> describe(Admin& admin) {
  const protocol::ApiVersionsRequest request{.client_software_name = "barnabas-tools",
                                             .client_software_version = "0.1.0"};
  const auto answer = TRY(admin.call<ApiVersionsResponse>(Target::any(), request, "describeFeatures"));
  struct Described {
    std::int16_t min = 0;
    std::int16_t max = 0;
    std::int16_t finalized = 0;
  };
  std::map<std::string, Described> features;
  for (const auto& feature : answer->supported_features)
    features[feature.name] = {feature.min_version, feature.max_version, 0};
  for (const auto& feature : answer->finalized_features)
    features[feature.name].finalized = feature.max_version_level;
  const std::int64_t epoch = answer->finalized_features_epoch;
  for (const auto& [name, levels] : features)
    fmt::print(
        "Feature: {:<42}SupportedMinVersion: {:<17}SupportedMaxVersion: {:<17}FinalizedVersionLevel: {:<17}"
        "Epoch: {}\n",
        name, level_name(name, levels.min), level_name(name, levels.max), level_name(name, levels.finalized),
        epoch < 0 ? "-" : std::to_string(epoch));
  return {};
}

Result<std::int16_t> release_level(const std::string& release) {
  const auto level = kraft::metadata_version_of(release);
  if (!level)
    return misuse(fmt::format("Unknown metadata.version '{}'. Supported metadata.version are: {}", release,
                              kraft::supported_metadata_versions()));
  return *level;
}

/// Every feature at the level of a release, those that it does not have at 0.
Levels levels_of_release(std::int16_t metadata_version) {
  Levels levels;
  for (const auto& [name, level] : kraft::default_features(kNewestMetadataVersion)) levels[name] = 0;
  for (const auto& [name, level] : kraft::default_features(metadata_version)) levels[name] = level;
  levels["kraft.version"] = 1;
  return levels;
}

Result<std::pair<std::string, std::int16_t>> parse_level(const std::string& argument) {
  const auto equals = argument.find('=');
  if (equals == std::string::npos)
    return misuse(fmt::format("Can't parse feature=level string {}: equals sign not found.", argument));
  const std::string text = argument.substr(equals + 1);
  const auto level = parse_number<std::int16_t>(text);
  if (!level)
    return misuse(
        fmt::format("Can't parse feature=level string {}: unable to parse {} as a short.", argument, text));
  return std::pair(argument.substr(0, equals), *level);
}

/// The levels that the options ask for.
Result<Levels> wanted_levels(const ArgparseOptions& options, std::string_view verb) {
  if (options.has("release-version")) {
    if (options.has("metadata") || options.has("feature"))
      return misuse("Can not specify `release-version` with other feature flags.");
    return levels_of_release(TRY(release_level(options.text("release-version"))));
  }
  Levels levels;
  if (options.has("metadata")) {
    fmt::print(" `metadata` flag is deprecated and may be removed in a future release.\n");
    levels[std::string(kMetadataVersion)] = TRY(release_level(options.text("metadata")));
  }
  for (const auto& argument : options.all("feature")) {
    if (verb == "disable") {
      levels[argument] = 0;
      continue;
    }
    auto [name, level] = TRY(parse_level(argument));
    if (!levels.emplace(name, level).second)
      return misuse(fmt::format("Feature {} was specified more than once.", name));
  }
  if (levels.empty()) return misuse(fmt::format("You must specify at least one feature to {}", verb));
  return levels;
}

/// What became of each feature, as a sentence.
std::string outcome(const Change& change, const std::string& feature, std::int16_t level,
                    const Result<void>& done) {
  const std::string target = change.verb == "disable" ? "" : fmt::format(" to {}", level);
  const std::string past = change.verb == "disable" ? "disabled" : fmt::format("{}d", change.verb);
  if (done)
    return change.dry_run ? fmt::format("{} can be {}{}.", feature, past, target)
                          : fmt::format("{} was {}{}.", feature, past, target);
  return fmt::format("{} {} {}{}. {}", change.dry_run ? "Can not" : "Could not", change.verb, feature, target,
                     done.error().detail);
}

Result<std::map<std::string, Result<void>>> ask(Admin& admin, const Levels& levels, const Change& change) {
  UpdateFeaturesRequest request;
  request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  request.validate_only = change.dry_run;
  for (const auto& [name, level] : levels)
    request.feature_updates.push_back(
        {.feature = name, .max_version_level = level, .upgrade_type = static_cast<std::int8_t>(change.type)});
  std::map<std::string, Result<void>> outcomes;
  for (const auto& [name, level] : levels) outcomes.emplace(name, Result<void>{});
  // A refusal of the whole is one of each feature.
  const auto answer = admin.call<UpdateFeaturesResponse>(Target::controller(), request, "updateFeatures");
  for (auto& [name, done] : outcomes)
    if (!answer) done = std::unexpected(answer.error());
  if (answer)
    for (const auto& result : answer->body.results)
      outcomes[result.feature] = refusal(result.error_code, result.error_message);
  return outcomes;
}

Result<int> update(Admin& admin, const ArgparseOptions& options, std::string_view verb) {
  Change change{verb};
  change.dry_run = options.has("dry-run");
  if (verb != "upgrade")
    change.type = options.has("unsafe") ? UpgradeType::kUnsafeDowngrade : UpgradeType::kSafeDowngrade;
  const Levels levels = TRY(wanted_levels(options, verb));
  const auto outcomes = TRY(ask(admin, levels, change));
  int failures = 0;
  for (const auto& [name, done] : outcomes) {
    failures += done ? 0 : 1;
    fmt::print("{}\n", outcome(change, name, levels.at(name), done));
  }
  if (failures == 0) return 0;
  return misuse(fmt::format("{} out of {} operation(s) failed.", failures, outcomes.size()));
}

Result<int> print_mapping(const ArgparseOptions& options) {
  const bool named = options.has("release-version");
  const std::int16_t version =
      named ? TRY(release_level(options.text("release-version"))) : kNewestMetadataVersion;
  const auto levels = levels_of_release(version);
  const std::string name =
      named ? options.text("release-version") : std::string(kraft::metadata_version_name(version));
  fmt::print("{}={} ({})\n", kMetadataVersion, version, name);
  for (const char* feature : {"kraft.version", "transaction.version", "group.version",
                              "eligible.leader.replicas.version", "share.version", "streams.version"})
    fmt::print("{}={}\n", feature, levels.at(feature));
  return 0;
}

std::string with_name(std::string_view feature, std::int16_t level) {
  return feature == kMetadataVersion
             ? fmt::format("{}={} ({})", feature, level, kraft::metadata_version_name(level))
             : fmt::format("{}={}", feature, level);
}

Result<int> print_dependencies(const ArgparseOptions& options) {
  const Levels known = levels_of_release(kNewestMetadataVersion);
  for (const auto& argument : options.all("feature")) {
    const auto [name, level] = TRY(parse_level(argument));
    if (!known.contains(name)) return misuse(fmt::format("Unknown feature: {}", name));
    const auto needs = kraft::feature_dependencies(name, level);
    if (!needs) return misuse(fmt::format("No feature:{} with feature level {}", name, level));
    fmt::print("{} {}\n", with_name(name, level), needs->empty() ? "has no dependencies." : "requires:");
    for (const auto& [needed, least] : *needs) fmt::print("    {}\n", with_name(needed, least));
  }
  return 0;
}

Result<int> execute(const ArgparseOptions& options) {
  const std::string& chosen = options.chosen();
  if (chosen == "version-mapping") return print_mapping(options);
  if (chosen == "feature-dependencies") return print_dependencies(options);
  Admin admin = TRY(open_admin(options));
  if (chosen != "describe") return update(admin, options, chosen);
  TRY(describe(admin));
  return 0;
}

void add_change_options(ArgparseOptions& options, bool with_unsafe) {
  options.flag("dry-run", "Only say whether it could be done.");
  if (with_unsafe) options.flag("unsafe", "Even if metadata are lost by it.");
}

void add_level_options(ArgparseOptions& options) {
  options.value("metadata", "RELEASE", "Deprecated: the level of metadata.version, by its name.");
  options.add({.names = {"--feature"},
               .kind = ArgparseOptions::Kind::kValues,
               .text = "A feature and its level; may be repeated.",
               .placeholder = "NAME=LEVEL"});
  options.value("release-version", "RELEASE", "Every feature at the level of a release.");
}

}  // namespace

ArgparseOptions features_options() {
  ArgparseOptions options("kafka-features", "Shows and changes the feature levels of a cluster.");
  options.value("command-config", "FILE", "Properties of the client, as Kafka's admin client has them.");
  options.add_exclusive(false, {{.names = {"--bootstrap-server"},
                                 .text = "Brokers to connect to; one that answers is enough.",
                                 .placeholder = "HOST:PORT,..."},
                                {.names = {"--bootstrap-controller"},
                                 .text = "Controllers to connect to.",
                                 .placeholder = "HOST:PORT,..."}});
  options.subcommand("describe", "Print the features, their ranges and levels.");
  auto& upgrade = options.subcommand("upgrade", "Raise the levels of features.");
  add_level_options(upgrade);
  add_change_options(upgrade, false);
  auto& downgrade = options.subcommand("downgrade", "Lower the levels of features.");
  add_level_options(downgrade);
  add_change_options(downgrade, true);
  auto& disable = options.subcommand("disable", "Switch features off.");
  disable.add({.names = {"--feature"},
               .kind = ArgparseOptions::Kind::kValues,
               .text = "A feature; may be repeated.",
               .placeholder = "NAME"});
  add_change_options(disable, true);
  auto& mapping = options.subcommand("version-mapping", "Print the levels that a release brings.");
  mapping.value("release-version", "RELEASE", "The release; without it the newest.");
  auto& dependencies = options.subcommand("feature-dependencies", "Print what levels of features need.");
  dependencies.add({.names = {"--feature"},
                    .kind = ArgparseOptions::Kind::kValues,
                    .text = "A feature and its level; may be repeated.",
                    .required = true,
                    .placeholder = "NAME=LEVEL"});
  return options;
}

int run_features(Arguments arguments) {
  ArgparseOptions options = features_options();
  if (const auto parsed = options.parse(arguments); !parsed) {
    fmt::print(stderr, "Command line error: {}. Type --help for help.\n", parsed.error().detail);
    return 1;
  }
  if (options.help_wanted()) {
    fmt::print("{}", options.usage());
    return 0;
  }
  const auto done = execute(options);
  return done ? *done : tell_failure(done.error());
}

}  // namespace barnabas::tools
