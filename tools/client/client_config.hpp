// ClientConfig: what a tool's `--command-config` file and its own options say about connections.
//
// A value. Every property of Kafka's clients may stand in such a file; those that are not used here are
// ignored, a security.protocol other than PLAINTEXT is refused (INVALID_CONFIG). Units: milliseconds.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/result.hpp"

namespace barnabas::tools {

using Properties = std::map<std::string, std::string>;

struct ClientConfig {
  std::string client_id = "barnabas-tool";
  std::chrono::milliseconds request_timeout{30'000};  // request.timeout.ms: of one request
  std::chrono::milliseconds default_api_timeout{
      60'000};                                   // default.api.timeout.ms: of a call with its retries
  std::chrono::milliseconds retry_backoff{100};  // retry.backoff.ms
};

/// INVALID_CONFIG names the key, the value and what is allowed.
Result<ClientConfig> client_config_of(const Properties& properties);

/// Reads a file in Java's .properties syntax; the error names the file.
Result<Properties> read_properties(const std::string& path);

}  // namespace barnabas::tools
