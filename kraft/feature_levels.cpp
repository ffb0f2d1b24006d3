// metadata.version by name, and the feature levels that each brings. Source: Kafka 4.3.1's tables.
#include <algorithm>
#include <array>
#include <string>

#include "kraft/bootstrap.hpp"
#include "kraft/controller/control.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::kraft {

namespace {

struct Level {
  std::int16_t level;
  std::string_view name;
};
constexpr std::array kMetadataVersions{
    Level{7, "3.3-IV3"},  Level{8, "3.4-IV0"},  Level{9, "3.5-IV0"},  Level{10, "3.5-IV1"},
    Level{11, "3.5-IV2"}, Level{12, "3.6-IV0"}, Level{13, "3.6-IV1"}, Level{14, "3.6-IV2"},
    Level{15, "3.7-IV0"}, Level{16, "3.7-IV1"}, Level{17, "3.7-IV2"}, Level{18, "3.7-IV3"},
    Level{19, "3.7-IV4"}, Level{20, "3.8-IV0"}, Level{21, "3.9-IV0"}, Level{22, "4.0-IV0"},
    Level{23, "4.0-IV1"}, Level{24, "4.0-IV2"}, Level{25, "4.0-IV3"}, Level{26, "4.1-IV0"},
    Level{27, "4.1-IV1"}, Level{28, "4.2-IV0"}, Level{29, "4.2-IV1"}, Level{30, "4.3-IV0"},
};

/// A level of a feature and the metadata.version from which new clusters have it.
struct Default {
  const char* feature;
  std::int16_t level;
  std::int16_t from;
};
constexpr std::array kDefaults{
    Default{"eligible.leader.replicas.version", 1, 26},
    Default{"group.version", 1, 22},
    Default{"share.version", 1, 28},
    Default{"streams.version", 1, 29},
    Default{"transaction.version", 2, 24},
};

}  // namespace

std::optional<std::int16_t> metadata_version_of(std::string_view release) {
  std::optional<std::int16_t> newest;
  for (const Level& level : kMetadataVersions)
    if (level.name == release ||
        (level.name.starts_with(release) && level.name.substr(release.size()).starts_with("-IV")))
      newest = level.level;
  return newest;
}

std::string supported_metadata_versions() {
  std::string names;
  for (const Level& level : kMetadataVersions) {
    if (!names.empty()) names += ", ";
    names += level.name;
  }
  return names;
}

std::optional<std::map<std::string, std::int16_t>> feature_dependencies(std::string_view feature,
                                                                        std::int16_t level) {
  constexpr std::int16_t kElrNeeds = 23;  // records of eligible leader replicas (KIP-966)
  if (feature == kMetadataVersionFeature) {
    if (metadata_version_name(level).empty()) return std::nullopt;
    return std::map<std::string, std::int16_t>{};
  }
  const auto supported = supported_features().find(std::string(feature));
  if (supported == supported_features().end() || level < supported->second.min ||
      level > supported->second.max)
    return std::nullopt;
  if (feature == "eligible.leader.replicas.version" && level > 0)
    return std::map<std::string, std::int16_t>{{kMetadataVersionFeature, kElrNeeds}};
  return std::map<std::string, std::int16_t>{};
}

std::string_view metadata_version_name(std::int16_t metadata_version) {
  auto found = std::ranges::find(kMetadataVersions, metadata_version, &Level::level);
  return found == kMetadataVersions.end() ? std::string_view() : found->name;
}

std::map<std::string, std::int16_t> default_features(std::int16_t metadata_version) {
  std::map<std::string, std::int16_t> levels{{kMetadataVersionFeature, metadata_version}};
  for (const Default& entry : kDefaults)
    if (metadata_version >= entry.from) levels[entry.feature] = entry.level;
  return levels;
}

}  // namespace barnabas::kraft
