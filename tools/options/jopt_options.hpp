// JoptOptions: a command line in the way of most of Kafka's tools: `--name value`, `--name=value`, `-name
// value`. Names are never abbreviated.
//
// A JoptOptions belongs to a command: it is told its options first, then parses once. Thread safety: none.
// Errors: kMisuse with the sentence that the tool prints. Source: measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
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
    bool repeatable = false;                   // may be given more than once
  };

  /// `tool` is the command's name, `summary` opens the usage text.
  JoptOptions(std::string tool, std::string summary);

  JoptOptions& add(Option option);
  JoptOptions& flag(std::string name, std::string text);
  /// With an argument, which may be left out where the option is `optional`.
  JoptOptions& value(std::string name, std::string placeholder, std::string text);
  JoptOptions& values(std::string name, std::string placeholder, std::string text);
  /// --help, --version and, unless a tool has none, --bootstrap-server and --command-config.
  JoptOptions& add_standard_options(bool with_cluster = true);

  Result<void> parse(std::span<const char* const> arguments);

  [[nodiscard]] bool has(std::string_view name) const;
  /// The value, or the standard one, or nothing.
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
  /// The same with "" for nothing.
  [[nodiscard]] std::string text(std::string_view name) const { return get(name).value_or(""); }
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  /// Values that are numbers.
  [[nodiscard]] Result<std::optional<std::int64_t>> number(std::string_view name) const;
  /// The same for numbers of 32 bits.
  [[nodiscard]] Result<std::optional<std::int32_t>> integer(std::string_view name) const;
  /// Options in the order in which they were given, each with its argument ("" for none).
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& sequence() const { return sequence_; }
  /// Arguments that belong to no option.
  [[nodiscard]] const std::vector<std::string>& positional() const { return positional_; }

  /// Fails if one of `names` is not there.
  [[nodiscard]] Result<void> require(std::initializer_list<std::string_view> names) const;
  /// Fails if `name` is there and one of `others` is too.
  [[nodiscard]] Result<void> exclude(std::string_view name,
                                     std::initializer_list<std::string_view> others) const;
  /// How many of `names` are there.
  [[nodiscard]] int count(std::initializer_list<std::string_view> names) const;

  [[nodiscard]] const std::string& tool() const { return tool_; }
  [[nodiscard]] std::string usage() const;
  /// Every option as one writes it, for completion.
  [[nodiscard]] std::vector<std::string> words() const;

 private:
  class Tokens;
  [[nodiscard]] const Option* find(std::string_view name) const;
  Result<void> take(const Option& option, std::optional<std::string> glued, Tokens& tokens);
  Result<void> take_cluster(std::string_view letters, Tokens& tokens);

  std::string tool_;
  std::string summary_;
  std::vector<Option> options_;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
  std::vector<std::pair<std::string, std::string>> sequence_;
  std::vector<std::string> positional_;
};

}  // namespace barnabas::tools
