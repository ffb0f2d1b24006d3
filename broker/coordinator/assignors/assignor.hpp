// The assignors that run in the coordinator: who of a group's members should own which partitions.
//
// Pure functions of their input. What every result satisfies (assignors_test.cpp)
//  1. Complete: each partition of a topic that somebody subscribes to has one owner, who subscribes to it.
//  2. uniform: members with the same subscription differ by one partition at most, and an owner that may keep
//     its partition within that keeps it.
//  3. range: the partitions of each topic are cut into runs, in the order of instance ids, then member ids.
// As in Kafka 4.3.1 neither of them looks at racks; a change of racks makes a group assign anew all the same
// (metadata_hash.hpp). Source: KIP-848; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"

namespace barnabas::broker {

/// Partitions by topic; no topic without one.
using Assignment = std::map<TopicId, std::set<std::int32_t>>;

enum class AssignorKind : std::uint8_t { kUniform, kRange };
[[nodiscard]] std::string_view to_string(AssignorKind kind);
/// By Kafka's name, or by the name of Kafka's class.
[[nodiscard]] std::optional<AssignorKind> parse_assignor(std::string_view name);

/// Views and pointers are the caller's and live as long as the call.
struct AssignorMember {
  std::string_view id;
  std::optional<std::string_view> instance_id;
  std::span<const TopicId> topics;  // subscribed and there, each once
  const Assignment* current = nullptr;
};

struct AssignorInput {
  std::vector<AssignorMember> members;
  std::unordered_map<TopicId, std::int32_t> partition_counts;  // of every topic that a member names
  bool homogeneous = false;                                    // all members subscribe to the same topics
};

/// One assignment a member, in the order of the input.
using Assignments = std::vector<Assignment>;

[[nodiscard]] Assignments assign(AssignorKind kind, const AssignorInput& input);
[[nodiscard]] Assignments assign_range(const AssignorInput& input);
/// Balanced first, then as before.
[[nodiscard]] Assignments assign_uniform(const AssignorInput& input);

}  // namespace barnabas::broker
