// Reads lines of MessageInstances.java (class, version, hex, JSON) and holds each against our codecs: the
// bytes decode, encode to the same bytes, give the same JSON, and the JSON gives the same bytes. Prints what
// differs, at most 20.
//
// message_compare FILE
#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "protocol/json/message_json.hpp"
#include "protocol/message_registry.hpp"

namespace barnabas::protocol {
namespace {

struct Instance {
  std::string message;
  std::int16_t version = 0;
  Bytes bytes;
  boost::json::value json;
};

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    std::size_t to = line.find('\t', from);
    parts.push_back(line.substr(from, to - from));
    if (to == std::string::npos) return parts;
    from = to + 1;
  }
}

Bytes parse_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

/// The Java classes of requests, responses and headers are called after the message with "Data" behind.
const MessageType* type_of(std::string_view class_name) {
  const MessageType* type = find_message(class_name);
  if (type == nullptr && class_name.ends_with("Data"))
    type = find_message(class_name.substr(0, class_name.size() - 4));
  return type;
}

std::string difference(const boost::json::value& theirs, const boost::json::value& ours,
                       const std::string& path);

std::string difference_of_objects(const boost::json::object& theirs, const boost::json::object& ours,
                                  const std::string& path) {
  for (const auto& [key, value] : theirs) {
    std::string at = path + "." + std::string(key);
    const boost::json::value* our = ours.if_contains(key);
    if (our == nullptr) return at + " is missing from ours";
    if (std::string found = difference(value, *our, at); !found.empty()) return found;
  }
  for (const auto& [key, value] : ours) {
    if (!theirs.contains(key)) return path + "." + std::string(key) + " is only in ours";
  }
  return "";
}

/// Where two values differ first; empty when they do not.
std::string difference(const boost::json::value& theirs, const boost::json::value& ours,
                       const std::string& path) {
  if (theirs.is_object() && ours.is_object()) {
    return difference_of_objects(theirs.get_object(), ours.get_object(), path);
  }
  if (theirs.is_array() && ours.is_array()) {
    if (theirs.get_array().size() != ours.get_array().size()) return path + " has another length";
    for (std::size_t i = 0; i < theirs.get_array().size(); ++i) {
      std::string at = path + "[" + std::to_string(i) + "]";
      if (std::string found = difference(theirs.at(i), ours.at(i), at); !found.empty()) return found;
    }
    return "";
  }
  if (theirs == ours) return "";
  return path + ": " + boost::json::serialize(theirs) + ", ours " + boost::json::serialize(ours);
}

/// What is wrong with our codecs for one instance; empty when nothing is.
std::string compare(const Instance& instance) {
  const MessageType* type = type_of(instance.message);
  if (type == nullptr) return "we do not have this message";
  const MessageJson* json = find_message_json(type->name);
  if (json == nullptr) return "no JSON of this message";

  Recoded recoded = type->recode(instance.version, instance.bytes);
  if (recoded.failure != nullptr) return recoded.failure;
  if (recoded.consumed != instance.bytes.size()) return "decoding leaves bytes over";
  if (recoded.announced != instance.bytes.size()) return "size() is wrong";
  if (recoded.bytes != instance.bytes) return "encodes to other bytes";

  JsonContext context;
  boost::json::value ours = json->to_json(context, instance.version, instance.bytes);
  if (context.ok()) {
    if (std::string found = difference(instance.json, ours, type->name); !found.empty()) return found;
    if (json->from_json(context, instance.version, instance.json) != instance.bytes) {
      context.fail("its JSON encodes to other bytes");
    }
  }
  return context.failure();
}

int compare_file(const char* path) {
  std::ifstream in(path);
  std::string line;
  std::size_t lines = 0;
  std::size_t different = 0;
  std::map<std::string, std::size_t> versions;
  while (std::getline(in, line)) {
    std::vector<std::string> parts = split(line);
    if (parts.size() != 4) return std::fprintf(stderr, "%s: line %zu is not ours\n", path, lines + 1), 2;
    Instance instance{parts[0], static_cast<std::int16_t>(std::stoi(parts[1])), parse_hex(parts[2]),
                      boost::json::parse(parts[3])};
    ++lines;
    ++versions[parts[0] + " " + parts[1]];
    std::string found = compare(instance);
    if (found.empty()) continue;
    if (++different > 20) continue;
    std::printf("%s v%d: %s\n  %s\n  %s\n", parts[0].c_str(), instance.version, found.c_str(),
                parts[2].c_str(), parts[3].c_str());
  }
  std::printf("%zu instances of %zu message versions, %zu different\n", lines, versions.size(), different);
  return lines > 0 && different == 0 ? 0 : 1;
}

}  // namespace
}  // namespace barnabas::protocol

int main(int count, char** arguments) {
  if (count != 2) return std::fprintf(stderr, "usage: message_compare FILE\n"), 2;
  return barnabas::protocol::compare_file(arguments[1]);
}
