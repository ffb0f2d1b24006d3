#include "kraft/bootstrap.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "kraft/controller/control.hpp"
#include "kraft/scram.hpp"
#include "kraft/snapshot.hpp"
#include "log/log_manager.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int16_t kNewestMetadataVersion = 30;
constexpr const char* kElrFeature = "eligible.leader.replicas.version";

std::unexpected<Error> invalid(std::string why) {
  return fail(ErrorCode::kInvalidConfig, std::move(why));
}

/// All but metadata.version.
std::string other_features() {
  std::string names;
  for (const auto& [name, range] : supported_features())
    if (name != kMetadataVersionFeature) names += (names.empty() ? "" : ", ") + name;
  return names;
}

Result<std::map<std::string, std::int16_t>> levels_of(const FormatOptions& options) {
  std::int16_t version = kNewestMetadataVersion;
  if (!options.release_version.empty()) {
    auto found = metadata_version_of(options.release_version);
    if (!found)
      return invalid(fmt::format("Unknown metadata.version '{}'. Supported metadata.version are: {}",
                                 options.release_version, supported_metadata_versions()));
    version = *found;
  }
  if (auto set = options.features.find(kMetadataVersionFeature); set != options.features.end())
    version = set->second;
  std::map<std::string, std::int16_t> levels = default_features(version);
  for (const auto& [name, level] : options.features) {
    auto supported = supported_features().find(name);
    if (supported == supported_features().end())
      return invalid(
          fmt::format("Unsupported feature: {}. Supported features are: {}", name, other_features()));
    if (level < supported->second.min || level > supported->second.max)
      return invalid(fmt::format("No feature:{} with feature level {}", name, level));
    levels[name] = level;
  }
  const bool dynamic = options.voters != FormatOptions::Voters::kStatic;
  if (auto set = levels.find("kraft.version"); set != levels.end()) {
    if (dynamic != (set->second > 0))
      return invalid(dynamic ? "Cannot set kraft.version to 0 if one of the flags --standalone, "
                               "--initial-controllers, or --no-initial-controllers is used."
                             : "Cannot set kraft.version to 1 unless one of the flags --standalone, "
                               "--initial-controllers, or --no-initial-controllers is used.");
    levels.erase(set);  // a control record, not a feature level record
  }
  const auto needs = feature_dependencies(kElrFeature, levels[kElrFeature]);
  if (needs && !needs->empty() && version < needs->at(kMetadataVersionFeature))
    return invalid("eligible.leader.replicas.version 1 needs metadata.version 4.0-IV1 or later");
  return levels;
}

Result<std::vector<Bytes>> bootstrap_content(const FormatOptions& options, Random& random,
                                             const std::map<std::string, std::int16_t>& levels) {
  const std::int16_t version = levels.at(kMetadataVersionFeature);
  std::vector<Bytes> records;
  const auto add_level = [&](const std::string& name, std::int16_t level) {
    protocol::FeatureLevelRecord record;
    record.name = name;
    record.feature_level = level;
    records.push_back(encode(record, version));
  };
  add_level(kMetadataVersionFeature, version);
  for (const auto& [name, level] : levels)
    if (name != kMetadataVersionFeature && level > 0) add_level(name, level);
  constexpr std::int16_t kScramLevel = 11;
  if (!options.scram_users.empty() && version < kScramLevel)
    return invalid("SCRAM is only supported in metadata.version 3.5-IV2 or later.");
  for (ScramUserSpec user : options.scram_users) {
    add_salt(user, random);
    const ScramKeys keys = scram_keys(user);
    protocol::UserScramCredentialRecord record;
    record.name = user.name;
    record.mechanism = user.mechanism;
    record.salt = user.salt;
    record.stored_key = keys.stored_key;
    record.server_key = keys.server_key;
    record.iterations = user.iterations;
    records.push_back(encode(record, version));
  }
  return records;
}

