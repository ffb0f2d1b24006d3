#include "tools/commands/topic_filter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/options/misuse.hpp"

namespace barnabas::tools {

Result<TopicFilter> TopicFilter::of(std::string_view expression) {
  std::string text(expression);
  std::ranges::replace(text, ',', '|');
  std::erase(text, ' ');
  while (text.starts_with('"') || text.starts_with('\'')) text.erase(0, 1);
  while (text.ends_with('"') || text.ends_with('\'')) text.pop_back();
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const RE2>(text, options);
  if (!compiled->ok()) return misuse(fmt::format("{} is an invalid regex.", text));
  return TopicFilter(std::move(compiled));
}

bool TopicFilter::allows(std::string_view name) const {
  return RE2::FullMatch(re2::StringPiece(name.data(), name.size()), *expression_);
}

}  // namespace barnabas::tools
