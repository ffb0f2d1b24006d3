#include "broker/config/config_definition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <vector>

namespace barnabas::broker {
namespace {

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n\f\v";
  const auto from = text.find_first_not_of(kBlanks);
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(kBlanks) - from + 1);
}

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return tolower(x) == tolower(y); });
}

std::unexpected<Error> invalid(const ConfigDefinition& definition, std::string_view value,
                               std::string_view why) {
  return fail(ErrorCode::kInvalidConfig,
              fmt::format("Invalid value {} for configuration {}: {}", value, definition.name, why));
}

std::string spaced(std::string_view choices) {
  return fmt::format("{}", fmt::join(split_list(choices), ", "));
}

/// Integers as Java's parse methods take them: a sign, digits, in the range of the type.
std::optional<std::int64_t> parse_integer(std::string_view text, ConfigType type) {
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (type == ConfigType::kInt && value != static_cast<std::int32_t>(value)) return std::nullopt;
  if (type == ConfigType::kShort && value != static_cast<std::int16_t>(value)) return std::nullopt;
  return value;
}

std::optional<double> parse_double(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// As Java prints a double: "0.5", "1.0", "1.0E-4", "2.147483647E9".
std::string print_double(double value) {
  const double magnitude = std::fabs(value);
  char buffer[64];
  if (magnitude == 0 || (magnitude >= 1e-3 && magnitude < 1e7)) {
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    std::string text(buffer, end);
    return text.find('.') == std::string::npos ? text + ".0" : text;
  }
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string text(buffer, end);
  const auto e = text.find('e');
  if (e == std::string::npos) return text;
  std::string mantissa = text.substr(0, e);
  if (mantissa.find('.') == std::string::npos) mantissa += ".0";
  return fmt::format("{}E{}", mantissa, std::stoi(text.substr(e + 1)));
}

Result<void> check_range(const ConfigDefinition& definition, double value, std::string_view text) {
  const bool below = definition.low && value < *definition.low;
  const bool above = definition.high && value > *definition.high;
  if (!below && !above) return {};
  if (definition.allowed == AllowedValues::kRangeOrMinus) {
    if (value == -1) return {};
    return invalid(
        definition, text,
        fmt::format("Value must be between {} and {} or equal to -1", *definition.low, *definition.high));
  }
  if (below) return invalid(definition, text, fmt::format("Value must be at least {}", *definition.low));
  return invalid(definition, text, fmt::format("Value must be no more than {}", *definition.high));
}

Result<std::string> normalize_number(const ConfigDefinition& definition, std::string_view text) {
  if (definition.type == ConfigType::kDouble) {
    const auto value = parse_double(text);
    if (!value) return invalid(definition, text, "Not a number of type DOUBLE");
    const std::string printed = print_double(*value);
    TRY(check_range(definition, *value, printed));
    return printed;
  }
  const auto value = parse_integer(text, definition.type);
  if (!value)
    return invalid(definition, text, fmt::format("Not a number of type {}", to_string(definition.type)));
  TRY(check_range(definition, static_cast<double>(*value), std::to_string(*value)));
  return std::to_string(*value);
}

bool is_replica_item(std::string_view item) {
  const auto colon = item.find(':');
  const auto digits = [](std::string_view s) {
    return !s.empty() && std::ranges::all_of(s, [](unsigned char c) { return isdigit(c); });
  };
  return colon != std::string_view::npos && digits(item.substr(0, colon)) && digits(item.substr(colon + 1));
}

Result<void> check_throttled(const ConfigDefinition& definition, const std::vector<std::string>& items) {
  if (std::ranges::all_of(items, [](const auto& item) { return item.empty(); }) ||
      (items.size() == 1 && items[0] == "*"))
    return {};
  if (std::ranges::all_of(items, is_replica_item)) return {};
  return invalid(definition, fmt::format("[{}]", fmt::join(items, ", ")),
                 fmt::format("{} must be the literal '*' or a list of replicas in the following format: "
                             "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
                             definition.name));
}

/// The tables do not tell these from lists that may be empty (measured on Kafka 4.3.1).
bool must_not_be_empty(const ConfigDefinition& definition) {
  constexpr std::string_view kNames[] = {"advertised.listeners",
                                         "controller.listener.names",
                                         "group.consumer.assignors",
                                         "group.coordinator.rebalance.protocols",
                                         "group.share.assignors",
                                         "listeners",
                                         "log.dir",
                                         "log.dirs",
                                         "process.roles"};
  return std::ranges::find(kNames, definition.name) != std::end(kNames);
}

Result<std::string> normalize_list(const ConfigDefinition& definition, std::string_view text) {
  std::vector<std::string> items = split_list(text);
  if (definition.allowed == AllowedValues::kThrottledList) {
    TRY(check_throttled(definition, items));
    return fmt::format("{}", fmt::join(items, ","));
  }
  std::vector<std::string> unique;  // Kafka drops repeated items too
  for (auto& item : items)
    if (std::ranges::find(unique, item) == unique.end()) unique.push_back(std::move(item));
  if (unique.empty() && must_not_be_empty(definition)) {
    const std::string valid = definition.allowed == AllowedValues::kListOf
                                  ? fmt::format("[{}]", spaced(definition.choices))
                                  : std::string("any non-empty value");
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("Configuration '{}' must not be empty. Valid values include: {}", definition.name,
                            valid));
  }
  const auto choices = split_list(definition.choices);
  for (const auto& item : unique) {
    if (item.empty() && definition.allowed != AllowedValues::kAny)
      return fail(ErrorCode::kInvalidConfig,
                  fmt::format("Configuration '{}' values must not be empty.", definition.name));
    if (definition.allowed == AllowedValues::kListOf && std::ranges::find(choices, item) == choices.end())
      return invalid(definition, item, fmt::format("String must be one of: {}", spaced(definition.choices)));
  }
  return fmt::format("{}", fmt::join(unique, ","));
}

