// How fast replicas may be copied while kafka-reassign-partitions moves them.
//
// Functions on an Admin, which is the caller's. Errors: what the brokers answer. Source: measured on Kafka
// 4.3.1 (KIP-73, KIP-113).
#pragma once

#include "tools/commands/reassignment_calls.hpp"

namespace barnabas::tools {

/// Limits what the brokers send and take for the moves to `wanted`, from the replicas of `current` or on top
/// of a reassignment that goes on.
Result<void> throttle_moves(Admin& admin, const Assignment& wanted, const Assignment& current,
                            const OngoingReassignments& ongoing, std::int64_t bytes_per_second);
/// Limits moves between directories.
Result<void> throttle_log_dir_moves(Admin& admin, const LogDirs& moves, std::int64_t bytes_per_second);
/// Takes all limits away from the brokers that are there and those of `assignment`, and from its topics; says
/// so.
Result<void> clear_throttles(Admin& admin, const Assignment& assignment);

}  // namespace barnabas::tools
