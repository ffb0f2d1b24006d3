#include "simulation/nodes/cluster_checks.hpp"

#include <catch2/catch.hpp>

namespace barnabas::simulation {
namespace {

const TopicPartition kPartition{"t", PartitionIndex(0)};

/// A short history that is right, to which each test adds what is not.
struct SoundHistory {
  SoundHistory() {
    checks.controller_leads(LeaderEpoch(1), 1);
    checks.high_watermark(kPartition, LeaderEpoch(0), 1, Offset(0));
    for (int number = 0; number < 4; ++number) {
      checks.acknowledged(kPartition, Offset(number), {7, number});
      checks.committed(kPartition, Offset(number), {7, number}, "broker 2 has");
    }
    checks.committed(kPartition, Offset(4), {8, 0}, "a consumer was given");
    checks.high_watermark(kPartition, LeaderEpoch(0), 1, Offset(5));
    checks.high_watermark(kPartition, LeaderEpoch(1), 2, Offset(3));
    checks.metadata(1, Offset(10), LeaderEpoch(1), 42);
    checks.metadata(2, Offset(10), LeaderEpoch(1), 42);
    checks.finish(kPartition, 1, Offset(0), Offset(5));
  }
  [[nodiscard]] bool says(const std::string& words) const {
    INFO(checks.failure().value_or("nothing"));
    return checks.failure() && checks.failure()->find(words) != std::string::npos;
  }
  ClusterChecks checks;
};

TEST_CASE("a history that is right passes") {
  const SoundHistory history;
  CHECK_FALSE(history.checks.failure().has_value());
  CHECK(history.checks.committed_end(kPartition) == Offset(5));
  CHECK(history.checks.records() == 5);
  CHECK(history.checks.acknowledgements() == 4);
}

TEST_CASE("two leaders of an epoch are found") {
  SoundHistory controllers;
  controllers.checks.controller_leads(LeaderEpoch(1), 2);
  CHECK(controllers.says("both lead epoch 1"));
  SoundHistory brokers;
  CHECK(brokers.checks.newest_leader(kPartition) == 2);
  brokers.checks.broker_leads(kPartition, LeaderEpoch(2), 3);
  CHECK(brokers.checks.newest_leader(kPartition) == 3);
  brokers.checks.broker_leads(kPartition, LeaderEpoch(1), 3);
  CHECK(brokers.says("brokers 2 and 3 both lead t-0"));
}

TEST_CASE("an acknowledged record that is lost or changed is found") {
  SoundHistory changed;
  changed.checks.committed(kPartition, Offset(2), {8, 1}, "broker 3 has");
  CHECK(changed.says("broker 3 has"));
  SoundHistory lost;
  lost.checks.finish(kPartition, 3, Offset(0), Offset(4));
  CHECK(lost.says("committed is up to 5"));
  SoundHistory without_beginning;
  without_beginning.checks.finish(kPartition, 3, Offset(1), Offset(5));
  CHECK(without_beginning.says("from 1 to 5"));
  SoundHistory hole;
  hole.checks.acknowledged(kPartition, Offset(6), {7, 5});
  hole.checks.finish(kPartition, 1, Offset(0), Offset(7));
  CHECK(hole.says("nobody has t-0 at offset 5"));
}

TEST_CASE("replicas that differ below the high watermark are found, also beyond acknowledgements") {
  SoundHistory history;
  history.checks.committed(kPartition, Offset(5), {8, 1}, "broker 1 has");
  history.checks.committed(kPartition, Offset(5), {9, 0}, "broker 2 has");
  CHECK(history.says("record 0 of producer 9"));
}

TEST_CASE("a record that is there twice, out of order or left out is found") {
  SoundHistory twice;
  twice.checks.committed(kPartition, Offset(5), {7, 3}, "broker 1 has");
  CHECK(twice.says("twice or out of order"));
  SoundHistory left_out;
  left_out.checks.committed(kPartition, Offset(5), {7, 5}, "broker 1 has");
  CHECK(left_out.says("something is left out"));
  SoundHistory late;  // the hole is filled later, and only then the order is seen
  late.checks.committed(kPartition, Offset(6), {7, 4}, "broker 1 has");
  CHECK_FALSE(late.checks.failure().has_value());
  late.checks.committed(kPartition, Offset(5), {7, 5}, "broker 1 has");
  CHECK(late.says("something is left out"));
}

TEST_CASE("a high watermark that goes back within an epoch is found") {
  SoundHistory history;
  history.checks.high_watermark(kPartition, LeaderEpoch(1), 2, Offset(2));
  CHECK(history.says("went back from 3 to 2"));
}

TEST_CASE("metadata that differ between nodes are found") {
  SoundHistory content;
  content.checks.metadata(3, Offset(10), LeaderEpoch(1), 43);
  CHECK(content.says("node 3 has other metadata"));
  SoundHistory epoch;
  epoch.checks.metadata(3, Offset(10), LeaderEpoch(2), 42);
  CHECK(epoch.says("node 3 has other metadata"));
}

TEST_CASE("the first violation stays, and a deleted topic is forgotten") {
  SoundHistory history;
  history.checks.violated("this");
  history.checks.violated("that");
  CHECK(history.says("this"));
  SoundHistory deleted;
  deleted.checks.forget("t");
  deleted.checks.committed(kPartition, Offset(0), {9, 0}, "broker 1 has");
  CHECK_FALSE(deleted.checks.failure().has_value());
}

}  // namespace
}  // namespace barnabas::simulation