/// Nothing with static voters, or without any.
Result<std::optional<VoterSet>> first_voters(const FormatOptions& options, DirectoryId directory) {
  switch (options.voters) {
    case FormatOptions::Voters::kStandalone: {
      if (options.controller_endpoints.empty()) return invalid("--standalone needs a controller listener");
      Voter voter;
      voter.key = {options.node_id, directory};
      voter.endpoints = options.controller_endpoints;
      return VoterSet{{std::move(voter)}};
    }
    case FormatOptions::Voters::kInitial:
      if (options.initial_voters.voters.empty()) return invalid("--initial-controllers names nobody");
      return options.initial_voters;
    default:
      return std::nullopt;
  }
}

/// A first start that a crash cut off may have left the metadata log without meta.properties. The log goes
/// on, so its directory keeps the id that the voter in it has.
Result<std::optional<DirectoryId>> voter_of_begun_start(FileSystem& files, const FormatOptions& options) {
  const std::string path = options.metadata_directory + "/__cluster_metadata-0/" +
                           snapshot_name(SnapshotId{Offset(0), LeaderEpoch(0)});
  if (!TRY(files.exists(path))) return std::nullopt;
  const Bytes content = TRY(read_whole_file(files, path));
  const auto head = read_snapshot(content, [](const LogRecordView&) -> Result<void> { return {}; });
  if (!head || !head->voters || head->voters->voters.size() != 1) return std::nullopt;
  const Voter& voter = head->voters->voters.front();
  if (voter.key.id != options.node_id) return std::nullopt;
  return voter.key.directory;
}

/// The metadata directory's id: given to it by --initial-controllers, else random.
Result<DirectoryId> metadata_directory_id(FileSystem& files, const FormatOptions& options, Random& random) {
  if (options.voters == FormatOptions::Voters::kInitial)
    for (const Voter& voter : options.initial_voters.voters)
      if (voter.key.id == options.node_id) return voter.key.directory;
  if (options.voters == FormatOptions::Voters::kStandalone)
    if (auto begun = TRY(voter_of_begun_start(files, options))) return *begun;
  return DirectoryId(Uuid::random(random));
}

Result<void> write_dynamic_quorum(FileSystem& files, const Clock& clock, const FormatOptions& options,
                                  DirectoryId directory) {
  const std::string log = options.metadata_directory + "/__cluster_metadata-0";
  TRY(files.create_directories(log));
  SnapshotHead head;
  head.last_contained_timestamp_ms = clock.wall_ms();
  head.kraft_version = 1;
  head.voters = TRY(first_voters(options, directory));
  const SnapshotId id{Offset(0), LeaderEpoch(0)};
  return write_snapshot_file(files, log, id, make_snapshot(id, head, clock.wall_ms(), {}),
                             !options.is_started_at_once);
}

Result<void> write_bootstrap_file(FileSystem& files, const Clock& clock, const std::string& directory,
                                  std::span<const Bytes> records) {
  SnapshotHead head;  // the contained timestamp is 0 here (measured on Kafka 4.3.1)
  const SnapshotId id{Offset(0), LeaderEpoch(0)};
  const Bytes content = make_snapshot(id, head, clock.wall_ms(), records);
  // Its name becomes durable with that of meta.properties, which is made after it in the same directory.
  const auto file = TRY(files.open(directory + "/bootstrap.checkpoint", OpenMode::kReadWriteCreate));
  TRY(file->truncate(0));
  TRY(file->write_at(0, content));
  return file->sync();
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Makes the directory and those above it that are missing, and their names durable.
Result<void> make_directory(FileSystem& files, const std::string& path) {
  if (path.empty() || path == "/" || TRY(files.exists(path))) return {};
  const std::string parent = parent_of(path);
  TRY(make_directory(files, parent));
  TRY(files.create_directories(path));
  return files.sync_directory(parent);
}

Result<void> check_options(const FormatOptions& options) {
  if (!Uuid::parse(options.cluster_id))
    return invalid(
        fmt::format("Cluster ID string {} does not appear to be a valid UUID", options.cluster_id));
  if (options.node_id.value() < 0) return invalid("node.id must not be negative");
  if (options.log_directories.empty()) return invalid("no log directories are configured");
  if (std::ranges::find(options.log_directories, options.metadata_directory) == options.log_directories.end())
    return invalid(options.metadata_directory + " is the metadata directory but none of the log directories");
  return {};
}

}  // namespace

