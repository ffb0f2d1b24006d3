#include "tools/commands/replica_assignment.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "tools/commands/text_lists.hpp"
#include "tools/options/misuse.hpp"
#include "tools/options/number_text.hpp"

namespace barnabas::tools {
namespace {

Result<std::vector<std::int32_t>> parse_replicas(const std::string& text) {
  std::vector<std::int32_t> replicas;
  std::vector<std::int32_t> twice;
  for (const auto& part : split(text, ':')) {
    const auto id = parse_number<std::int32_t>(trim(part));
    if (!id) return misuse(fmt::format("For input string: \"{}\"", trim(part)));
    if (std::ranges::find(replicas, *id) != replicas.end()) twice.push_back(*id);
    replicas.push_back(*id);
  }
  if (twice.empty()) return replicas;
  return misuse(
      fmt::format("Partition replica lists may not contain duplicate entries: {}", fmt::join(twice, ",")));
}

}  // namespace

Result<std::vector<std::vector<std::int32_t>>> parse_replica_assignment(const std::string& text) {
  std::vector<std::vector<std::int32_t>> partitions;
  for (const auto& part : split(text, ',')) {
    partitions.push_back(TRY(parse_replicas(part)));
    if (partitions.back().size() != partitions.front().size())
      return misuse(fmt::format("Partition {} has different replication factor: [{}]", partitions.size() - 1,
                                fmt::join(partitions.back(), ", ")));
  }
  return partitions;
}

}  // namespace barnabas::tools
