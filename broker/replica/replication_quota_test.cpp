#include "broker/replica/replication_quota.hpp"

#include <catch2/catch.hpp>

#include "base/simulated_clock.hpp"
#include "broker/replica/replica_selector.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;

TEST_CASE("throttled replicas are those of this broker, or all") {
  const auto parse = [](const char* text) { return ThrottledPartitions::parse(text, BrokerId(2)); };
  CHECK(parse("").empty());
  CHECK(parse("0:1,5:3").empty());
  CHECK(parse("*").all);
  CHECK(parse("0:2, 3:2,4:1").partitions == std::set{PartitionIndex(0), PartitionIndex(3)});
}

TEST_CASE("a quota is exceeded while the mean over its windows is above the limit") {
  SimulatedClock clock;
  clock.advance_to(100s);
  ReplicationQuota quota(clock);
  quota.set_windows(11, 1s);
  quota.set_limit(1000);
  CHECK(quota.is_idle());
  quota.set_throttled("t", {.all = false, .partitions = {PartitionIndex(1)}});
  CHECK_FALSE(quota.is_idle());
  CHECK(quota.is_throttled({"t", PartitionIndex(1)}));
  CHECK_FALSE(quota.is_throttled({"t", PartitionIndex(0)}));
  CHECK_FALSE(quota.is_exceeded());
  quota.record(5000);
  CHECK(quota.is_exceeded());
  clock.advance_to(104s);
  CHECK(quota.is_exceeded());
  clock.advance_to(105s);
  CHECK_FALSE(quota.is_exceeded());
  quota.record(5000);
  CHECK(quota.is_exceeded());
  clock.advance_to(140s);
  CHECK_FALSE(quota.is_exceeded());
  quota.set_throttled("t", {});
  CHECK(quota.is_idle());
}

TEST_CASE(
    "a consumer is sent to the replica of its rack that is furthest ahead, unless the leader is there") {
  std::map<BrokerId, std::string> racks = {{BrokerId(1), "a"}, {BrokerId(2), "b"}, {BrokerId(3), "b"}};
  const auto rack_of = [&](BrokerId broker) { return racks.contains(broker) ? &racks[broker] : nullptr; };
  const std::vector<ReadableReplica> replicas = {{BrokerId(2), Offset(0), Offset(5), 0s},
                                                 {BrokerId(3), Offset(0), Offset(7), 0s},
                                                 {BrokerId(1), Offset(0), Offset(9), 0s}};
  CHECK(select_replica(replicas, "b", rack_of) == BrokerId(3));
  CHECK(select_replica(replicas, "a", rack_of) == kNoBroker);
  CHECK(select_replica(replicas, "c", rack_of) == kNoBroker);
  CHECK(select_replica({}, "b", rack_of) == kNoBroker);
  racks[BrokerId(1)] = "b";
  CHECK(select_replica(replicas, "b", rack_of) == kNoBroker);
  racks = {{BrokerId(2), "b"}};
  CHECK(select_replica(replicas, "b", rack_of) == BrokerId(2));
}

}  // namespace
}  // namespace barnabas::broker