Result<FormatReport> format_storage(FileSystem& files, const Clock& clock, Random& random,
                                    const FormatOptions& options) {
  TRY(check_options(options));
  const auto levels = TRY(levels_of(options));
  const std::vector<Bytes> records = TRY(bootstrap_content(options, random, levels));
  FormatReport report;
  report.metadata_version = levels.at(kMetadataVersionFeature);
  report.bootstrap_records = records;
  for (const std::string& directory : options.log_directories) {
    if (!TRY(files.exists(directory + "/meta.properties"))) {
      report.formatted.push_back(directory);
      continue;
    }
    const auto properties = TRY(log::read_meta_properties(files, directory));
    if (properties && !properties->cluster_id.empty() && properties->cluster_id != options.cluster_id)
      return invalid(fmt::format("{} belongs to cluster {}, not to {}", directory, properties->cluster_id,
                                 options.cluster_id));
    report.already_formatted.push_back(directory);
  }
  if (!report.already_formatted.empty() && !options.ignore_formatted)
    return invalid(
        fmt::format("Log directory {} is already formatted. Use --ignore-formatted to ignore this "
                    "directory and format the others.",
                    report.already_formatted.front()));
  for (const std::string& directory : report.formatted) {
    const bool metadata = directory == options.metadata_directory;
    const DirectoryId id =
        metadata ? TRY(metadata_directory_id(files, options, random)) : DirectoryId(Uuid::random(random));
    TRY(make_directory(files, directory));
    if (metadata && options.voters != FormatOptions::Voters::kStatic)
      TRY(write_dynamic_quorum(files, clock, options, id));
    if (!options.is_started_at_once) TRY(write_bootstrap_file(files, clock, directory, records));
    // Last, for a directory with meta.properties counts as formatted.
    TRY(log::write_meta_properties(files, directory, {options.cluster_id, options.node_id, id},
                                   !metadata || !options.is_started_at_once));
  }
  return report;
}

Result<void> write_bootstrap_files(FileSystem& files, const Clock& clock, Random& random,
                                   const FormatOptions& options) {
  const auto levels = TRY(levels_of(options));
  const std::vector<Bytes> records = TRY(bootstrap_content(options, random, levels));
  for (const std::string& directory : options.log_directories) {
    TRY(write_bootstrap_file(files, clock, directory, records));
    TRY(files.sync_directory(directory));
  }
  return {};
}

Result<std::vector<Bytes>> read_bootstrap_records(FileSystem& files, const std::string& directory) {
  const std::string path = directory + "/bootstrap.checkpoint";
  std::vector<Bytes> records;
  if (!TRY(files.exists(path))) {
    const std::int16_t version = kNewestMetadataVersion;
    for (const auto& [name, level] : default_features(version)) {
      protocol::FeatureLevelRecord record;
      record.name = name;
      record.feature_level = level;
      const bool first = name == kMetadataVersionFeature;
      records.insert(first ? records.begin() : records.end(), encode(record, version));
    }
    return records;
  }
  const Bytes content = TRY(read_whole_file(files, path));
  auto head = read_snapshot(content, [&records](const LogRecordView& view) -> Result<void> {
    records.push_back(to_bytes(view.value));
    return {};
  });
  if (!head) return fail(head.error().code, path + ": " + head.error().detail);
  return records;
}

}  // namespace barnabas::kraft
