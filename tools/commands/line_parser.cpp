#include "tools/commands/line_parser.hpp"

#include <fmt/format.h>

namespace barnabas::tools {
namespace {

bool is_true(const Properties& properties, const char* key) {
  std::string value = text_property(properties, key, "false");
  for (char& letter : value) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return value == "true";
}

std::unexpected<Error> unequal(std::string_view one, std::string_view other) {
  return fail(ErrorCode::kInvalidConfig, fmt::format("{} and {} may not be equal", one, other));
}

}  // namespace

Result<LineParser> LineParser::of(const Properties& properties) {
  LineParser parser;
  parser.parse_key_ = is_true(properties, "parse.key");
  parser.parse_headers_ = is_true(properties, "parse.headers");
  parser.ignore_error_ = is_true(properties, "ignore.error");
  const auto read = [&](const char* key, std::string& to) { to = text_property(properties, key, to); };
  read("key.separator", parser.key_separator_);
  read("headers.delimiter", parser.headers_delimiter_);
  read("headers.separator", parser.headers_separator_);
  read("headers.key.separator", parser.headers_key_separator_);
  if (properties.contains("null.marker")) parser.null_marker_ = properties.at("null.marker");
  TRY(parser.check());
  return parser;
}

Result<void> LineParser::check() const {
  if (headers_delimiter_ == headers_separator_) return unequal("headers.delimiter", "headers.separator");
  if (headers_delimiter_ == headers_key_separator_) {
    return unequal("headers.delimiter", "headers.key.separator");
  }
  if (headers_separator_ == headers_key_separator_) {
    return unequal("headers.separator", "headers.key.separator");
  }
  if (null_marker_ == key_separator_) return unequal("null.marker", "key.separator");
  if (null_marker_ == headers_separator_) return unequal("null.marker", "headers.separator");
  if (null_marker_ == headers_delimiter_) return unequal("null.marker", "headers.delimiter");
  if (null_marker_ == headers_key_separator_) return unequal("null.marker", "headers.key.separator");
  return {};
}

Result<void> LineParser::parse(std::string_view line, ParsedLine& to) {
  ++line_number_;
  to.headers.clear();
  to.key.reset();
  const std::string_view whole_line = line;
  if (parse_headers_) {
    const auto headers = TRY(take(line, headers_delimiter_, "headers delimiter", whole_line));
    if (headers && *headers != null_marker_) TRY(split_headers(*headers, to.headers));
  }
  if (parse_key_) {
    const auto key = TRY(take(line, key_separator_, "key separator", whole_line));
    if (key) to.key = field(*key);
  }
  to.value = field(line);
  return {};
}

Result<std::optional<std::string_view>> LineParser::take(std::string_view& line, const std::string& separator,
                                                         std::string_view what,
                                                         std::string_view whole_line) const {
  const std::size_t at = line.find(separator);
  if (at != std::string_view::npos) {
    const std::string_view before = line.substr(0, at);
    line.remove_prefix(at + separator.size());
    return before;
  }
  if (ignore_error_) return std::nullopt;
  return fail(ErrorCode::kInvalidRequest,
              fmt::format("No {} found on line number {}: '{}'", what, line_number_, whole_line));
}

Result<void> LineParser::split_headers(std::string_view text, std::vector<protocol::RecordHeader>& to) const {
  // Separators at the end make no headers, an empty text makes one that is wrong.
  const bool was_empty = text.empty();
  while (!text.empty() && text.ends_with(headers_separator_)) text.remove_suffix(headers_separator_.size());
  if (text.empty() && !was_empty) return {};
  for (;;) {
    const std::size_t comma = text.find(headers_separator_);
    const std::string_view pair = text.substr(0, comma);
    const std::size_t colon = pair.find(headers_key_separator_);
    if (colon == std::string_view::npos) {
      if (!ignore_error_) {
        return fail(
            ErrorCode::kInvalidRequest,
            fmt::format("No header key separator found in pair '{}' on line number {}", pair, line_number_));
      }
      to.push_back({pair, std::nullopt});
    } else {
      const std::string_view key = pair.substr(0, colon);
      if (key == null_marker_) {
        return fail(
            ErrorCode::kInvalidRequest,
            fmt::format("Header keys should not be equal to the null marker '{}' as they can't be null",
                        *null_marker_));
      }
      to.push_back({key, field(pair.substr(colon + headers_key_separator_.size()))});
    }
    if (comma == std::string_view::npos) return {};
    text.remove_prefix(comma + headers_separator_.size());
  }
}

std::optional<ByteView> LineParser::field(std::string_view text) const {
  if (text == null_marker_) return std::nullopt;
  return as_bytes(text);
}

}  // namespace barnabas::tools
