#include "broker/config/listener_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace barnabas::broker {
namespace {

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = static_cast<char>(toupper(static_cast<unsigned char>(c)));
  return result;
}

std::unexpected<Error> refuse(std::string text) {
  return fail(ErrorCode::kInvalidConfig, std::move(text));
}

std::vector<std::string> list_of(const ConfigLayers& layers, std::string_view name) {
  return split_list(layers.value(name).value_or(""));
}

std::optional<std::int16_t> protocol_number(std::string_view name) {
  constexpr std::string_view kNames[] = {"PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"};
  const auto found = std::ranges::find(kNames, upper(name));
  if (found == std::end(kNames)) return std::nullopt;
  return static_cast<std::int16_t>(found - std::begin(kNames));
}

using ProtocolMap = std::map<std::string, std::int16_t>;

bool names_a_secure_protocol(const std::vector<std::string>& names) {
  return std::ranges::any_of(
      names, [](const auto& n) { return n == "SSL" || n == "SASL_SSL" || n == "SASL_PLAINTEXT"; });
}

/// With the map left at its default, controller listeners are plain text as long as no listener is named
/// after a secure protocol (KIP-801).
Result<ProtocolMap> read_protocol_map(const ConfigLayers& layers,
                                      const std::vector<std::string>& controller_names,
                                      const std::vector<std::string>& listener_names) {
  constexpr std::string_view kName = "listener.security.protocol.map";
  ProtocolMap map;
  for (const auto& item : list_of(layers, kName)) {
    const auto colon = item.rfind(':');
    if (colon == std::string::npos)
      return refuse(
          fmt::format("Error parsing configuration property '{}': {} is not of the form "
                      "LISTENER:PROTOCOL",
                      kName, item));
    const auto protocol = protocol_number(item.substr(colon + 1));
    if (!protocol)
      return refuse(
          fmt::format("Invalid security protocol `{}` defined in {}", item.substr(colon + 1), kName));
    map[upper(item.substr(0, colon))] = *protocol;
  }
  const bool by_default = !layers.static_values.contains(std::string(kName)) &&
                          !layers.dynamic_broker.contains(std::string(kName));
  if (by_default && !names_a_secure_protocol(controller_names) && !names_a_secure_protocol(listener_names))
    for (const auto& name : controller_names) map.emplace(name, std::int16_t{0});
  return map;
}

Result<std::vector<ListenerAddress>> read_addresses(const std::vector<std::string>& items) {
  std::vector<ListenerAddress> addresses;
  for (const auto& item : items) {
    auto address = parse_listener(item);
    if (!address)
      return refuse(
          fmt::format("Error creating broker listeners from '[{}]': Unable to parse {} to a broker "
                      "endpoint",
                      fmt::join(items, ", "), item));
    addresses.push_back(std::move(*address));
  }
  return addresses;
}

/// 4 or 6 for an address of that family, 0 for a name or nothing.
int family(const Endpoint& endpoint) {
  const std::string& host = endpoint.host;
  if (host.find(':') != std::string::npos) return 6;
  return !host.empty() && host.find_first_not_of("0123456789.") == std::string::npos ? 4 : 0;
}

/// What is wrong with two listeners on one port; empty when they are an IPv4 and an IPv6 address.
std::string port_clash(const Endpoint& a, const Endpoint& b, const std::string& list) {
  const int known = (family(a) != 0 ? 1 : 0) + (family(b) != 0 ? 1 : 0);
  if (known == 0) return fmt::format("Each listener must have a different port, listeners: {}", list);
  if (known == 2 && family(a) != family(b)) return "";
  return fmt::format("{}, listeners: {}, port: {}",
                     known == 2
                         ? "If you have two listeners on the same port then one needs to be IPv4 and the "
                           "other IPv6"
                         : "Each listener must have a different port unless exactly one listener has an "
                           "IPv4 address and the other IPv6 address",
                     list, a.port);
}

Result<void> check_distinct(const std::vector<std::string>& items, const std::vector<ListenerAddress>& found,
                            bool ports_too) {
  const std::string list = fmt::format("[{}]", fmt::join(items, ", "));
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (std::size_t j = i + 1; j < found.size(); ++j) {
      if (found[i].name == found[j].name)
        return refuse(
            fmt::format("Error creating broker listeners from '{}': Each listener must have a "
                        "different name, listeners: {}",
                        list, list));
      if (!ports_too || found[i].endpoint.port != found[j].endpoint.port || found[i].endpoint.port == 0)
        continue;
      if (const auto clash = port_clash(found[i].endpoint, found[j].endpoint, list); !clash.empty())
        return refuse(fmt::format("Error creating broker listeners from '{}': {}", list, clash));
    }
  }
  return {};
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

std::vector<std::string> names_of(const std::vector<ListenerAddress>& addresses) {
  std::vector<std::string> names;
  for (const auto& address : addresses) names.push_back(address.name);
  return names;
}

