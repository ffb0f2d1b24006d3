// kafka-consumer-groups --delete and --delete-offsets.
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "protocol/error_table.hpp"
#include "protocol/messages/api_delete_groups.hpp"
#include "protocol/messages/api_offset_delete.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/client/topic_description.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/consumer_groups.hpp"
#include "tools/commands/table.hpp"

namespace barnabas::tools {
namespace {

using protocol::DeleteGroupsRequest;
using protocol::DeleteGroupsResponse;
using protocol::OffsetDeleteRequest;
using protocol::OffsetDeleteResponse;

Result<void> delete_group(Admin& admin, const std::string& id) {
  DeleteGroupsRequest request;
  request.groups_names = {id};
  const auto check = [](const DeleteGroupsResponse& answer) {
    return answer.results.empty() ? Result<void>{} : refusal(answer.results.front().error_code);
  };
  const auto deleted = admin.call<DeleteGroupsResponse>(Target::group(id), request,
                                                        "deleteConsumerGroups(api=DELETE_GROUPS)", check);
  if (deleted) return {};
  return std::unexpected(deleted.error());
}

std::string quoted_list(const std::vector<std::string>& ids) {
  return ids.empty() ? "" : fmt::format("'{}'", fmt::join(ids, "', '"));
}

/// What became of each partition; of a topic that does not exist, partition -1.
using Outcomes = std::map<TopicPartition, Result<void>>;

/// Partitions of the arguments. A topic that is named without partitions and is not there has its error
/// already.
Result<OffsetDeleteRequest> deletion_of(Admin& admin, const std::vector<TopicArgument>& arguments,
                                        Outcomes& outcomes) {
  OffsetDeleteRequest request;
  for (const auto& argument : arguments) {
    auto partitions = argument.partitions;
    if (partitions.empty()) {
      const auto described = describe_topics(admin, {argument.topic});
      if (!described) {
        outcomes[{argument.topic, PartitionIndex(-1)}] = std::unexpected(described.error());
        continue;
      }
      for (const auto& partition : described->front().partitions) partitions.push_back(partition.index);
    }
    auto& topic = request.topics.emplace_back();
    topic.name = argument.topic;
    for (const auto partition : partitions) topic.partitions.push_back({.partition_index = partition});
  }
  return request;
}

void print_outcomes(const Outcomes& outcomes) {
  Table table({{"TOPIC", 15, false}, {"PARTITION", 10, false}, {"STATUS", 15, false}});
  for (const auto& [partition, outcome] : outcomes) {
    const auto index = partition.partition.value();
    table.add({partition.topic, index < 0 ? "-" : std::to_string(index),
               outcome ? "Successful" : "Error: " + exception_line(outcome.error())});
  }
  fmt::print("\n{}", table.text());
}

}  // namespace

Result<void> delete_consumer_groups(Admin& admin, const JoptOptions& options) {
  auto ids = TRY(chosen_groups(admin, options));
  std::ranges::sort(ids);
  std::vector<std::string> deleted;
  std::vector<std::pair<std::string, Error>> failed;
  for (const auto& id : ids) {
    if (const auto done = delete_group(admin, id); done) {
      deleted.push_back(id);
    } else {
      failed.emplace_back(id, done.error());
    }
  }
  if (failed.empty()) {
    fmt::print("Deletion of requested consumer groups ({}) was successful.\n", quoted_list(deleted));
    return {};
  }
  print_group_error("Deletion of some consumer groups failed:");
  for (const auto& [id, error] : failed)
    fmt::print("* Group '{}' could not be deleted due to: {}\n", id, exception_line(error));
  if (!deleted.empty())
    fmt::print("\nThese consumer groups were deleted successfully: {}\n", quoted_list(deleted));
  return {};
}

Result<void> delete_group_offsets(Admin& admin, const JoptOptions& options) {
  const std::string group = options.text("group");
  Outcomes outcomes;
  const auto arguments = TRY(topic_arguments(options));
  OffsetDeleteRequest request = TRY(deletion_of(admin, arguments, outcomes));
  request.group_id = group;
  const auto answer = admin.call<OffsetDeleteResponse>(Target::group(group), request,
                                                       "deleteConsumerGroupOffsets(api=OFFSET_DELETE)");
  bool all_well = true;
  if (answer) {
    for (const auto& topic : answer->body.topics)
      for (const auto& partition : topic.partitions) {
        const auto outcome = refusal(partition.error_code);
        all_well = all_well && outcome.has_value();
        outcomes[{topic.name, PartitionIndex(partition.partition_index)}] = outcome;
      }
  } else {
    for (const auto& topic : request.topics)
      for (const auto& partition : topic.partitions)
        outcomes[{topic.name, PartitionIndex(partition.partition_index)}] = std::unexpected(answer.error());
  }
  if (!answer) {
    print_group_error(answer.error().detail);
  } else if (!all_well) {
    print_group_error("Encountered some partition-level error, see the follow-up details.");
  } else {
    fmt::print("Request succeeded for deleting offsets from group {}.\n", group);
  }
  print_outcomes(outcomes);
  return {};
}

}  // namespace barnabas::tools
