// Topics by a regular expression, as --topic, --include and --exclude have them: the expression must fit the
// whole name, a comma is as good as |.
//
// A value. RE2 evaluates it: what Java's expressions have beyond it (look-around, back references) is
// refused.
#pragma once

#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace barnabas::tools {

class TopicFilter {
 public:
  /// kMisuse with Kafka's sentence when it is no regular expression.
  static Result<TopicFilter> of(std::string_view expression);

  [[nodiscard]] bool allows(std::string_view name) const;

 private:
  explicit TopicFilter(std::shared_ptr<const RE2> expression) : expression_(std::move(expression)) {}
  std::shared_ptr<const RE2> expression_;
};

}  // namespace barnabas::tools
