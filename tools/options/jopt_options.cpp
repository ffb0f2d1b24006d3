#include "tools/options/jopt_options.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/options/misuse.hpp"
#include "tools/options/number_text.hpp"
#include "tools/options/usage_text.hpp"

namespace barnabas::tools {

/// The arguments that are still to be read.
class JoptOptions::Tokens {
 public:
  explicit Tokens(std::span<const char* const> arguments) : arguments_(arguments) {}
  [[nodiscard]] bool empty() const { return next_ == arguments_.size(); }
  [[nodiscard]] std::string_view peek() const { return arguments_[next_]; }
  std::string_view take() { return arguments_[next_++]; }

 private:
  std::span<const char* const> arguments_;
  std::size_t next_ = 0;
};

namespace {

struct NameAndValue {
  std::string_view name;
  std::optional<std::string> value;
};

NameAndValue split_at_equals(std::string_view token) {
  const auto equals = token.find('=');
  if (equals == std::string_view::npos) return {token, std::nullopt};
  return {token.substr(0, equals), std::string(token.substr(equals + 1))};
}

std::unexpected<Error> unrecognized(std::string_view name) {
  return misuse(fmt::format("{} is not a recognized option", name));
}

}  // namespace

JoptOptions::JoptOptions(std::string tool, std::string summary)
    : tool_(std::move(tool)), summary_(std::move(summary)) {}

JoptOptions& JoptOptions::add(Option option) {
  options_.push_back(std::move(option));
  return *this;
}

JoptOptions& JoptOptions::flag(std::string name, std::string text) {
  return add({.name = std::move(name), .text = std::move(text)});
}

JoptOptions& JoptOptions::value(std::string name, std::string placeholder, std::string text) {
  return add({.name = std::move(name),
              .argument = Argument::kRequired,
              .placeholder = std::move(placeholder),
              .text = std::move(text)});
}

JoptOptions& JoptOptions::values(std::string name, std::string placeholder, std::string text) {
  value(std::move(name), std::move(placeholder), std::move(text));
  options_.back().repeatable = true;
  return *this;
}

JoptOptions& JoptOptions::add_standard_options(bool with_cluster) {
  if (with_cluster) {
    value("bootstrap-server", "HOST:PORT,...", "Brokers to connect to; one that answers is enough.");
    value("command-config", "FILE", "Properties of the client, as Kafka's admin client has them.");
  }
  flag("help", "Print this text.");
  return flag("version", "Print the version.");
}

const JoptOptions::Option* JoptOptions::find(std::string_view name) const {
  const auto found = std::ranges::find(options_, name, &Option::name);
  return found == options_.end() ? nullptr : &*found;
}

Result<void> JoptOptions::parse(std::span<const char* const> arguments) {
  Tokens tokens(arguments);
  bool only_positional = false;
  while (!tokens.empty()) {
    const std::string_view token = tokens.take();
    if (only_positional || !token.starts_with("-") || token == "-") {
      positional_.emplace_back(token);
    } else if (token == "--") {
      only_positional = true;
    } else if (token.starts_with("--")) {
      auto [name, value] = split_at_equals(token.substr(2));
      const Option* option = find(name);
      if (option == nullptr) return unrecognized(name);
      TRY(take(*option, std::move(value), tokens));
    } else {
      auto [name, value] = split_at_equals(token.substr(1));
      const Option* option = find(name);
      if (option != nullptr) {
        TRY(take(*option, std::move(value), tokens));
      } else {
        TRY(take_cluster(token.substr(1), tokens));
      }
    }
  }
  return {};
}

Result<void> JoptOptions::take(const Option& option, std::optional<std::string> glued, Tokens& tokens) {
  auto& values = given_[option.name];
  sequence_.emplace_back(option.name, "");
  if (option.argument == Argument::kNone) return {};
  if (!glued && option.argument == Argument::kOptional) {
    if (tokens.empty() || tokens.peek().starts_with("-")) return {};
  }
  if (!glued) {
    if (tokens.empty()) return misuse(fmt::format("Option {} requires an argument", option.name));
    glued = std::string(tokens.take());
  }
  if (!values.empty() && !option.repeatable)
    return misuse(
        fmt::format("Found multiple arguments for option {}, but you asked for only one", option.name));
  sequence_.back().second = *glued;
  values.push_back(*std::move(glued));
  return {};
}

Result<void> JoptOptions::take_cluster(std::string_view letters, Tokens& tokens) {
  while (!letters.empty()) {
    const std::string_view letter = letters.substr(0, 1);
    letters.remove_prefix(1);
    const Option* option = find(letter);
    if (option == nullptr) return unrecognized(letter);
    if (option->argument == Argument::kNone) {
      TRY(take(*option, std::nullopt, tokens));
      continue;
    }
    return take(*option, letters.empty() ? std::nullopt : std::optional<std::string>(letters), tokens);
  }
  return {};
}

bool JoptOptions::has(std::string_view name) const {
  return given_.contains(name);
}

std::optional<std::string> JoptOptions::get(std::string_view name) const {
  const auto given = given_.find(name);
  if (given != given_.end() && !given->second.empty()) return given->second.back();
  const Option* option = find(name);
  return option == nullptr ? std::nullopt : option->standard;
}

std::vector<std::string> JoptOptions::all(std::string_view name) const {
  const auto given = given_.find(name);
  return given == given_.end() ? std::vector<std::string>{} : given->second;
}

Result<std::optional<std::int64_t>> JoptOptions::number(std::string_view name) const {
  const auto text = get(name);
  if (!text) return std::nullopt;
  const auto number = parse_number<std::int64_t>(*text);
  if (!number) return misuse(fmt::format("Cannot parse argument '{}' of option {}", *text, name));
  return number;
}

Result<std::optional<std::int32_t>> JoptOptions::integer(std::string_view name) const {
  const auto text = get(name);
  if (!text) return std::nullopt;
  const auto number = parse_number<std::int32_t>(*text);
  if (!number) return misuse(fmt::format("Cannot parse argument '{}' of option {}", *text, name));
  return number;
}

Result<void> JoptOptions::require(std::initializer_list<std::string_view> names) const {
  for (const auto name : names)
    if (!has(name)) return misuse(fmt::format("Missing required argument \"[{}]\"", name));
  return {};
}

Result<void> JoptOptions::exclude(std::string_view name,
                                  std::initializer_list<std::string_view> others) const {
  if (!has(name)) return {};
  for (const auto other : others)
    if (has(other))
      return misuse(fmt::format("Option \"[{}]\" can't be used with option \"[{}]\"", name, other));
  return {};
}

int JoptOptions::count(std::initializer_list<std::string_view> names) const {
  return static_cast<int>(std::ranges::count_if(names, [this](std::string_view name) { return has(name); }));
}

std::string JoptOptions::usage() const {
  std::string text = summary_ + "\n\nOptions:\n";
  for (const auto& option : options_) {
    std::string left = (option.name.size() == 1 ? "-" : "--") + option.name;
    if (option.argument == Argument::kRequired) left += " " + option.placeholder;
    if (option.argument == Argument::kOptional) left += " [" + option.placeholder + "]";
    text += usage_entry(left,
                        option.standard ? option.text + " Default: " + *option.standard + "." : option.text);
  }
  return text;
}

std::vector<std::string> JoptOptions::words() const {
  std::vector<std::string> words;
  for (const auto& option : options_) words.push_back((option.name.size() == 1 ? "-" : "--") + option.name);
  return words;
}

}  // namespace barnabas::tools
