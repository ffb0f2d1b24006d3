#include "tools/client/consumer_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace barnabas::tools {
namespace {

constexpr std::pair<std::string_view, AssignmentStrategy> kStrategies[] = {
    {"RangeAssignor", AssignmentStrategy::kRange},
    {"RoundRobinAssignor", AssignmentStrategy::kRoundRobin},
    {"CooperativeStickyAssignor", AssignmentStrategy::kCooperativeSticky},
    // The same distribution; what the group is told is the newer name.
    {"StickyAssignor", AssignmentStrategy::kCooperativeSticky},
};
constexpr std::string_view kStrategyPackage = "org.apache.kafka.clients.consumer.";

std::unexpected<Error> invalid(std::string_view key, std::string_view value, std::string_view why) {
  return fail(ErrorCode::kInvalidConfig,
              fmt::format("Invalid value {} for configuration {}: {}", value, key, why));
}

/// "PnDTnHnMn.nS", Java's Duration: days, hours, minutes and seconds, each of which may be missing.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text.size() < 3 || text.front() != 'P') return std::nullopt;
  text.remove_prefix(1);
  double milliseconds = 0;
  bool in_time = false;
  while (!text.empty()) {
    if (text.front() == 'T') {
      in_time = true;
      text.remove_prefix(1);
      continue;
    }
    const std::string rest(text);
    char* end = nullptr;
    const double number = std::strtod(rest.c_str(), &end);
    const auto digits = static_cast<std::size_t>(end - rest.c_str());
    if (digits == 0 || digits == text.size() || number < 0 || !std::isfinite(number)) return std::nullopt;
    const char unit = text[digits];
    const double factor = unit == 'D' && !in_time  ? 86'400'000.0
                          : unit == 'H' && in_time ? 3'600'000.0
                          : unit == 'M' && in_time ? 60'000.0
                          : unit == 'S' && in_time ? 1'000.0
                                                   : 0.0;
    if (factor == 0) return std::nullopt;
    milliseconds += number * factor;
    text.remove_prefix(digits + 1);
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

Result<OffsetReset> read_reset(const Properties& properties) {
  using Kind = OffsetReset::Kind;
  const std::string text = text_property(properties, "auto.offset.reset", "latest");
  if (text == "earliest") return OffsetReset{Kind::kEarliest};
  if (text == "latest") return OffsetReset{Kind::kLatest};
  if (text == "none") return OffsetReset{Kind::kNone};
  constexpr std::string_view kByDuration = "by_duration:";
  if (text.starts_with(kByDuration)) {
    const auto duration = parse_duration(std::string_view(text).substr(kByDuration.size()));
    if (duration) return OffsetReset{Kind::kByDuration, *duration};
  }
  return invalid(
      "auto.offset.reset", text,
      fmt::format("Invalid value `{}` for configuration auto.offset.reset. The value must be either "
                  "'earliest', 'latest', 'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'.",
                  text));
}

Result<void> read_strategies(const Properties& properties, ConsumerConfig& config) {
  constexpr const char* kKey = "partition.assignment.strategy";
  if (!properties.contains(kKey)) return {};
  const std::string& text = properties.at(kKey);
  config.strategies.clear();
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    std::string_view name = std::string_view(text).substr(at, comma - at);
    at = comma + 1;
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.starts_with(kStrategyPackage)) name.remove_prefix(kStrategyPackage.size());
    bool is_known = false;
    for (const auto& [known, strategy] : kStrategies) {
      if (known != name) continue;
      config.strategies.push_back(strategy);
      is_known = true;
    }
    if (!is_known) return invalid(kKey, text, fmt::format("Class {} could not be found.", name));
  }
  return {};
}

Result<void> read_choice(const Properties& properties, const char* key, std::string_view no,
                         std::string_view yes, bool& to) {
  const std::string text = text_property(properties, key, std::string(no));
  if (text != no && text != yes) {
    return invalid(key, text, fmt::format("String must be one of: {}, {}", yes, no));
  }
  to = text == yes;
  return {};
}

/// What one of the group protocols has and the other has not.
Result<void> read_protocol(Properties properties, ConsumerConfig& config) {
  constexpr const char* kKey = "group.protocol";
  if (properties.contains(kKey)) {
    for (char& letter : properties.at(kKey))
      letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  TRY(read_choice(properties, kKey, "classic", "consumer", config.is_new_protocol));
  const std::vector<const char*> others =
      config.is_new_protocol
          ? std::vector{"partition.assignment.strategy", "heartbeat.interval.ms", "session.timeout.ms"}
          : std::vector{"group.remote.assignor"};
  for (const char* key : others) {
    if (!properties.contains(key)) continue;
    return fail(ErrorCode::kInvalidConfig, fmt::format("{} cannot be set when group.protocol={}", key,
                                                       config.is_new_protocol ? "CONSUMER" : "CLASSIC"));
  }
  config.remote_assignor = text_property(properties, "group.remote.assignor", "");
  config.client_rack = text_property(properties, "client.rack", "");
  return {};
}

}  // namespace

Result<ConsumerConfig> consumer_config_of(const Properties& properties) {
  ConsumerConfig config;
  config.client = TRY(client_config_of(properties));
  config.group_id = text_property(properties, "group.id", "");
  config.group_instance_id = text_property(properties, "group.instance.id", "");
  config.client.asker = fmt::format("Consumer clientId={}, groupId={}", config.client.client_id,
                                    config.group_id.empty() ? "null" : config.group_id);
  const auto number = [&](const char* key, std::int64_t& to) -> Result<void> {
    to = TRY(integer_property(properties, key, to, {0, INT32_MAX}));
    return {};
  };
  const auto time = [&](const char* key, std::chrono::milliseconds& to) -> Result<void> {
    to = std::chrono::milliseconds(TRY(integer_property(properties, key, to.count(), {0, INT32_MAX})));
    return {};
  };
  TRY(time("auto.commit.interval.ms", config.auto_commit_interval));
  TRY(time("session.timeout.ms", config.session_timeout));
  TRY(time("heartbeat.interval.ms", config.heartbeat_interval));
  TRY(time("max.poll.interval.ms", config.max_poll_interval));
  TRY(time("metadata.max.age.ms", config.metadata_max_age));
  TRY(time("fetch.max.wait.ms", config.fetch_max_wait));
  TRY(number("fetch.min.bytes", config.fetch_min_bytes));
  TRY(number("fetch.max.bytes", config.fetch_max_bytes));
  TRY(number("max.partition.fetch.bytes", config.max_partition_fetch_bytes));
  config.auto_commit =
      TRY(boolean_property(properties, "enable.auto.commit", true)) && !config.group_id.empty();
  config.check_crcs = TRY(boolean_property(properties, "check.crcs", true));
  config.allow_auto_creation = TRY(boolean_property(properties, "allow.auto.create.topics", true));
  config.exclude_internal_topics = TRY(boolean_property(properties, "exclude.internal.topics", true));
  TRY(read_choice(properties, "isolation.level", "read_uncommitted", "read_committed",
                  config.read_committed));
  TRY(read_protocol(properties, config));
  config.reset = TRY(read_reset(properties));
  TRY(read_strategies(properties, config));
  return config;
}

}  // namespace barnabas::tools
