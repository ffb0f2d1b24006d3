// JoptOptions: a command line in the way of most of Kafka's tools: `--name value`, `--name=value`, `-n
// value`, long names abbreviated as long as they are unambiguous.
//
// A JoptOptions belongs to a command: it is told its options first, then parses once. Thread safety: none.
// Errors: INVALID_REQUEST with the sentence that the tool prints before its usage. Source: measured on
// Kafka 4.3.1.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace barnabas::tools {

class JoptOptions {
 public:
  enum class Argument { kNone, kRequired, kOptional };

  struct Option {
    std::string name;
    Argument argument = Argument::kNone;
    std::string placeholder = {};              // of its argument in the usage text
    std::string text = {};                     // what it is for
    std::optional<std::string> standard = {};  // the value without it
  };

  /// `summary` opens the usage text.
  explicit JoptOptions(std::string summary);
  void add(Option option);

  Result<void> parse(std::span<const char* const> arguments);

  [[nodiscard]] bool has(std::string_view name) const;
  /// The value, or the standard one; the last where it was given more than once.
  [[nodiscard]] std::optional<std::string> value(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> values(std::string_view name) const;
  /// Arguments that belong to no option.
  [[nodiscard]] const std::vector<std::string>& positional() const;

  [[nodiscard]] std::string usage() const;

 private:
  std::string summary_;
  std::vector<Option> options_;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
  std::vector<std::string> positional_;
};

}  // namespace barnabas::tools
