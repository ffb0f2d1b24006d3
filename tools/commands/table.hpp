// Tables of the tools: columns apart by a space, each at least as wide as is usual for it and as its longest
// value.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace barnabas::tools {

struct Column {
  std::string heading;
  std::size_t width = 0;  // at least; 0: not padded
  bool grows = true;      // with its values
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  /// With the headings, every line ending as `line_end` says.
  [[nodiscard]] std::string text(std::string_view line_end = "\n") const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// A value that may be missing.
template <class T>
[[nodiscard]] std::string or_dash(const std::optional<T>& value) {
  return value ? std::to_string(*value) : "-";
}
[[nodiscard]] inline std::string or_dash(const std::string& value) {
  return value.empty() ? "-" : value;
}

}  // namespace barnabas::tools
