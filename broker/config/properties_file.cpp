#include "broker/config/properties_file.hpp"

#include <fmt/format.h>

#include <optional>

namespace barnabas::broker {
namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\f';
}

/// Joins physical lines: gives one logical line without its leading blanks and without the backslash-newline
/// pairs.
class LogicalLines {
 public:
  explicit LogicalLines(std::string_view text) : text_(text) {}

  /// Nothing at the end of the text. Comment and blank lines are skipped.
  std::optional<std::string> next() {
    while (position_ < text_.size()) {
      first_line_ = line_;
      std::string_view physical = take_physical();
      if (physical.empty() || physical[0] == '#' || physical[0] == '!') continue;
      std::string logical;
      while (ends_in_continuation(physical)) {
        logical += physical.substr(0, physical.size() - 1);
        physical = position_ < text_.size() ? take_physical() : std::string_view();
      }
      logical += physical;
      return logical;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::size_t first_line() const { return first_line_; }

 private:
  std::string_view take_physical() {
    while (position_ < text_.size() && is_blank(text_[position_])) ++position_;
    const std::size_t from = position_;
    while (position_ < text_.size() && text_[position_] != '\n' && text_[position_] != '\r') ++position_;
    const std::string_view physical = text_.substr(from, position_ - from);
    if (position_ < text_.size()) {
      if (text_[position_] == '\r' && position_ + 1 < text_.size() && text_[position_ + 1] == '\n')
        ++position_;
      ++position_;
    }
    ++line_;
    return physical;
  }
  /// An odd number of backslashes at the end.
  static bool ends_in_continuation(std::string_view physical) {
    std::size_t count = 0;
    while (count < physical.size() && physical[physical.size() - 1 - count] == '\\') ++count;
    return count % 2 == 1;
  }

  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t line_ = 1;
  std::size_t first_line_ = 1;
};

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

std::optional<std::uint32_t> parse_hex4(std::string_view digits) {
  if (digits.size() < 4) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : digits.substr(0, 4)) {
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<std::uint32_t>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    else
      return std::nullopt;
    value = value * 16 + digit;
  }
  return value;
}

/// One \uXXXX, or two that form a surrogate pair; `position` stands behind the `u`. False when malformed.
bool unescape_unicode(std::string_view raw, std::size_t& position, std::string& out) {
  auto code = parse_hex4(raw.substr(position));
  if (!code) return false;
  position += 4;
  if (*code >= 0xD800 && *code < 0xDC00 && raw.substr(position).starts_with("\\u")) {
    const auto low = parse_hex4(raw.substr(position + 2));
    if (low && *low >= 0xDC00 && *low < 0xE000) {
      position += 6;
      code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
    }
  }
  append_utf8(out, *code);
  return true;
}

std::optional<std::string> unescape(std::string_view raw) {
  std::string out;
  out.reserve(raw.size());
  for (std::size_t i = 0; i < raw.size();) {
    const char c = raw[i++];
    if (c != '\\' || i == raw.size()) {
      if (c != '\\') out += c;
      continue;
    }
    const char escaped = raw[i++];
    switch (escaped) {
      case 'u':
        if (!unescape_unicode(raw, i, out)) return std::nullopt;
        break;
      case 't':
        out += '\t';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 'f':
        out += '\f';
        break;
      default:
        out += escaped;
    }
  }
  return out;
}

struct RawProperty {
  std::string_view key;
  std::string_view value;
};

/// The key ends at the first unescaped separator; one `=` or `:` with blanks around it belongs to neither.
RawProperty split(std::string_view logical) {
  std::size_t end = 0;
  for (bool escaped = false; end < logical.size(); ++end) {
    const char c = logical[end];
    if (!escaped && (c == '=' || c == ':' || is_blank(c))) break;
    escaped = !escaped && c == '\\';
  }
  std::size_t from = end;
  while (from < logical.size() && is_blank(logical[from])) ++from;
  if (from < logical.size() && (logical[from] == '=' || logical[from] == ':')) ++from;
  while (from < logical.size() && is_blank(logical[from])) ++from;
  return {logical.substr(0, end), logical.substr(from)};
}

}  // namespace

Result<std::vector<Property>> parse_properties(std::string_view text) {
  std::vector<Property> properties;
  LogicalLines lines(text);
  while (const auto logical = lines.next()) {
    const RawProperty raw = split(*logical);
    auto key = unescape(raw.key);
    auto value = unescape(raw.value);
    if (!key || !value)
      return fail(ErrorCode::kInvalidConfig,
                  fmt::format("line {}: malformed \\uxxxx encoding", lines.first_line()));
    properties.push_back({std::move(*key), std::move(*value), lines.first_line()});
  }
  return properties;
}

}  // namespace barnabas::broker
