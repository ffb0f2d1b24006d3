// The calls of kafka-reassign-partitions: what a cluster says of replicas and how it is told to move them.
//
// Functions on an Admin, which is the caller's. Errors: what the brokers answer, with the sentences of
// Kafka's tool. Source: measured on Kafka 4.3.1.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tools/client/admin.hpp"
#include "tools/commands/reassignment_plan.hpp"

namespace barnabas::tools {

/// A reassignment that is under way.
struct OngoingReassignment {
  Replicas replicas;  // before and after
  Replicas adding;
  Replicas removing;
};
using OngoingReassignments = std::map<TopicPartition, OngoingReassignment>;

/// Of these partitions, of all where nothing is given.
Result<OngoingReassignments> list_reassignments(Admin& admin,
                                                const std::optional<std::vector<TopicPartition>>& of);

/// Partitions of these topics. Fails for a topic that is not there.
Result<Assignment> replicas_of_topics(Admin& admin, const std::vector<std::string>& topics);
/// The same without a word about topics that are not there.
Result<Assignment> replicas_of_existing(Admin& admin, const std::set<std::string>& topics);

/// What was refused, with the sentence for it.
using Refusals = std::map<TopicPartition, std::string>;
/// Starts them; cancels where no replicas are given.
Result<Refusals> alter_reassignments(Admin& admin,
                                     const std::map<TopicPartition, std::optional<Replicas>>& wanted,
                                     bool allow_replication_factor_change);

/// The directory that a replica is in, and the one that it moves to. Empty: none.
struct ReplicaLogDirs {
  std::string current;
  std::string future;
};
Result<std::map<Replica, ReplicaLogDirs>> describe_replica_log_dirs(Admin& admin,
                                                                    const std::set<Replica>& replicas);

/// Starts moves between directories; those that began. One that cannot begin yet, since its broker has no
/// such replica so far, is left out.
Result<std::set<Replica>> alter_replica_log_dirs(Admin& admin, const LogDirs& moves);

}  // namespace barnabas::tools
