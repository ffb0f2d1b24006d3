// Tables of the tools that have a tab after each column, which is as wide as its longest value.
#pragma once

#include <string>
#include <vector>

namespace barnabas::tools {

/// The first row is the headings; every row has as many columns.
[[nodiscard]] std::string tab_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace barnabas::tools
