#include "tools/commands/table.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::tools {

std::string Table::text(std::string_view line_end) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = columns_[i].width;
    if (columns_[i].grows && width > 0)
      for (const auto& row : rows_) width = std::max(width, row[i].size());
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](auto value_of) {
    for (std::size_t i = 0; i < columns_.size(); ++i)
      text += fmt::format("{}{:<{}}", i == 0 ? "" : " ", value_of(i), widths[i]);
    text += line_end;
  };
  add_line([&](std::size_t i) -> const std::string& { return columns_[i].heading; });
  for (const auto& row : rows_) add_line([&](std::size_t i) -> const std::string& { return row[i]; });
  return text;
}

}  // namespace barnabas::tools