/// "by_duration:PnDTnHnMn.nS": an ISO 8601 duration that is not negative.
bool is_duration_reset(std::string_view text) {
  constexpr std::string_view kPrefix = "by_duration:P";
  if (!text.starts_with(kPrefix) || text.size() == kPrefix.size()) return false;
  return text.substr(kPrefix.size()).find_first_not_of("0123456789.DTHMS") == std::string_view::npos &&
         isalpha(static_cast<unsigned char>(text.back())) && text.back() != 'T';
}

Result<std::string> normalize_text(const ConfigDefinition& definition, std::string_view text) {
  const auto choices = split_list(definition.choices);
  switch (definition.allowed) {
    case AllowedValues::kOneOf:
      if (std::ranges::find(choices, text) == choices.end())
        return invalid(definition, text,
                       fmt::format("String must be one of: {}", spaced(definition.choices)));
      break;
    case AllowedValues::kOneOfNoCase:
      if (std::ranges::none_of(choices, [&](const auto& c) { return same_ignoring_case(c, text); }))
        return invalid(
            definition, text,
            fmt::format("String must be one of (case insensitive): {}", spaced(definition.choices)));
      break;
    case AllowedValues::kNonEmpty:
      if (text.empty()) return invalid(definition, text, "String must be non-empty");
      break;
    case AllowedValues::kOffsetReset:
      if (text != "latest" && text != "earliest" && !is_duration_reset(text))
        return invalid(definition, text,
                       fmt::format("Invalid value `{}` for configuration {}. The value must be either "
                                   "'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
                                   text, definition.name));
      break;
    default:
      break;
  }
  return std::string(text);
}

/// A class is the default or one of Apache Kafka's own: there is no JVM that could load another.
bool is_own_class(const ConfigDefinition& definition, std::string_view value) {
  return (definition.has_default && value == definition.default_value) ||
         value.starts_with("org.apache.kafka.");
}

}  // namespace

std::string_view to_string(ConfigType type) {
  constexpr std::string_view kNames[] = {"UNKNOWN", "BOOLEAN", "STRING", "INT",   "SHORT",
                                         "LONG",    "DOUBLE",  "LIST",   "CLASS", "PASSWORD"};
  return kNames[static_cast<std::size_t>(type)];
}

const ConfigDefinition* find_definition(std::span<const ConfigDefinition> table, std::string_view name) {
  const auto found = std::ranges::lower_bound(table, name, {}, &ConfigDefinition::name);
  return found != table.end() && found->name == name ? &*found : nullptr;
}

std::vector<std::string> split_list(std::string_view value) {
  std::vector<std::string> items;
  value = trim(value);
  if (value.empty()) return items;
  for (std::size_t from = 0;;) {
    const auto comma = value.find(',', from);
    items.emplace_back(
        trim(value.substr(from, comma == std::string_view::npos ? std::string_view::npos : comma - from)));
    if (comma == std::string_view::npos) return items;
    from = comma + 1;
  }
}

Result<std::string> normalize_value(const ConfigDefinition& definition, std::string_view value) {
  const std::string_view text = trim(value);
  switch (definition.type) {
    case ConfigType::kBoolean:
      if (same_ignoring_case(text, "true")) return "true";
      if (same_ignoring_case(text, "false")) return "false";
      return invalid(definition, text, "Expected value to be either true or false");
    case ConfigType::kInt:
    case ConfigType::kShort:
    case ConfigType::kLong:
    case ConfigType::kDouble:
      return normalize_number(definition, text);
    case ConfigType::kList:
      return normalize_list(definition, text);
    case ConfigType::kPassword:
      return std::string(value);
    case ConfigType::kClass:
      if (is_own_class(definition, value)) return std::string(value);
      return invalid(definition, value, fmt::format("Class {} could not be found.", value));
    case ConfigType::kString:
    case ConfigType::kUnknown:
      return normalize_text(definition, text);
  }
  return std::string(value);
}

}  // namespace barnabas::broker
