// kafka-topics: its parts.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tools/client/admin.hpp"
#include "tools/options/jopt_options.hpp"

namespace barnabas::tools {

/// Names that --topic (a regular expression) and --exclude-internal leave, sorted.
Result<std::vector<std::string>> chosen_topics(Admin& admin, const JoptOptions& options);
/// Fails if there is none, one was named and nothing says that this is no failure.
Result<void> ensure_topic_exists(const std::vector<std::string>& found, const JoptOptions& options);

Result<void> describe_topics_command(Admin& admin, const JoptOptions& options);

}  // namespace barnabas::tools
