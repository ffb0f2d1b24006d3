// Address: a host and a port that a client is told to connect to.
//
// Values; parse_bootstrap() reads `--bootstrap-server`. Source: Kafka's bootstrap.servers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace barnabas::tools {

struct Address {
  std::string host;  // a name or an address, an IPv6 one without brackets
  std::uint16_t port = 0;
  bool operator==(const Address&) const = default;
};

/// "host:port", with brackets around what has colons.
[[nodiscard]] std::string to_string(const Address& address);

/// "HOST:PORT,HOST:PORT". INVALID_CONFIG names the part that is none.
Result<std::vector<Address>> parse_bootstrap(std::string_view text);

}  // namespace barnabas::tools
