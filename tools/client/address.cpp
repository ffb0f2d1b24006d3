#include "tools/client/address.hpp"

#include <charconv>
#include <optional>

namespace barnabas::tools {
namespace {

std::optional<Address> parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  // As Kafka's clients take it, a scheme such as PLAINTEXT:// may stand before the host.
  if (const std::size_t scheme = host.find("://"); scheme != std::string_view::npos) {
    host.remove_prefix(scheme + 3);
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host.empty() || host.find_first_of(" \t/[]") != std::string_view::npos) return std::nullopt;
  Address address{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return address;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

}  // namespace

std::string to_string(const Address& address) {
  const bool has_colons = address.host.find(':') != std::string::npos;
  return (has_colons ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<std::vector<Address>> parse_bootstrap(std::string_view text) {
  std::vector<Address> addresses;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    const std::string_view part = trimmed(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (part.empty()) continue;
    std::optional<Address> address = parse_address(part);
    if (!address) {
      return fail(ErrorCode::kInvalidConfig, "Invalid url in bootstrap.servers: " + std::string(part));
    }
    addresses.push_back(*std::move(address));
  }
  if (addresses.empty()) {
    return fail(ErrorCode::kInvalidConfig, "No bootstrap urls given in bootstrap.servers");
  }
  return addresses;
}

}  // namespace barnabas::tools
