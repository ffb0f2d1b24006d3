// TopicPattern: a regular expression over topic names (RE2, whole names), as members of consumer groups
// subscribe by it.
//
// Immutable. Thread safety: any thread. Source: KIP-848; the words of errors are those of Kafka 4.3.1.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace re2 {
class RE2;
}

namespace barnabas::broker {

class TopicPattern {
 public:
  /// INVALID_REGULAR_EXPRESSION, with what the client is told.
  static Result<TopicPattern> make(const std::string& expression);
  TopicPattern(TopicPattern&&) noexcept;
  TopicPattern& operator=(TopicPattern&&) noexcept;
  ~TopicPattern();

  [[nodiscard]] bool matches(std::string_view topic) const;

 private:
  explicit TopicPattern(std::unique_ptr<const re2::RE2> compiled);
  std::unique_ptr<const re2::RE2> compiled_;
};

}  // namespace barnabas::broker
