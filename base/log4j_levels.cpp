#include "base/log4j_levels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace barnabas {
namespace {

/// A line of YAML: how deep, and `key: value` (a list's dash counts as two columns of depth).
struct Line {
  std::string_view text;
  std::size_t depth = 0;
  bool item = false;
  std::string_view key;
  std::string value;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

Line parse_line(std::string_view text) {
  Line line;
  line.text = text;
  line.depth = std::min(text.find_first_not_of(' '), text.size());
  std::string_view rest = text.substr(line.depth);
  if (rest.starts_with("- ")) {
    line.item = true;
    line.depth += 2;
    rest.remove_prefix(2);
  }
  if (rest.starts_with('#')) return line;
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos) return line;
  line.key = trimmed(rest.substr(0, colon));
  std::string_view value = trimmed(rest.substr(colon + 1));
  if (const auto comment = value.find(" #"); comment != std::string_view::npos)
    value = trimmed(value.substr(0, comment));
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') && value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  line.value = value;
  return line;
}

std::vector<Line> parse_lines(std::string_view yaml) {
  std::vector<Line> lines;
  while (!yaml.empty()) {
    const auto end = std::min(yaml.find('\n'), yaml.size());
    lines.push_back(parse_line(yaml.substr(0, end)));
    yaml.remove_prefix(std::min(end + 1, yaml.size()));
  }
  return lines;
}

/// Where things stand, as numbers of lines.
struct Places {
  struct Logger {
    std::string name;
    std::optional<std::size_t> level;
    std::size_t last = 0;
  };
  std::optional<std::size_t> loggers;  // "Loggers:"
  std::optional<std::size_t> root;     // "Root:"
  std::optional<std::size_t> root_level;
  std::optional<std::size_t> list;  // "Logger:"
  std::size_t item_depth = 0;
  std::vector<Logger> items;
};

Places find_places(const std::vector<Line>& lines) {
  Places places;
  enum class In { kElsewhere, kRoot, kList } in = In::kElsewhere;
  std::size_t depth = 0;  // of the section's own key
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    if (line.key.empty()) continue;
    if (line.key == "Loggers") {
      places.loggers = i;
      continue;
    }
    if (!places.loggers) continue;
    if (line.key == "Root" && !line.item) {
      in = In::kRoot, depth = line.depth, places.root = i;
    } else if (line.key == "Logger" && !line.item) {
      in = In::kList, depth = line.depth, places.list = i;
    } else if (line.depth <= depth) {
      in = In::kElsewhere;
    } else if (in == In::kRoot && line.key == "level" && !places.root_level) {
      places.root_level = i;
    } else if (in == In::kList) {
      if (line.item && (places.items.empty() || line.depth <= places.item_depth)) {
        places.item_depth = line.depth;
        places.items.emplace_back();
      }
      if (places.items.empty()) continue;
      auto& item = places.items.back();
      item.last = i;
      if (line.depth == places.item_depth && line.key == "name") item.name = line.value;
      if (line.depth == places.item_depth && line.key == "level") item.level = i;
    }
  }
  return places;
}

std::string with_value(const Line& line, const std::string& value) {
  const auto colon = line.text.find(':');
  return fmt::format("{}: {}", line.text.substr(0, colon), value);
}

std::string new_item(std::size_t depth, const LoggerLevel& logger) {
  const std::string indent(depth >= 2 ? depth - 2 : 0, ' ');
  return fmt::format("\n{}- name: {}\n{}  level: {}", indent, logger.logger, indent, logger.level);
}

}  // namespace

Log4jLevels read_log4j_levels(std::string_view yaml) {
  const auto lines = parse_lines(yaml);
  const Places places = find_places(lines);
  Log4jLevels levels;
  if (places.root_level) levels.root = lines[*places.root_level].value;
  for (const auto& item : places.items)
    if (item.level && !item.name.empty()) levels.loggers.push_back({item.name, lines[*item.level].value});
  return levels;
}

std::string with_log4j_levels(std::string_view yaml, const std::string& root,
                              const std::vector<LoggerLevel>& loggers) {
  if (root.empty() && loggers.empty()) return std::string(yaml);
  const auto lines = parse_lines(yaml);
  const Places places = find_places(lines);
  std::vector<std::string> out;
  for (const auto& line : lines) out.emplace_back(line.text);
  if (!places.loggers) {  // nothing of the shape: what is asked for stands at the end
    out.emplace_back("Configuration:\n  Loggers:");
  }
  if (!root.empty()) {
    if (places.root_level)
      out[*places.root_level] = with_value(lines[*places.root_level], root);
    else if (places.root)
      out[*places.root] += fmt::format("\n{}  level: {}", std::string(lines[*places.root].depth, ' '), root);
    else
      out[places.loggers.value_or(out.size() - 1)] += fmt::format("\n    Root:\n      level: {}", root);
  }
  std::string added;
  for (const auto& logger : loggers) {
    const auto known = std::ranges::find(places.items, logger.logger, &Places::Logger::name);
    if (known == places.items.end())
      added += new_item(places.items.empty() ? 8 : places.item_depth, logger);
    else if (known->level)
      out[*known->level] = with_value(lines[*known->level], logger.level);
    else
      out[known->last] += fmt::format("\n{}level: {}", std::string(places.item_depth, ' '), logger.level);
  }
  if (!added.empty()) {
    if (!places.items.empty())
      out[places.items.back().last] += added;
    else if (places.list)
      out[*places.list] += added;
    else
      out[places.loggers.value_or(out.size() - 1)] += "\n    Logger:" + added;
  }
  return fmt::format("{}\n", fmt::join(out, "\n"));
}

}  // namespace barnabas
