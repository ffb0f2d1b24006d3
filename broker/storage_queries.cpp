// The commands of kafka-storage that only look: info, version-mapping, feature-dependencies. Outputs and exit
// codes: measured on Kafka 4.3.1.
#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <ostream>
#include <set>

#include "base/posix_file_system.hpp"
#include "broker/storage_commands.hpp"
#include "kraft/controller/control.hpp"
#include "log/log_manager.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int16_t kNewestMetadataVersion = 30;

/// What `info` found out.
struct Looked {
  std::vector<std::string> directories;  // that are there
  std::vector<std::string> problems;
  std::optional<log::MetaProperties> metadata;  // of the first formatted one
};

void look_at(FileSystem& files, const std::string& directory, Looked& looked,
             std::set<std::string>& clusters) {
  struct stat status{};
  if (::stat(directory.c_str(), &status) != 0) {
    looked.problems.push_back(directory + " does not exist");
    return;
  }
  if (!S_ISDIR(status.st_mode)) {
    looked.problems.push_back(directory + " is not a directory");
    return;
  }
  looked.directories.push_back(directory);
  const auto properties = log::read_meta_properties(files, directory);
  if (!properties) {
    looked.problems.push_back(properties.error().detail);
    return;
  }
  if (!*properties) {
    looked.problems.push_back(directory + " is not formatted.");
    return;
  }
  clusters.insert((*properties)->cluster_id);
  if (!looked.metadata) looked.metadata = **properties;
}

/// "Found log directory:" or "Found log directories:", each on a line of its own, and an empty line.
void print_list(std::ostream& out, std::string_view one, std::string_view many,
                const std::vector<std::string>& items) {
  if (items.empty()) return;
  out << (items.size() == 1 ? one : many) << '\n';
  for (const auto& item : items) out << "  " << item << '\n';
  out << '\n';
}

struct Feature {
  std::string name;
  std::int16_t level = 0;
};

Result<Feature> parse_feature(const std::string& argument) {
  const auto equals = argument.find('=');
  if (equals == std::string::npos || argument.find('=', equals + 1) != std::string::npos)
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("Invalid feature format: {}. Expected format: 'feature=version' (e.g. "
                            "'group.version=1')",
                            argument));
  Feature feature{argument.substr(0, equals)};
  const std::string level = argument.substr(equals + 1);
  const auto read = std::from_chars(level.data(), level.data() + level.size(), feature.level);
  if (read.ec != std::errc() || read.ptr != level.data() + level.size() || level.empty())
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("Invalid version format: {} for feature {}", level, feature.name));
  return feature;
}

/// "metadata.version=30 (4.3-IV0)", others without the name.
std::string level_text(const std::string& feature, std::int16_t level) {
  const auto name = feature == kraft::kMetadataVersionFeature ? kraft::metadata_version_name(level) : "";
  return name.empty() ? fmt::format("{}={}", feature, level)
                      : fmt::format("{}={} ({})", feature, level, name);
}

Result<std::string> dependencies_text(const std::string& argument) {
  const Feature feature = TRY(parse_feature(argument));
  const auto needs = kraft::feature_dependencies(feature.name, feature.level);
  const bool of_metadata = feature.name == kraft::kMetadataVersionFeature;
  if (!of_metadata && !kraft::supported_features().contains(feature.name))
    return fail(ErrorCode::kInvalidConfig, "Unknown feature: " + feature.name);
  if (!needs)
    return fail(ErrorCode::kInvalidConfig,
                of_metadata ? fmt::format("Unknown metadata.version {}", feature.level)
                            : fmt::format("Feature level {} is not supported for feature {}", feature.level,
                                          feature.name));
  const std::string what = level_text(feature.name, feature.level);
  if (needs->empty()) return what + " has no dependencies.\n";
  std::string text = what + " requires:\n";
  for (const auto& [name, level] : *needs) text += "    " + level_text(name, level) + "\n";
  return text;
}

int report_error(const Error& error, std::ostream& err) {
  err << error.detail << '\n';
  return 1;
}

}  // namespace

int run_info(const std::string& config_file, std::ostream& out, std::ostream& err) {
  auto properties = read_properties_file(config_file);
  if (!properties) return report_error(properties.error(), err);
  const auto config = BrokerConfig::make(std::move(*properties));
  if (!config) return report_error(config.error(), err);
  const auto settings = (*config)->settings();
  std::set<std::string> asked(settings->log_dirs.begin(), settings->log_dirs.end());
  asked.insert(settings->metadata_log_dir);
  PosixFileSystem files;
  Looked looked;
  std::set<std::string> clusters;
  for (const auto& directory : asked) look_at(files, directory, looked, clusters);
  if (clusters.size() > 1)
    looked.problems.emplace_back("Mismatched cluster IDs between storage directories.");
  print_list(out, "Found log directory:", "Found log directories:", looked.directories);
  if (looked.metadata)
    out << fmt::format("Found metadata: {{cluster.id={}, directory.id={}, node.id={}, version=1}}\n\n",
                       looked.metadata->cluster_id, looked.metadata->directory_id.value().to_string(),
                       looked.metadata->node_id.value());
  print_list(out, "Found problem:", "Found problems:", looked.problems);
  return looked.problems.empty() ? 0 : 1;
}

int run_version_mapping(const std::string& release, std::ostream& out, std::ostream& err) {
  const auto version =
      release.empty() ? kNewestMetadataVersion : kraft::metadata_version_of(release).value_or(0);
  if (version == 0) {
    err << fmt::format("Unknown metadata.version '{}'. Supported metadata.version are: {}\n", release,
                       kraft::supported_metadata_versions());
    return 1;
  }
  constexpr std::int16_t kDynamicQuorums = 21;  // 3.9-IV0 (KIP-853)
  auto levels = kraft::default_features(version);
  levels["kraft.version"] = version >= kDynamicQuorums ? 1 : 0;
  out << fmt::format("metadata.version={} ({})\n", version,
                     release.empty() ? kraft::metadata_version_name(version) : std::string_view(release));
  for (const char* feature : {"kraft.version", "transaction.version", "group.version",
                              "eligible.leader.replicas.version", "share.version", "streams.version"})
    out << fmt::format("{}={}\n", feature, levels[feature]);
  return 0;
}

int run_feature_dependencies(const std::vector<std::string>& features, std::ostream& out, std::ostream& err) {
  for (const auto& argument : features) {
    const auto text = dependencies_text(argument);
    if (!text) return report_error(text.error(), err);
    out << *text;
  }
  return 0;
}

}  // namespace barnabas::broker
