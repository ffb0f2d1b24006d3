// ArgparseOptions: a command line in the way of those of Kafka's tools that have subcommands: `tool --option
// value subcommand --option=value`. Long names and subcommands may be abbreviated as long as one fits.
//
// An ArgparseOptions belongs to a command: it is told its options first, then parses once. Options of the
// tool stand before its subcommand, those of the subcommand after it. Thread safety: none. Errors:
// kMisuse with the sentence that the tool prints. Source: measured on Kafka 4.3.1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace barnabas::tools {

class ArgparseOptions {
 public:
  enum class Kind {
    kFlag,
    kValue,
    kValues,   // one argument, the option may be repeated
    kList,     // all arguments up to the next option, at least one
    kInteger,  // checked while parsing
    kLong,
  };

  struct Option {
    std::vector<std::string> names;  // "--bootstrap-server", "-b"
    Kind kind = Kind::kValue;
    std::string text = {};  // what it is for
    bool required = false;
    std::string placeholder = {};
    std::optional<std::string> standard = {};  // the value without it
  };

  /// `tool` is the program's name in sentences, `summary` opens the usage text.
  ArgparseOptions(std::string tool, std::string summary);

  ArgparseOptions& add(Option option);
  ArgparseOptions& flag(std::string name, std::string text);
  ArgparseOptions& value(std::string name, std::string placeholder, std::string text);
  /// At most one of these; exactly one where the group is required.
  ArgparseOptions& add_exclusive(bool required, std::vector<Option> options);
  /// Valid as long as this object.
  ArgparseOptions& subcommand(std::string name, std::string text);

  Result<void> parse(std::span<const char* const> arguments);

  /// True after parse() when the user asked for help; usage() then speaks of the subcommand that was named.
  [[nodiscard]] bool help_wanted() const;
  [[nodiscard]] const std::string& chosen() const { return chosen_; }  // the subcommand
  /// Of the tool's own options and those of the chosen subcommand, by the first name without its hyphens.
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
  [[nodiscard]] std::string text(std::string_view name) const { return get(name).value_or(""); }
  [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const;

  [[nodiscard]] const std::string& tool() const { return tool_; }
  [[nodiscard]] std::string usage() const;
  [[nodiscard]] std::vector<std::string> words() const;

 private:
  struct Group {
    bool required;
    std::vector<std::string> first_names;
    [[nodiscard]] bool has(const Option& option) const {
      return std::ranges::find(first_names, option.names.front()) != first_names.end();
    }
  };
  class Tokens;

  Result<const Option*> find(std::string_view name) const;
  Result<void> take(const Option& option, std::optional<std::string> glued, Tokens& tokens);
  Result<void> take_option(std::string_view token, Tokens& tokens);
  Result<void> check_exclusive(const Option& option) const;
  Result<void> check_required() const;
  Result<ArgparseOptions*> find_subcommand(std::string_view name);

  std::string tool_;
  std::string summary_;
  std::vector<Option> options_;
  std::vector<Group> groups_;
  std::vector<std::pair<std::string, std::unique_ptr<ArgparseOptions>>> subcommands_;
  std::string chosen_;
  ArgparseOptions* active_ = nullptr;
  std::map<std::string, std::vector<std::string>, std::less<>> given_;  // by the first name
};

}  // namespace barnabas::tools
