// What kafka-reassign-partitions is given and prints: files of JSON that say which replicas partitions have.
//
// Pure functions but for the reading of files, safe from any thread. Errors: kMisuse with the sentences of
// Kafka's tool. Source: measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::tools {

using Replicas = std::vector<std::int32_t>;  // ids of brokers, the preferred leader first
using Assignment = std::map<TopicPartition, Replicas>;

/// A partition on a broker.
struct Replica {
  TopicPartition partition;
  std::int32_t broker = -1;
  auto operator<=>(const Replica&) const = default;
};
/// "topic-3-1".
[[nodiscard]] std::string to_string(const Replica& replica);

/// The log directories of replicas; those that are not there may lie in any.
using LogDirs = std::map<Replica, std::string>;

/// One entry of a file: where a partition shall go.
struct PlannedPartition {
  TopicPartition partition;
  Replicas replicas;
};
struct ReassignmentPlan {
  std::vector<PlannedPartition> partitions;  // as written, which may name one twice
  LogDirs log_dirs;

  /// Of a partition that is named twice the last counts.
  [[nodiscard]] Assignment assignment() const;
};

/// The text of a file that an option names.
Result<std::string> read_json_file(const std::string& path);

/// {"version": 1, "partitions": [{"topic": "t", "partition": 0, "replicas": [1], "log_dirs": ["any"]}]}
Result<ReassignmentPlan> parse_plan(const std::string& content);
/// That it can be carried out: something to do, replicas everywhere and nothing twice.
Result<void> check_executable(const ReassignmentPlan& plan);

/// {"version": 1, "topics": [{"topic": "t"}]}
Result<std::vector<std::string>> parse_topics_to_move(const std::string& content);

/// The plan that leads to `assignment`.
[[nodiscard]] std::string plan_text(const Assignment& assignment, const LogDirs& log_dirs);

/// Values that are there more than once, in order.
template <class T>
[[nodiscard]] std::vector<T> duplicates_of(const std::vector<T>& values) {
  std::map<T, int> counts;
  for (const auto& value : values) ++counts[value];
  std::vector<T> duplicates;
  for (const auto& [value, count] : counts)
    if (count > 1) duplicates.push_back(value);
  return duplicates;
}

}  // namespace barnabas::tools
