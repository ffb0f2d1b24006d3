// Formatting: what `kafka-storage format` writes, and reading it back at the start.
//
// Every log directory gets meta.properties (its own directory.id) and bootstrap.checkpoint (feature levels,
// SCRAM users); with dynamic voters the metadata directory also gets the snapshot 0-0 with KRaftVersion 1 and
// the voters. Free functions; thread safety: none needed, formatting is done by one process alone. Errors:
// INVALID_CONFIG with the reason in words. Source: KIP-631, KIP-853, KIP-900; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/file_system.hpp"
#include "base/random.hpp"
#include "kraft/metadata_record.hpp"
#include "kraft/voters.hpp"

namespace barnabas::kraft {

/// --add-scram 'SCRAM-SHA-256=[name=alice,password=secret,iterations=8192,salt="base64"]'
struct ScramUserSpec {
  std::int8_t mechanism = 0;
  std::string name;
  std::string password;
  Bytes salt;             // empty: random
  Bytes salted_password;  // instead of a password
  std::int32_t iterations = 4096;
};
Result<ScramUserSpec> parse_scram_user(std::string_view argument);

struct FormatOptions {
  std::string cluster_id;  // 22 characters
  BrokerId node_id;
  std::vector<std::string> log_directories;
  std::string metadata_directory;  // one of them
  bool ignore_formatted = false;
  std::string release_version;                   // "4.3", "4.3-IV0", ...; empty: the newest
  std::map<std::string, std::int16_t> features;  // --feature, over the release's defaults
  std::vector<ScramUserSpec> scram_users;
  /// Who votes. Static: controller.quorum.voters is configured and nothing is written.
  enum class Voters { kStatic, kStandalone, kInitial, kNone } voters = Voters::kStatic;
  VoterSet initial_voters;                          // kInitial
  std::vector<VoterEndpoint> controller_endpoints;  // kStandalone: the node's own
  /// The caller starts the node next, whose first commit makes the names in the metadata directory durable.
  /// bootstrap.checkpoint is left to write_bootstrap_files(): a new log with the default features needs none.
  bool is_started_at_once = false;
};

struct FormatReport {
  std::vector<std::string> formatted;  // directories
  std::vector<std::string> already_formatted;
  std::int16_t metadata_version = 0;
  std::vector<Bytes> bootstrap_records;  // what bootstrap.checkpoint holds, framed
};

Result<FormatReport> format_storage(FileSystem& files, const Clock& clock, Random& random,
                                    const FormatOptions& options);

/// What is_started_at_once left out.
Result<void> write_bootstrap_files(FileSystem& files, const Clock& clock, Random& random,
                                   const FormatOptions& options);

/// The newest production metadata.version and the feature levels a release starts with.
[[nodiscard]] std::map<std::string, std::int16_t> default_features(std::int16_t metadata_version);
/// "3.3-IV3, ..., 4.3-IV0"
[[nodiscard]] std::string supported_metadata_versions();
/// Feature levels that the level of a feature needs others to have: {} for most. Nothing when there is no
/// such level.
[[nodiscard]] std::optional<std::map<std::string, std::int16_t>> feature_dependencies(
    std::string_view feature, std::int16_t level);
/// metadata.version of "4.3" or "4.3-IV0"; nothing when it is unknown.
[[nodiscard]] std::optional<std::int16_t> metadata_version_of(std::string_view release);
/// "4.3-IV0"; empty when it is unknown.
[[nodiscard]] std::string_view metadata_version_name(std::int16_t metadata_version);

/// bootstrap.checkpoint of a directory: framed records, without the control records. Default features when
/// there is no such file.
Result<std::vector<Bytes>> read_bootstrap_records(FileSystem& files, const std::string& directory);

}  // namespace barnabas::kraft
