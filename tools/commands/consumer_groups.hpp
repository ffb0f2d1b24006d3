// kafka-consumer-groups: its parts.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "tools/client/admin.hpp"
#include "tools/options/jopt_options.hpp"

namespace barnabas::tools {

/// Those of --group, or all that consume.
Result<std::vector<std::string>> chosen_groups(Admin& admin, const JoptOptions& options);

Result<void> list_consumer_groups(Admin& admin, const JoptOptions& options);
Result<void> describe_consumer_groups(Admin& admin, const JoptOptions& options);
Result<void> delete_consumer_groups(Admin& admin, const JoptOptions& options);
Result<void> delete_group_offsets(Admin& admin, const JoptOptions& options);
Result<void> reset_group_offsets(Admin& admin, const JoptOptions& options);

/// "\nError: ...".
void print_group_error(std::string_view sentence);

/// A `--topic` argument, "name" or "name:0,1,2".
struct TopicArgument {
  std::string topic;
  std::vector<std::int32_t> partitions;  // empty: all
};
Result<std::vector<TopicArgument>> topic_arguments(const JoptOptions& options);

}  // namespace barnabas::tools