Result<void> check_roles(const BrokerSettings& settings, const std::vector<std::string>& names) {
  const auto& controllers = settings.controller_listener_names;
  const auto is_controllers = [&](const auto& name) { return contains(controllers, name); };
  if (settings.is_controller && std::ranges::none_of(names, is_controllers))
    return refuse(
        "controller.listener.names must contain at least one value appearing in the 'listeners' "
        "configuration when running the KRaft controller role");
  if (settings.is_controller &&
      !std::ranges::all_of(controllers, [&](const auto& name) { return contains(names, name); }))
    return refuse(
        "controller.listener.names must only contain values appearing in the 'listeners' configuration when "
        "running the KRaft controller role");
  if (!settings.is_broker && !std::ranges::all_of(names, is_controllers))
    return refuse(
        "The listeners config must only contain KRaft controller listeners from "
        "controller.listener.names when process.roles=controller");
  if (!settings.is_controller && std::ranges::any_of(names, is_controllers))
    return refuse(
        "controller.listener.names must not contain a value appearing in the 'listeners' "
        "configuration when running KRaft with just the broker role");
  return {};
}

struct Parsed {
  std::vector<ListenerAddress> listeners;
  std::vector<ListenerAddress> advertised;  // empty: as the listeners
  ProtocolMap protocols;
};

/// Every listener of `items` has a security protocol.
Result<void> check_protocols(const std::vector<std::string>& items,
                             const std::vector<ListenerAddress>& addresses, const ProtocolMap& protocols) {
  for (const auto& address : addresses)
    if (!protocols.contains(address.name))
      return refuse(
          fmt::format("Error creating broker listeners from '[{}]': No security protocol defined for "
                      "listener {}",
                      fmt::join(items, ", "), address.name));
  return {};
}

Result<void> read_inter_broker_name(const ConfigLayers& layers, const Parsed& parsed,
                                    BrokerSettings& settings) {
  const auto name = layers.value("inter.broker.listener.name");
  const std::string protocol = layers.value("security.inter.broker.protocol").value_or("PLAINTEXT");
  if (name && layers.static_values.contains("security.inter.broker.protocol"))
    return refuse("Only one of inter.broker.listener.name and security.inter.broker.protocol should be set.");
  settings.inter_broker_listener_name = upper(name.value_or(protocol));
  if (name && name->empty()) return refuse("The provided listener name is null or empty string");
  if (name && !parsed.protocols.contains(settings.inter_broker_listener_name))
    return refuse(
        fmt::format("Listener with name {} defined in inter.broker.listener.name not found in "
                    "listener.security.protocol.map.",
                    settings.inter_broker_listener_name));
  if (!settings.is_broker) return {};
  std::vector<std::string> valid;
  for (const auto& told : parsed.advertised.empty() ? parsed.listeners : parsed.advertised)
    if (!contains(settings.controller_listener_names, told.name)) valid.push_back(told.name);
  if (valid.empty())
    return refuse(
        "There must be at least one broker advertised listener. Perhaps all listeners appear in "
        "controller.listener.names?");
  if (!contains(valid, settings.inter_broker_listener_name))
    return refuse(
        fmt::format("inter.broker.listener.name must be a listener name defined in advertised.listeners. The "
                    "valid options based on currently configured listeners are {}",
                    fmt::join(valid, ",")));
  return {};
}

Result<void> build_listeners(const Parsed& parsed, BrokerSettings& settings) {
  for (const auto& address : parsed.listeners) {
    ListenerSettings listener;
    listener.name = address.name;
    listener.bind = address.endpoint;
    listener.security_protocol = parsed.protocols.at(address.name);
    listener.controller = contains(settings.controller_listener_names, address.name);
    const auto advertised = std::ranges::find(parsed.advertised, address.name, &ListenerAddress::name);
    if (advertised != parsed.advertised.end()) listener.advertised = advertised->endpoint;
    const bool tells_itself = parsed.advertised.empty() || advertised != parsed.advertised.end();
    const std::string& told = listener.advertised ? listener.advertised->host : listener.bind.host;
    if (!listener.controller && tells_itself && told == "0.0.0.0")
      return refuse(
          "advertised.listeners cannot use the nonroutable meta-address 0.0.0.0. Use a routable IP address.");
    settings.listeners.push_back(std::move(listener));
  }
  for (const auto& address : parsed.advertised) {
    if (!contains(names_of(parsed.listeners), address.name) &&
        !contains(settings.controller_listener_names, address.name))
      return refuse(fmt::format(
          "advertised.listeners listener names must be equal to or a subset of the ones defined "
          "in listeners. "
          "Found {}. The valid options based on the current configuration are {}",
          fmt::join(names_of(parsed.advertised), ","), fmt::join(names_of(parsed.listeners), ",")));
  }
  return {};
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return port;
}

}  // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const bool allowed = std::ranges::all_of(host, [](unsigned char c) {
    return isalnum(c) || std::string_view("-%._:").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (!port || !allowed) return std::nullopt;
  return Endpoint{std::string(host), *port};
}

