#include "tools/options/argparse_options.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tools/options/misuse.hpp"
#include "tools/options/number_text.hpp"
#include "tools/options/usage_text.hpp"

namespace barnabas::tools {

class ArgparseOptions::Tokens {
 public:
  explicit Tokens(std::span<const char* const> arguments) : arguments_(arguments) {}
  [[nodiscard]] bool empty() const { return next_ == arguments_.size(); }
  /// True if the next one can be an option's argument. A number may be negative.
  [[nodiscard]] bool has_argument() const {
    if (empty()) return false;
    const std::string_view next = arguments_[next_];
    return !next.starts_with("-") || next.size() == 1 || parse_number<std::int64_t>(next).has_value();
  }
  std::string_view take() { return arguments_[next_++]; }
  std::span<const char* const> rest() {
    const auto rest = arguments_.subspan(next_);
    next_ = arguments_.size();
    return rest;
  }

 private:
  std::span<const char* const> arguments_;
  std::size_t next_ = 0;
};

namespace {

std::string_view without_hyphens(std::string_view name) {
  return name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

std::string all_names(const ArgparseOptions::Option& option) {
  return fmt::format("{}", fmt::join(option.names, "/"));
}

/// Why `text` is no value of the option; nothing when it is one.
Result<void> check_value(const ArgparseOptions::Option& option, const std::string& text) {
  using Kind = ArgparseOptions::Kind;
  const bool is_integer = option.kind == Kind::kInteger && parse_number<std::int32_t>(text);
  const bool is_long = option.kind == Kind::kLong && parse_number<std::int64_t>(text);
  if ((option.kind != Kind::kInteger && option.kind != Kind::kLong) || is_integer || is_long) return {};
  return misuse(fmt::format("argument {}: could not convert '{}' to {} (For input string: \"{}\")",
                            all_names(option), text, option.kind == Kind::kLong ? "Long" : "Integer", text));
}

}  // namespace

ArgparseOptions::ArgparseOptions(std::string tool, std::string summary)
    : tool_(std::move(tool)), summary_(std::move(summary)) {
  add({.names = {"--help", "-h"}, .kind = Kind::kFlag, .text = "Print this text."});
}

ArgparseOptions& ArgparseOptions::add(Option option) {
  options_.push_back(std::move(option));
  return *this;
}

ArgparseOptions& ArgparseOptions::flag(std::string name, std::string text) {
  return add({.names = {"--" + name}, .kind = Kind::kFlag, .text = std::move(text)});
}

ArgparseOptions& ArgparseOptions::value(std::string name, std::string placeholder, std::string text) {
  return add({.names = {"--" + name}, .text = std::move(text), .placeholder = std::move(placeholder)});
}

ArgparseOptions& ArgparseOptions::add_exclusive(bool required, std::vector<Option> options) {
  Group& group = groups_.emplace_back(Group{.required = required, .first_names = {}});
  for (auto& option : options) {
    group.first_names.push_back(option.names.front());
    options_.push_back(std::move(option));
  }
  return *this;
}

ArgparseOptions& ArgparseOptions::subcommand(std::string name, std::string text) {
  subcommands_.emplace_back(std::move(name), std::make_unique<ArgparseOptions>(tool_, std::move(text)));
  return *subcommands_.back().second;
}

Result<void> ArgparseOptions::parse(std::span<const char* const> arguments) {
  Tokens tokens(arguments);
  while (!tokens.empty()) {
    const std::string_view token = tokens.take();
    if (token.starts_with("-") && token.size() > 1) {
      TRY(take_option(token, tokens));
      if (has("help")) return {};
      continue;
    }
    if (subcommands_.empty()) return misuse(fmt::format("unrecognized arguments: '{}'", token));
    active_ = TRY(find_subcommand(token));
    TRY(active_->parse(tokens.rest()));
    if (active_->help_wanted()) return {};
  }
  if (!subcommands_.empty() && active_ == nullptr) return misuse("too few arguments");
  return check_required();
}

Result<void> ArgparseOptions::take_option(std::string_view token, Tokens& tokens) {
  std::string_view name = token;
  std::optional<std::string> glued;
  const bool is_long = token.starts_with("--");
  if (const auto equals = token.find('='); is_long && equals != std::string_view::npos) {
    name = token.substr(0, equals);
    glued = std::string(token.substr(equals + 1));
  }
  if (!is_long && token.size() > 2) {
    name = token.substr(0, 2);  // -bVALUE
    glued = std::string(token.substr(2));
    if (glued->starts_with('=')) glued->erase(0, 1);
  }
  const Option* option = TRY(find(name));
  if (option == nullptr) return misuse(fmt::format("unrecognized arguments: '{}'", token));
  return take(*option, std::move(glued), tokens);
}

Result<const ArgparseOptions::Option*> ArgparseOptions::find(std::string_view name) const {
  std::vector<std::string> fitting;
  const Option* found = nullptr;
  for (const auto& option : options_) {
    for (const auto& candidate : option.names) {
      if (candidate == name) return &option;
      if (!name.starts_with("--") || !candidate.starts_with(name)) continue;
      fitting.push_back(candidate);
      found = &option;
    }
  }
  if (fitting.size() < 2) return found;
  std::ranges::sort(fitting);
  return misuse(fmt::format("ambiguous option: {} could match {}", name, fmt::join(fitting, ", ")));
}

Result<void> ArgparseOptions::take(const Option& option, std::optional<std::string> glued, Tokens& tokens) {
  TRY(check_exclusive(option));
  auto& values = given_[option.names.front()];
  if (option.kind == Kind::kFlag) {
    if (glued)
      return misuse(fmt::format("argument {}: ignore implicit argument '{}'", all_names(option), *glued));
    return {};
  }
  if (!glued && !tokens.has_argument())
    return misuse(fmt::format("argument {}: expected {} argument", all_names(option),
                              option.kind == Kind::kList ? "at least one" : "one"));
  if (option.kind != Kind::kValues && option.kind != Kind::kList) values.clear();
  values.push_back(glued ? *std::move(glued) : std::string(tokens.take()));
  while (option.kind == Kind::kList && tokens.has_argument()) values.emplace_back(tokens.take());
  return check_value(option, values.back());
}

Result<void> ArgparseOptions::check_exclusive(const Option& option) const {
  for (const auto& group : groups_) {
    if (!group.has(option)) continue;
    for (const auto& other : options_)
      if (other.names.front() != option.names.front() && given_.contains(other.names.front()) &&
          group.has(other))
        return misuse(
            fmt::format("argument {}: not allowed with argument {}", all_names(option), all_names(other)));
  }
  return {};
}

Result<void> ArgparseOptions::check_required() const {
  for (const auto& option : options_)
    if (option.required && !given_.contains(option.names.front()))
      return misuse(fmt::format("argument {} is required", all_names(option)));
  for (const auto& group : groups_) {
    if (!group.required) continue;
    std::string names;
    bool there = false;
    for (const auto& option : options_) {
      if (!group.has(option)) continue;
      there = there || given_.contains(option.names.front());
      names += all_names(option) + " ";
    }
    if (!there) return misuse(fmt::format("one of the arguments {}is required", names));
  }
  return {};
}

Result<ArgparseOptions*> ArgparseOptions::find_subcommand(std::string_view name) {
  std::vector<std::string> fitting;
  ArgparseOptions* found = nullptr;
  for (auto& [candidate, options] : subcommands_) {
    if (candidate != name && !candidate.starts_with(name)) continue;
    chosen_ = candidate;
    found = options.get();
    if (candidate == name) return found;
    fitting.push_back(candidate);
  }
  if (fitting.size() == 1) return found;
  if (!fitting.empty())
    return misuse(fmt::format("ambiguous command: {} could match {}", name, fmt::join(fitting, ", ")));
  std::vector<std::string> choices;
  for (const auto& [candidate, options] : subcommands_) choices.push_back("'" + candidate + "'");
  return misuse(fmt::format("invalid choice: '{}' (choose from {})", name, fmt::join(choices, ", ")));
}

bool ArgparseOptions::help_wanted() const {
  return given_.contains("--help") || (active_ != nullptr && active_->help_wanted());
}

bool ArgparseOptions::has(std::string_view name) const {
  const auto is_it = [name](const auto& given) { return without_hyphens(given.first) == name; };
  return std::ranges::any_of(given_, is_it) || (active_ != nullptr && active_->has(name));
}

std::vector<std::string> ArgparseOptions::all(std::string_view name) const {
  for (const auto& [first_name, values] : given_)
    if (without_hyphens(first_name) == name) return values;
  return active_ == nullptr ? std::vector<std::string>{} : active_->all(name);
}

std::optional<std::string> ArgparseOptions::get(std::string_view name) const {
  const auto values = all(name);
  if (!values.empty()) return values.back();
  for (const auto& option : options_)
    if (without_hyphens(option.names.front()) == name && option.standard) return option.standard;
  return active_ == nullptr ? std::nullopt : active_->get(name);
}

std::optional<std::int64_t> ArgparseOptions::number(std::string_view name) const {
  const auto text = get(name);
  return text ? parse_number<std::int64_t>(*text) : std::nullopt;
}

std::string ArgparseOptions::usage() const {
  if (active_ != nullptr && !given_.contains("--help"))
    return fmt::format("usage: {} ... {} [options]\n\n{}", tool_, chosen_,
                       active_->usage().substr(active_->usage().find("\n\n") + 2));
  std::string text = fmt::format("usage: {} [options]{}\n\n{}\n", tool_,
                                 subcommands_.empty() ? "" : " COMMAND ...", summary_);
  if (!subcommands_.empty()) text += "\nCommands:\n";
  for (const auto& [name, options] : subcommands_) text += usage_entry(name, options->summary_);
  text += "\nOptions:\n";
  for (const auto& option : options_) {
    std::string left = fmt::format("{}", fmt::join(option.names, ", "));
    if (option.kind != Kind::kFlag) left += " " + option.placeholder;
    text += usage_entry(left, option.text);
  }
  return text;
}

std::vector<std::string> ArgparseOptions::words() const {
  std::vector<std::string> words;
  for (const auto& option : options_) words.push_back(option.names.front());
  for (const auto& [name, options] : subcommands_) {
    words.push_back(name);
    for (const auto& word : options->words()) words.push_back(word);
  }
  std::ranges::sort(words);
  words.erase(std::ranges::unique(words).begin(), words.end());
  return words;
}

}  // namespace barnabas::tools
