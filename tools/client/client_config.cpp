#include "tools/client/client_config.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/properties_file.hpp"

namespace barnabas::tools {
namespace {

std::unexpected<Error> invalid(std::string_view key, std::string_view value, std::string_view why) {
  return fail(ErrorCode::kInvalidConfig,
              fmt::format("Invalid value {} for configuration {}: {}", value, key, why));
}

}  // namespace

Result<std::int64_t> integer_property(const Properties& properties, const std::string& key,
                                      std::int64_t standard, IntegerRange range) {
  const auto found = properties.find(key);
  if (found == properties.end()) return standard;
  const std::string& text = found->second;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return invalid(key, text,
                   range.max > INT32_MAX ? "Not a number of type LONG" : "Not a number of type INT");
  }
  if (value < range.min) return invalid(key, text, fmt::format("Value must be at least {}", range.min));
  if (value > range.max) return invalid(key, text, fmt::format("Value must be no more than {}", range.max));
  return value;
}

Result<bool> boolean_property(const Properties& properties, const std::string& key, bool standard) {
  const auto found = properties.find(key);
  if (found == properties.end()) return standard;
  if (found->second == "true") return true;
  if (found->second == "false") return false;
  return invalid(key, found->second, "Expected value to be either true or false");
}

std::string text_property(const Properties& properties, const std::string& key, std::string standard) {
  const auto found = properties.find(key);
  return found == properties.end() ? std::move(standard) : found->second;
}

Result<ClientConfig> client_config_of(const Properties& properties) {
  const std::string protocol = text_property(properties, "security.protocol", "PLAINTEXT");
  if (protocol != "PLAINTEXT") {
    return invalid("security.protocol", protocol, "these tools speak PLAINTEXT only");
  }
  ClientConfig config;
  const auto milliseconds = [&](const char* key, std::chrono::milliseconds& to,
                                std::int64_t most = INT32_MAX) -> Result<void> {
    to = std::chrono::milliseconds(TRY(integer_property(properties, key, to.count(), {0, most})));
    return {};
  };
  config.client_id = text_property(properties, "client.id", config.client_id);
  TRY(milliseconds("request.timeout.ms", config.request_timeout));
  TRY(milliseconds("default.api.timeout.ms", config.default_api_timeout));
  TRY(milliseconds("retry.backoff.ms", config.retry_backoff, INT64_MAX));
  TRY(milliseconds("socket.connection.setup.timeout.ms", config.connection_setup_timeout, INT64_MAX));
  return config;
}

Result<Properties> read_properties(const std::string& path) {
  std::ifstream file(path);
  if (!file) return fail(ErrorCode::kInvalidConfig, fmt::format("{}: {}", path, std::strerror(errno)));
  // It would open, and fail when it is read.
  if (std::filesystem::is_directory(path)) {
    return fail(ErrorCode::kInvalidConfig, fmt::format("{}: {}", path, std::strerror(EISDIR)));
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const Result<std::vector<Property>> parsed = parse_properties(text);
  if (!parsed) return fail(parsed.error().code, fmt::format("{}: {}", path, parsed.error().detail));
  Properties properties;
  for (const Property& property : *parsed) properties[property.key] = property.value;
  return properties;
}

}  // namespace barnabas::tools
