// meta.properties: which node and cluster a log directory belongs to (Java's properties format).
#include <fmt/format.h>

#include <charconv>
#include <map>

#include "log/log_manager.hpp"

namespace barnabas::log {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\f';
}

void append_utf8(std::string& text, unsigned code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | (code >> 6));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xE0 | (code >> 12));
    text += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// Appends what the escape at text[at] (behind the backslash) stands for; moves `at` to its last character.
void unescape(std::string_view text, std::size_t& at, std::string& into) {
  switch (text[at]) {
    case 't':
      into += '\t';
      return;
    case 'n':
      into += '\n';
      return;
    case 'r':
      into += '\r';
      return;
    case 'f':
      into += '\f';
      return;
    case 'u': {
      unsigned code = 0;
      std::string_view digits = text.substr(at + 1, 4);
      auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      if (error != std::errc{}) return;
      at += static_cast<std::size_t>(end - digits.data());
      append_utf8(into, code);
      return;
    }
    default:
      into += text[at];
  }
}

/// Lines with their continuations joined; comments and blank lines left out.
std::vector<std::string> logical_lines(std::string_view content) {
  std::vector<std::string> lines;
  bool continues = false;
  while (!content.empty()) {
    std::size_t end = content.find_first_of("\r\n");
    std::string_view line = content.substr(0, end);
    content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
    while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
    if (!continues && (line.empty() || line.front() == '#' || line.front() == '!')) continue;
    std::size_t last = line.find_last_not_of('\\');
    std::size_t backslashes = line.size() - (last == std::string_view::npos ? 0 : last + 1);
    bool goes_on = backslashes % 2 == 1;
    if (goes_on) line.remove_suffix(1);
    if (continues && !lines.empty()) {
      lines.back() += line;
    } else {
      lines.emplace_back(line);
    }
    continues = goes_on;
  }
  return lines;
}

std::map<std::string, std::string> parse_properties(std::string_view content) {
  std::map<std::string, std::string> properties;
  for (const std::string& line : logical_lines(content)) {
    std::string key;
    std::string value;
    std::size_t at = 0;
    for (; at < line.size() && line[at] != '=' && line[at] != ':' && !is_blank(line[at]); ++at) {
      if (line[at] == '\\' && at + 1 < line.size()) {
        unescape(line, ++at, key);
      } else {
        key += line[at];
      }
    }
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at < line.size() && (line[at] == '=' || line[at] == ':')) ++at;
    while (at < line.size() && is_blank(line[at])) ++at;
    for (; at < line.size(); ++at) {
      if (line[at] == '\\' && at + 1 < line.size()) {
        unescape(line, ++at, value);
      } else {
        value += line[at];
      }
    }
    properties[key] = value;
  }
  return properties;
}

std::string escape(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (c == '=' || c == ':' || c == '#' || c == '!' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

Result<std::optional<MetaProperties>> read_meta_properties(FileSystem& files, const std::string& directory) {
  std::string path = directory + "/meta.properties";
  if (!TRY(files.exists(path))) return std::nullopt;
  auto properties = parse_properties(TRY(files.read_file(path)));
  auto malformed = [&](std::string_view what) {
    return fail(ErrorCode::kKafkaStorageError, fmt::format("{}: {}", path, what));
  };
  if (properties["version"] != "1") return malformed("only version=1 is understood");
  MetaProperties found;
  found.cluster_id = properties["cluster.id"];
  if (found.cluster_id.empty()) return malformed("cluster.id is missing");
  std::int32_t node = -1;
  const std::string& text = properties["node.id"];
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), node);
  if (error != std::errc{} || end != text.data() + text.size() || node < 0)
    return malformed("node.id is missing or no number");
  found.node_id = BrokerId(node);
  auto id = Uuid::parse(properties["directory.id"]);
  if (!id) return malformed("directory.id is missing or no uuid");
  if (id->is_reserved()) return malformed("directory.id is a reserved uuid");
  found.directory_id = DirectoryId(*id);
  return found;
}

Result<void> write_meta_properties(FileSystem& files, const std::string& directory,
                                   const MetaProperties& properties, bool sync_name) {
  const std::string content =
      fmt::format("#\nnode.id={}\ndirectory.id={}\nversion=1\ncluster.id={}\n", properties.node_id.value(),
                  properties.directory_id.value().to_string(), escape(properties.cluster_id));
  const std::string path = directory + "/meta.properties";
  if (sync_name) return files.write_file_atomically(path, content);
  const std::string temporary = path + ".tmp";
  {
    const auto file = TRY(files.open(temporary, OpenMode::kReadWriteCreate));
    TRY(file->truncate(0));
    TRY(file->write_at(0, as_bytes(content)));
    TRY(file->sync());
  }
  return files.rename(temporary, path);
}

}  // namespace barnabas::log
