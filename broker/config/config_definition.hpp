// The tables of every configuration name: type, default, what is allowed, and how it may change.
//
// Generated from definitions/*.tsv at build time into constant tables, so looking at them costs no start-up
// time and no heap. Thread safety: immutable. Source: the ConfigDefs of Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace barnabas::broker {

/// Values are those of DescribeConfigs' ConfigType.
enum class ConfigType : std::int8_t {
  kUnknown = 0,
  kBoolean = 1,
  kString = 2,
  kInt = 3,
  kShort = 4,
  kLong = 5,
  kDouble = 6,
  kList = 7,
  kClass = 8,
  kPassword = 9,
};
[[nodiscard]] std::string_view to_string(ConfigType type);

enum class UpdateMode : std::uint8_t { kReadOnly, kPerBroker, kClusterWide };

/// Which values of the type are allowed.
enum class AllowedValues : std::uint8_t {
  kAny,
  kRange,         // low <= x, and x <= high where there is one
  kRangeOrMinus,  // the range, or -1
  kOneOf,         // `choices`, comma separated
  kOneOfNoCase,
  kListOf,         // a list of `choices`
  kList,           // any list, without empty items
  kNonEmpty,       // a text that is not empty
  kOffsetReset,    // latest, earliest, by_duration:ISO-8601
  kThrottledList,  // "*" or a list of PARTITION:BROKER
};

/// Another name that gives the value, its own unit being `factor` of this one's.
struct ConfigSynonym {
  std::string_view name;
  std::int64_t factor = 1;
};

struct ConfigDefinition {
  std::string_view name;
  ConfigType type = ConfigType::kUnknown;
  bool required = false;
  bool internal = false;  // known, but never described
  bool has_default = false;
  std::string_view default_value;  // valid when has_default; else the default is null
  AllowedValues allowed = AllowedValues::kAny;
  std::string_view allowed_text;  // as Kafka prints it: "[1,...]"
  std::optional<double> low;
  std::optional<double> high;
  std::string_view choices;
  UpdateMode update_mode = UpdateMode::kReadOnly;
  std::span<const ConfigSynonym> synonyms;

  [[nodiscard]] bool sensitive() const {
    return type == ConfigType::kPassword || type == ConfigType::kUnknown;
  }
};

/// Each sorted by name.
[[nodiscard]] std::span<const ConfigDefinition> broker_config_definitions();
[[nodiscard]] std::span<const ConfigDefinition> topic_config_definitions();
[[nodiscard]] std::span<const ConfigDefinition> group_config_definitions();
[[nodiscard]] std::span<const ConfigDefinition> client_metrics_config_definitions();
/// Throttles of replication: set on a broker while it runs, no part of its own table.
[[nodiscard]] std::span<const ConfigDefinition> broker_quota_config_definitions();

/// Null when the table has no such name.
[[nodiscard]] const ConfigDefinition* find_definition(std::span<const ConfigDefinition> table,
                                                      std::string_view name);

/// A value as Kafka prints it back: trimmed, numbers and booleans in their canonical form, lists without
/// blanks. INVALID_CONFIG with Kafka's text ("Invalid value x for configuration retention.ms: Not a number of
/// type LONG") when it is not of the type or not allowed.
[[nodiscard]] Result<std::string> normalize_value(const ConfigDefinition& definition, std::string_view value);

/// The items of a list value, trimmed.
[[nodiscard]] std::vector<std::string> split_list(std::string_view value);

}  // namespace barnabas::broker
