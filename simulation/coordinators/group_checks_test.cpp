#include "simulation/coordinators/group_checks.hpp"

#include <catch2/catch.hpp>

namespace barnabas::simulation {
namespace {

const GroupPartition kPartition{"g", {"t", PartitionIndex(0)}};
constexpr std::int32_t kLog = 0;
constexpr ProducerId kCopier{7};

/// One member after the other commits, the second in a transaction; to which each test adds what is not
/// right.
struct SoundGroup {
  SoundGroup() {
    checks.owns(kPartition, 1, "first");
    begins(1, Offset(0));
    checks.offset_record(kLog, kPartition, Offset(5));
    checks.acknowledged(kPartition, 1, Offset(5));
    checks.owns(kPartition, 1, "first");
    checks.owns(kPartition, 2, "second");
    begins(2, Offset(5));
    checks.transactional_offset_record(kLog, kCopier, kPartition, Offset(9));
    checks.marker(kLog, kCopier, true);
    checks.acknowledged(kPartition, 2, Offset(9));
    checks.transactional_offset_record(kLog, kCopier, kPartition, Offset(8));
    checks.marker(kLog, kCopier, false);
    checks.finish();
  }
  /// Asks and is told at once.
  void begins(std::int32_t epoch, Offset committed) {
    checks.begins(kPartition, epoch, committed, checks.acknowledged_by(kPartition, epoch));
  }
  [[nodiscard]] bool says(const std::string& words) const {
    INFO(all.failure().value_or("nothing"));
    return all.failure() && all.failure()->find(words) != std::string::npos;
  }
  ClusterChecks all;
  GroupChecks checks{all};
};

TEST_CASE("a group whose members take turns passes") {
  const SoundGroup group;
  CHECK_FALSE(group.all.failure().has_value());
  CHECK(group.checks.unsettled().empty());
  CHECK(group.checks.committed(kPartition) == Offset(9));
  CHECK(group.checks.assignments() == 2);
}

TEST_CASE("two members that have a partition in the same epoch are found") {
  SoundGroup group;
  group.checks.owns(kPartition, 2, "first");
  CHECK(group.says("second and first both have t-0 of group g in epoch 2"));
}

TEST_CASE("offsets that go back are found, also those of a transaction") {
  SoundGroup plain;
  plain.checks.offset_record(kLog, kPartition, Offset(6));
  CHECK(plain.says("went back from 9 to 6"));
  SoundGroup transactional;
  transactional.checks.transactional_offset_record(kLog, kCopier, kPartition, Offset(8));
  CHECK_FALSE(transactional.all.failure().has_value());
  transactional.checks.marker(kLog, kCopier, true);
  CHECK(transactional.says("went back from 9 to 8"));
  SoundGroup overtaken;  // the later record counts, though the other's transaction ends later
  overtaken.checks.transactional_offset_record(kLog, kCopier, kPartition, Offset(10));
  overtaken.checks.offset_record(kLog, kPartition, Offset(11));
  overtaken.checks.marker(kLog, kCopier, true);
  CHECK_FALSE(overtaken.all.failure().has_value());
  CHECK(overtaken.checks.committed(kPartition) == Offset(11));
}

TEST_CASE("who begins before what was committed is found") {
  SoundGroup group;
  group.begins(3, Offset(8));
  CHECK(group.says("who got t-0 of group g in epoch 3 begins at 8, and 9 was committed in epoch 2"));
  SoundGroup zombie;  // of what later members did it need not know
  zombie.begins(1, Offset(5));
  CHECK_FALSE(zombie.all.failure().has_value());
}

TEST_CASE("who asked where to begin and then stood still need not know what was committed since") {
  SoundGroup group;
  const auto asked = group.checks.acknowledged_by(kPartition, 2);
  CHECK(asked.offset == Offset(9));
  group.checks.offset_record(kLog, kPartition, Offset(12));
  group.checks.acknowledged(kPartition, 2, Offset(12));
  group.checks.begins(kPartition, 2, Offset(9), asked);
  CHECK_FALSE(group.all.failure().has_value());
  group.checks.begins(kPartition, 2, Offset(8), asked);
  CHECK(group.says("who got t-0 of group g in epoch 2 begins at 8, and 9 was committed in epoch 2"));
}

TEST_CASE("a commit that was acknowledged and is lost is found") {
  SoundGroup group;
  group.checks.acknowledged(kPartition, 2, Offset(12));
  group.checks.finish();
  CHECK(group.says("offset 12 of t-0 of group g was committed in epoch 2 and is lost: it is 9"));
}

TEST_CASE("offsets of a transaction that hangs are found") {
  SoundGroup group;
  group.checks.transactional_offset_record(kLog, kCopier, kPartition, Offset(10));
  CHECK(group.checks.unsettled() ==
        "the transaction of producer id 7 with offsets of t-0 of group g is open");
}

}  // namespace
}  // namespace barnabas::simulation
