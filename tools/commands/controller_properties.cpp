#include "tools/commands/controller_properties.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>

#include "tools/commands/text_lists.hpp"
#include "tools/options/misuse.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kDoubt = "Is this a valid controller configuration file?";

std::string capitals(std::string_view name) {
  std::string text(name);
  for (char& letter : text)
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  return text;
}

/// "NAME://HOST:PORT", the host in brackets where it has colons.
Result<ControllerListener> parse_listener(std::string_view text) {
  constexpr std::string_view kBeforeHost = "://";
  const auto refused = misuse(fmt::format("Unable to parse {} to a broker endpoint", text));
  const auto name_end = text.find(kBeforeHost);
  const auto port_begin = text.rfind(':');
  if (name_end == std::string_view::npos || port_begin < name_end + kBeforeHost.size()) return refused;
  std::string_view host = text.substr(name_end + kBeforeHost.size());
  host = host.substr(0, host.size() - (text.size() - port_begin));
  if (host.starts_with('[')) host.remove_prefix(1);
  if (host.ends_with(']')) host.remove_suffix(1);
  ControllerListener listener{capitals(text.substr(0, name_end)), std::string(host)};
  const std::string_view port = text.substr(port_begin + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), listener.port);
  if (error != std::errc() || end != port.data() + port.size()) return refused;
  if (listener.host.empty()) listener.host = "localhost";
  return listener;
}

}  // namespace

Result<std::int32_t> controller_id_of(const Properties& properties) {
  const auto found = properties.find("node.id");
  if (found == properties.end())
    return misuse(fmt::format("node.id not found in configuration file. {}", kDoubt));
  const std::string& text = found->second;
  std::int32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size())
    return misuse(fmt::format("For input string: \"{}\"", text));
  if (id < 0) return misuse(fmt::format("node.id was negative in configuration file. {}", kDoubt));
  if (text_property(properties, "process.roles", "").find("controller") == std::string::npos)
    return misuse(
        fmt::format("process.roles did not contain 'controller' in configuration file. {}", kDoubt));
  return id;
}

Result<std::string> metadata_directory_of(const Properties& properties) {
  if (const auto found = properties.find("metadata.log.dir"); found != properties.end()) return found->second;
  if (const auto found = properties.find("log.dirs"); found != properties.end()) {
    const std::string_view all = trim(found->second);
    return std::string(all.substr(0, all.find(',')));
  }
  return misuse(fmt::format("Neither metadata.log.dir nor log.dirs were found. {}", kDoubt));
}

Result<Uuid> directory_id_of(const std::string& metadata_directory) {
  const auto properties = read_properties(metadata_directory + "/meta.properties");
  if (!properties) return misuse("Unable to read meta.properties from " + metadata_directory);
  const auto found = properties->find("directory.id");
  const auto id = found == properties->end() ? std::nullopt : Uuid::parse(found->second);
  if (!id) return misuse("No directory id found in " + metadata_directory);
  return *id;
}

Result<std::vector<ControllerListener>> controller_listeners_of(const Properties& properties) {
  std::map<std::string, ControllerListener, std::less<>> listeners;
  for (const char* key : {"listeners", "advertised.listeners"}) {
    for (const std::string& text : split(trim(text_property(properties, key, "")), ',')) {
      if (trim(text).empty()) continue;
      ControllerListener listener = TRY(parse_listener(trim(text)));
      listeners[listener.name] = listener;
    }
  }
  const auto names = properties.find("controller.listener.names");
  if (names == properties.end())
    return misuse(fmt::format("controller.listener.names was not found. {}", kDoubt));
  std::vector<ControllerListener> found;
  for (const std::string& name : split(names->second, ',')) {
    const auto listener = listeners.find(capitals(name));
    if (listener == listeners.end())
      return misuse("Cannot find information about controller listener name: " + capitals(name));
    if (std::ranges::find(found, listener->second) == found.end()) found.push_back(listener->second);
  }
  return found;
}

}  // namespace barnabas::tools
