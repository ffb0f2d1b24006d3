#include "broker/config/own_settings.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/posix_file_system.hpp"
#include "broker/config/listener_settings.hpp"
#include "broker/config/wanted_acls.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kPrefix = "barnabas.";
constexpr std::string_view kCreateTopics = "barnabas.create.topics";
constexpr std::string_view kCreateUsers = "barnabas.create.users";
constexpr std::string_view kCreateAcls = "barnabas.create.acls";

std::unexpected<Error> refuse(std::string_view key, std::string_view value, std::string_view allowed) {
  return fail(ErrorCode::kInvalidConfig,
              fmt::format("Invalid value {} for configuration {}: {}", value, key, allowed));
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

template <class Number>
Result<Number> parse_count(std::string_view text, std::string_view entry) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, number);
  if (read.ec != std::errc() || read.ptr != end || (number < 1 && number != -1))
    return refuse(kCreateTopics, entry, fmt::format("{} is no count; it must be at least 1, or -1", text));
  return number;
}

Result<WantedTopic> parse_wanted_topic(std::string_view entry) {
  const auto parts = split(entry, ':');
  WantedTopic topic;
  topic.name = trimmed(parts[0]);
  if (topic.name.empty())
    return refuse(kCreateTopics, entry, "must be NAME[:PARTITIONS[:REPLICAS[:KEY=VALUE]...]]");
  if (parts.size() > 1 && !parts[1].empty())
    topic.partitions = TRY(parse_count<std::int32_t>(parts[1], entry));
  if (parts.size() > 2 && !parts[2].empty())
    topic.replication_factor = TRY(parse_count<std::int16_t>(parts[2], entry));
  std::string* last = nullptr;
  for (std::size_t i = 3; i < parts.size(); ++i) {
    const auto equals = parts[i].find('=');
    if (equals != std::string_view::npos && equals > 0) {
      last = &topic.configs[std::string(parts[i].substr(0, equals))];
      *last = parts[i].substr(equals + 1);
    } else if (last != nullptr) {
      *last += fmt::format(":{}", parts[i]);
    } else {
      return refuse(kCreateTopics, entry, fmt::format("{} is not KEY=VALUE", parts[i]));
    }
  }
  return topic;
}

Result<bool> parse_bool(std::string_view key, std::string_view value) {
  if (value == "true" || value == "false") return value == "true";
  return refuse(key, value, "Expected value to be either true or false");
}

Result<std::uint64_t> parse_number(std::string_view key, std::string_view value, std::string_view unit) {
  std::uint64_t number = 0;
  const char* end = value.data() + value.size();
  const auto read = std::from_chars(value.data(), end, number);
  if (read.ec == std::errc() && read.ptr == end) return number;
  return refuse(key, value, fmt::format("must be a number of {}, 0 or more", unit));
}

Result<void> take(OwnSettings& settings, const std::string& key, const std::string& value) {
  if (key == "barnabas.http.listener") {
    settings.http_listener = parse_endpoint(value);
    if (!settings.http_listener) return refuse(key, value, "must be HOST:PORT");
  } else if (key == "barnabas.advertised.listeners.file") {
    settings.advertised_listeners_file = value;
  } else if (key == "barnabas.advertised.listeners.wait") {
    settings.advertised_listeners_wait = TRY(parse_bool(key, value));
  } else if (key == "barnabas.cold.read.cache.bytes") {
    settings.cold_read_cache_bytes = TRY(parse_number(key, value, "bytes"));
  } else if (key == "barnabas.log.scrub.bytes.per.second") {
    settings.log_scrub_bytes_per_second = TRY(parse_number(key, value, "bytes"));
  } else if (key == "barnabas.log.scrub.interval.ms") {
    settings.log_scrub_interval_ms = TRY(parse_number(key, value, "milliseconds"));
  } else if (key == "barnabas.broker.disconnect.timeout.ms") {
    settings.broker_disconnect_timeout_ms = TRY(parse_number(key, value, "milliseconds"));
  } else if (key == kCreateTopics) {
    settings.create_topics = TRY(parse_wanted_topics(value));
  } else if (key == kCreateUsers) {
    settings.create_users = TRY(parse_wanted_users(value));
  } else if (key == kCreateAcls) {
    settings.create_acls = TRY(parse_wanted_acls(value));
  } else {
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("{} is not known. There are barnabas.http.listener, "
                            "barnabas.advertised.listeners.file, barnabas.advertised.listeners.wait, "
                            "barnabas.cold.read.cache.bytes, barnabas.log.scrub.bytes.per.second, "
                            "barnabas.log.scrub.interval.ms, barnabas.broker.disconnect.timeout.ms, {}, {} "
                            "and {}",
                            key, kCreateTopics, kCreateUsers, kCreateAcls));
  }
  return {};
}

/// The entries of a list, commas within brackets apart, or of the file that "@FILE" names.
Result<std::vector<std::string>> entries_of(std::string_view text) {
  std::string from(text);
  char separator = ',';
  if (text.starts_with('@')) {
    PosixFileSystem files;
    from = TRY(files.read_file(std::string(text.substr(1))));
    separator = '\n';
  }
  std::vector<std::string> entries(1);
  int depth = 0;
  for (const char c : from) {
    depth += static_cast<int>(c == '[') - static_cast<int>(c == ']');
    if (c == separator && (depth == 0 || separator == '\n'))
      entries.emplace_back();
    else
      entries.back() += c;
  }
  for (auto& entry : entries) entry = trimmed(entry);
  std::erase_if(entries, [](const auto& entry) { return entry.empty() || entry.starts_with('#'); });
  return entries;
}

}  // namespace

Result<std::vector<WantedTopic>> parse_wanted_topics(std::string_view text) {
  std::vector<WantedTopic> topics;
  for (const auto& entry : TRY(entries_of(text))) topics.push_back(TRY(parse_wanted_topic(entry)));
  return topics;
}

Result<std::vector<kraft::ScramUserSpec>> parse_wanted_users(std::string_view text) {
  std::vector<kraft::ScramUserSpec> users;
  for (const auto& entry : TRY(entries_of(text))) {
    auto user = kraft::parse_scram_user(entry);
    if (!user)
      return fail(ErrorCode::kInvalidConfig, fmt::format("{}: {}", kCreateUsers, user.error().detail));
    users.push_back(*std::move(user));
  }
  return users;
}

Result<std::vector<kraft::AclEntry>> parse_wanted_acls(std::string_view text) {
  std::vector<kraft::AclEntry> acls;
  for (const auto& entry : TRY(entries_of(text))) {
    auto wanted = parse_wanted_acls_entry(entry);
    if (!wanted) return refuse(kCreateAcls, entry, wanted.error().detail);
    acls.insert(acls.end(), wanted->begin(), wanted->end());
  }
  return acls;
}

Result<OwnSettings> take_own_settings(kraft::ConfigMap& properties) {
  OwnSettings settings;
  for (auto property = properties.lower_bound(std::string(kPrefix));
       property != properties.end() && property->first.starts_with(kPrefix);) {
    TRY(take(settings, property->first, property->second));
    property = properties.erase(property);
  }
  const bool told = !settings.advertised_listeners_file.empty() || settings.http_listener;
  if (settings.advertised_listeners_wait && !told)
    return refuse("barnabas.advertised.listeners.wait", "true",
                  "nobody could end the waiting: set barnabas.http.listener or "
                  "barnabas.advertised.listeners.file too");
  return settings;
}

}  // namespace barnabas::broker
