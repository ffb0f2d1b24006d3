#include "broker/coordinator/topic_pattern.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <utility>

namespace barnabas::broker {
namespace {

/// RE2 for Java's words for what RE2 found.
std::string_view description_of(re2::RE2::ErrorCode code) {
  switch (code) {
    case re2::RE2::ErrorBadEscape:
      return "invalid escape sequence";
    case re2::RE2::ErrorBadCharClass:
      return "invalid character class";
    case re2::RE2::ErrorBadCharRange:
      return "invalid character class range";
    case re2::RE2::ErrorMissingBracket:
      return "missing closing ]";
    case re2::RE2::ErrorMissingParen:
      return "missing closing )";
    case re2::RE2::ErrorUnexpectedParen:
      return "regexp/syntax: internal error";
    case re2::RE2::ErrorTrailingBackslash:
      return "trailing backslash at end of expression";
    case re2::RE2::ErrorRepeatArgument:
      return "missing argument to repetition operator";
    case re2::RE2::ErrorRepeatSize:
      return "invalid repeat count";
    case re2::RE2::ErrorRepeatOp:
      return "invalid nested repetition operator";
    case re2::RE2::ErrorBadPerlOp:
      return "invalid or unsupported Perl syntax";
    case re2::RE2::ErrorBadNamedCapture:
      return "invalid named capture";
    default:
      return "invalid regular expression";
  }
}

/// With (?<name>, which RE2 for Java knows too, as (?P<name>.
std::string with_old_names(std::string_view expression) {
  std::string result;
  bool in_class = false;
  for (std::size_t at = 0; at < expression.size(); ++at) {
    const char c = expression[at];
    if (c == '\\' && at + 1 < expression.size()) {
      result += c;
      result += expression[++at];
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    const std::string_view rest = expression.substr(at);
    if (!in_class && rest.starts_with("(?<") && !rest.starts_with("(?<=") && !rest.starts_with("(?<!")) {
      result += "(?P<";
      at += 2;
    } else {
      result += c;
    }
  }
  return result;
}

}  // namespace

Result<TopicPattern> TopicPattern::make(const std::string& expression) {
  auto compiled = std::make_unique<const re2::RE2>(with_old_names(expression), re2::RE2::Quiet);
  // Names that stand for two groups each are no error to RE2 itself.
  const bool names_differ =
      compiled->ok() && compiled->NamedCapturingGroups().size() == compiled->CapturingGroupNames().size();
  if (names_differ) return TopicPattern(std::move(compiled));
  return fail(
      ErrorCode::kInvalidRegularExpression,
      fmt::format("SubscribedTopicRegex `{}` is not a valid regular expression: {}.", expression,
                  compiled->ok() ? "duplicate capture group name" : description_of(compiled->error_code())));
}

TopicPattern::TopicPattern(std::unique_ptr<const re2::RE2> compiled) : compiled_(std::move(compiled)) {}
TopicPattern::TopicPattern(TopicPattern&&) noexcept = default;
TopicPattern& TopicPattern::operator=(TopicPattern&&) noexcept = default;
TopicPattern::~TopicPattern() = default;

bool TopicPattern::matches(std::string_view topic) const {
  return re2::RE2::FullMatch(re2::StringPiece(topic.data(), topic.size()), *compiled_);
}

}  // namespace barnabas::broker
