#include "tools/commands/tab_table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::tools {

std::string tab_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows.empty() ? 0 : rows[0].size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += fmt::format("{:<{}}\t", row[i], widths[i]);
    text += "\n";
  }
  return text;
}

}  // namespace barnabas::tools
