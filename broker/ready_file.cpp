#include "broker/ready_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace barnabas::broker {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

Result<void> write_ready_file(const std::string& path, BrokerId node, const std::string& cluster_id,
                              const std::map<std::string, Endpoint>& listeners) {
  if (path.empty()) return {};
  std::string json = fmt::format("{{\"pid\":{},\"node_id\":{},\"cluster_id\":{},\"listeners\":{{", getpid(),
                                 node.value(), quoted(cluster_id));
  const char* separator = "";
  for (const auto& [name, endpoint] : listeners) {
    json += fmt::format("{}{}:{}", separator, quoted(name), quoted(to_string(endpoint)));
    separator = ",";
  }
  json += "}}\n";
  const std::string beside = path + ".tmp";
  std::ofstream file(beside, std::ios::trunc);
  file << json;
  file.close();
  if (!file || std::rename(beside.c_str(), path.c_str()) != 0)
    return fail(ErrorCode::kInvalidConfig, fmt::format("cannot write the ready file {}", path));
  return {};
}

void remove_ready_file(const std::string& path) {
  if (!path.empty()) std::remove(path.c_str());
}

}  // namespace barnabas::broker
