// InputLines: the lines of a descriptor, read in large blocks.
//
// Owned by a command. Thread safety: none. Lines end with \n, \r or \r\n, as for Java's readers, and the last
// one may lack its end. Memory: one block, or the longest line.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace barnabas::tools {

class InputLines {
 public:
  explicit InputLines(int descriptor) : descriptor_(descriptor) {}

  [[nodiscard]] int descriptor() const { return descriptor_; }
  /// A whole line that is here already; valid until fill().
  std::optional<std::string_view> next();
  /// Reads more, waits for it. False at the end of the input, on an error and on a signal.
  bool fill();
  /// After the end: what stands behind the last line's end, if anything does.
  std::optional<std::string_view> rest();

 private:
  int descriptor_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;        // of the next line
  std::size_t end_ = 0;          // of what was read
  std::size_t searched_ = 0;     // no line end before it
  bool skip_line_feed_ = false;  // the last line ended with \r, and \n may belong to it
};

}  // namespace barnabas::tools
