// What kafka-storage does: `barnabas format` with its options, the commands that only look, and the first
// start of a node that formats for itself.
//
// Free functions for main; they print what kafka-storage prints. Thread safety: none needed.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "broker/config/broker_config.hpp"
#include "kraft/bootstrap.hpp"

namespace barnabas::broker {

struct FormatArguments {
  std::string config_file = {};
  std::string cluster_id = {};
  bool ignore_formatted = false;
  std::string release_version = {};
  std::vector<std::string> features = {};  // NAME=LEVEL
  bool standalone = false;
  bool no_initial_controllers = false;
  std::string initial_controllers = {};
  std::vector<std::string> scram_users = {};
};

/// The exit code; failures are told on `err`.
int run_format(const FormatArguments& arguments, std::ostream& out, std::ostream& err);

/// `info -c FILE`: the log directories, what they were formatted for, and what is wrong with them. 1 when
/// anything is.
int run_info(const std::string& config_file, std::ostream& out, std::ostream& err);
/// `version-mapping [-r RELEASE]`: the feature levels of a release, empty: the newest.
int run_version_mapping(const std::string& release, std::ostream& out, std::ostream& err);
/// `feature-dependencies -f NAME=LEVEL ...`: what each needs.
int run_feature_dependencies(const std::vector<std::string>& features, std::ostream& out, std::ostream& err);

/// Formats the directories of `config` as a node that votes alone, under a new cluster id, unless one of them
/// is formatted already. The node must be started next, and finish_format() called when it serves: nobody
/// waits for the disk then. Nothing when there was nothing to format.
Result<std::optional<kraft::FormatOptions>> format_when_new(const BrokerConfig& config);
Result<void> finish_format(const kraft::FormatOptions& options);

/// Properties of a file, the last occurrence of a key counting. The error names the file.
Result<ConfigMap> read_properties_file(const std::string& path);

[[nodiscard]] std::string random_cluster_id();

}  // namespace barnabas::broker
