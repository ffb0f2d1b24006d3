// ClientConfig: what a tool's `--command-config` file and its own options say about connections.
//
// A value. Every property of Kafka's clients may stand in such a file; those that are not used here are
// ignored, a security.protocol other than PLAINTEXT is refused (INVALID_CONFIG). Units: milliseconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "base/result.hpp"

namespace barnabas::tools {

using Properties = std::map<std::string, std::string>;

struct ClientConfig {
  std::string client_id = "barnabas-tool";
  /// "Producer clientId=console-producer": who warns of brokers that cannot be reached. Empty: nobody does.
  std::string asker;
  /// request.timeout.ms: of one request.
  std::chrono::milliseconds request_timeout{30'000};
  /// default.api.timeout.ms: of a call with its retries.
  std::chrono::milliseconds default_api_timeout{60'000};
  /// retry.backoff.ms: before the first retry; doubled up to a second.
  std::chrono::milliseconds retry_backoff{100};
  /// socket.connection.setup.timeout.ms: of one address.
  std::chrono::milliseconds connection_setup_timeout{10'000};
};

/// INVALID_CONFIG names the key, the value and what is allowed.
Result<ClientConfig> client_config_of(const Properties& properties);

struct IntegerRange {
  std::int64_t min = INT32_MIN;
  std::int64_t max = INT32_MAX;
};
/// The property as a number, `standard` where it is not set. INVALID_CONFIG as Kafka words it.
Result<std::int64_t> integer_property(const Properties& properties, const std::string& key,
                                      std::int64_t standard, IntegerRange range = {});
Result<bool> boolean_property(const Properties& properties, const std::string& key, bool standard);
std::string text_property(const Properties& properties, const std::string& key, std::string standard);

/// Reads a file in Java's .properties syntax; the error names the file.
Result<Properties> read_properties(const std::string& path);

}  // namespace barnabas::tools
