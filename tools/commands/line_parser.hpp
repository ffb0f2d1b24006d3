// LineParser: a line of text as a record, the way kafka-console-producer reads it.
//
// Owned by a command. Thread safety: none. Views point into the line. Errors: INVALID_CONFIG for properties
// that contradict each other, INVALID_REQUEST for a line. Source: the properties of Kafka's
// LineMessageReader, measured on Kafka 4.3.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/records.hpp"
#include "tools/client/client_config.hpp"

namespace barnabas::tools {

struct ParsedLine {
  std::optional<ByteView> key;
  std::optional<ByteView> value;
  std::vector<protocol::RecordHeader> headers;
};

class LineParser {
 public:
  static Result<LineParser> of(const Properties& properties);

  /// Lines are counted from 1. `to` is used again, to save its memory.
  Result<void> parse(std::string_view line, ParsedLine& to);

 private:
  Result<void> check() const;
  /// The text before the separator, which is taken off `line`; nothing where it is missing and may be.
  Result<std::optional<std::string_view>> take(std::string_view& line, const std::string& separator,
                                               std::string_view what, std::string_view whole_line) const;
  Result<void> split_headers(std::string_view text, std::vector<protocol::RecordHeader>& to) const;
  [[nodiscard]] std::optional<ByteView> field(std::string_view text) const;

  bool parse_key_ = false;
  bool parse_headers_ = false;
  bool ignore_error_ = false;
  std::string key_separator_ = "\t";
  std::string headers_delimiter_ = "\t";
  std::string headers_separator_ = ",";
  std::string headers_key_separator_ = ":";
  std::optional<std::string> null_marker_;
  std::int64_t line_number_ = 0;
};

}  // namespace barnabas::tools