std::optional<ListenerAddress> parse_listener(std::string_view text) {
  const auto separator = text.find("://");
  if (separator == std::string_view::npos || separator == 0) return std::nullopt;
  auto endpoint = parse_endpoint(text.substr(separator + 3));
  if (!endpoint) return std::nullopt;
  return ListenerAddress{upper(text.substr(0, separator)), std::move(*endpoint)};
}

Result<void> read_listeners(const ConfigLayers& layers, BrokerSettings& settings) {
  for (const auto& name : list_of(layers, "controller.listener.names"))
    settings.controller_listener_names.push_back(name);
  const auto items = list_of(layers, "listeners");
  const auto advertised = list_of(layers, "advertised.listeners");
  Parsed parsed;
  parsed.listeners = TRY(read_addresses(items));
  parsed.advertised = TRY(read_addresses(advertised));
  parsed.protocols =
      TRY(read_protocol_map(layers, settings.controller_listener_names, names_of(parsed.listeners)));
  TRY(check_protocols(items, parsed.listeners, parsed.protocols));
  TRY(check_protocols(advertised, parsed.advertised, parsed.protocols));
  TRY(check_distinct(items, parsed.listeners, true));
  TRY(check_distinct(advertised, parsed.advertised, false));
  TRY(build_listeners(parsed, settings));
  TRY(check_roles(settings, names_of(parsed.listeners)));
  TRY(read_inter_broker_name(layers, parsed, settings));
  for (auto& listener : settings.listeners)
    listener.inter_broker = listener.name == settings.inter_broker_listener_name;
  return {};
}

namespace {

/// "ID@HOST:PORT"
Result<QuorumVoter> parse_voter(const std::string& item) {
  constexpr std::string_view kForm = "Each entry should be in the form `{id}@{host}:{port}`.";
  const auto at = item.find('@');
  if (at == std::string::npos)
    return refuse(fmt::format("Invalid configuration value for controller.quorum.voters. {}", kForm));
  std::int32_t id = 0;
  const char* end = item.data() + at;
  if (const auto read = std::from_chars(item.data(), end, id); read.ec != std::errc() || read.ptr != end)
    return refuse(fmt::format("Failed to parse voter ID as an integer from {}", item.substr(0, at)));
  const auto endpoint = parse_endpoint(item.substr(at + 1));
  if (!endpoint)
    return refuse(
        fmt::format("Failed to parse host name from entry {} for the configuration controller.quorum.voters. "
                    "{}",
                    item, kForm));
  if (endpoint->host == "0.0.0.0")
    return refuse(fmt::format("Host string ({}) is not routeable", endpoint->host));
  return QuorumVoter{BrokerId(id), *endpoint};
}

std::string voter_ids(const std::vector<QuorumVoter>& voters) {
  std::vector<std::int32_t> ids;
  for (const auto& voter : voters) ids.push_back(voter.id.value());
  return fmt::format("{}", fmt::join(ids, ", "));
}

}  // namespace

Result<void> read_quorum(const ConfigLayers& layers, BrokerSettings& settings) {
  for (const auto& item : list_of(layers, "controller.quorum.voters"))
    settings.controller_quorum_voters.push_back(TRY(parse_voter(item)));
  for (const auto& item : list_of(layers, "controller.quorum.bootstrap.servers")) {
    const auto endpoint = parse_endpoint(item);
    if (!endpoint || endpoint->host.empty())
      return refuse(
          fmt::format("Failed to parse host name from {} for the configuration "
                      "controller.quorum.bootstrap.servers. Each entry should be in the form "
                      "\"{{host}}:{{port}}\"",
                      item));
    settings.controller_quorum_bootstrap_servers.push_back(*endpoint);
  }
  const auto& voters = settings.controller_quorum_voters;
  if (voters.empty() && settings.controller_quorum_bootstrap_servers.empty())
    return refuse(
        "If using process.roles, either controller.quorum.bootstrap.servers must contain the set of "
        "bootstrap "
        "controllers or controller.quorum.voters must contain a parseable set of controllers.");
  const bool listed = std::ranges::find(voters, settings.node_id, &QuorumVoter::id) != voters.end();
  if (settings.is_controller && !voters.empty() && !listed)
    return refuse(
        fmt::format("If process.roles contains the 'controller' role, the node id {} must be "
                    "included in the set of voters controller.quorum.voters=Set({})",
                    settings.node_id.value(), voter_ids(voters)));
  if (!settings.is_controller && listed)
    return refuse(fmt::format(
        "If process.roles contains just the 'broker' role, the node id {} must not be included in "
        "the set of voters controller.quorum.voters=Set({})",
        settings.node_id.value(), voter_ids(voters)));
  return {};
}

}  // namespace barnabas::broker
