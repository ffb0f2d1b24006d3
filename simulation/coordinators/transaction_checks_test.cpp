#include "simulation/coordinators/transaction_checks.hpp"

#include <catch2/catch.hpp>

namespace barnabas::simulation {
namespace {

const TopicPartition kOutput{"output", PartitionIndex(0)};
const TopicPartition kOther{"output", PartitionIndex(1)};
constexpr PartitionIndex kInput{0};
constexpr ProducerId kCopier{7};

/// Inputs 0 and 1 are copied, 2 is aborted and copied again; to which each test adds what is not right.
struct SoundOutput {
  SoundOutput() {
    checks.took_over("id", ProducerEpoch(0));
    copy(kOutput, 0, 0);
    copy(kOther, 0, 1);
    checks.marker(kOutput, Offset(1), kCopier, true);
    checks.marker(kOther, Offset(1), kCopier, true);
    checks.ended({{kOutput, Offset(0)}, {kOther, Offset(0)}}, true);
    checks.ended({{kOutput, Offset(2)}}, false);
    copy(kOutput, 2, 2);
    checks.marker(kOutput, Offset(3), kCopier, false);
    checks.obeyed("id", ProducerEpoch(0), checks.newest("id"), "EndTxn");
    checks.took_over("id", ProducerEpoch(1));
    copy(kOutput, 4, 2);
    checks.marker(kOutput, Offset(5), kCopier, true);
    checks.read(kOutput, Offset(0), Offset(4), {Offset(0)});
    checks.read(kOutput, Offset(4), Offset(6), {Offset(4)});
  }
  void copy(const TopicPartition& partition, std::int64_t offset, std::int64_t of) {
    checks.record(partition, Offset(offset), kCopier, copy_of(kInput, Offset(of)));
  }
  void finish(std::int64_t inputs) {
    std::vector<std::optional<WrittenRecord>> input;
    for (std::int64_t number = 0; number < inputs; ++number) input.push_back(WrittenRecord{1, number});
    checks.finish(kInput, input);
  }
  [[nodiscard]] bool says(const std::string& words) const {
    INFO(all.failure().value_or("nothing"));
    return all.failure() && all.failure()->find(words) != std::string::npos;
  }
  ClusterChecks all;
  TransactionChecks checks{all};
};

TEST_CASE("an output in which each input is once passes") {
  SoundOutput output;
  output.finish(3);
  CHECK_FALSE(output.all.failure().has_value());
  CHECK(output.checks.unsettled().empty());
  CHECK(output.checks.commits() == 3);
  CHECK(output.checks.aborts() == 1);
  CHECK(output.checks.copies() == 3);
}

TEST_CASE("an aborted record that is read, and a committed one that is not, are found") {
  SoundOutput aborted;
  aborted.checks.read(kOutput, Offset(2), Offset(4), {Offset(2)});
  CHECK(aborted.says("to one reader under read_committed and not to another"));
  SoundOutput late;  // the marker is seen after the record was read
  late.checks.read(kOutput, Offset(6), Offset(7), {Offset(6)});
  late.copy(kOutput, 6, 3);
  CHECK_FALSE(late.all.failure().has_value());
  late.checks.marker(kOutput, Offset(7), kCopier, false);
  CHECK(late.says("output-0 at offset 6 is aborted and was given to a reader"));
  SoundOutput left_out;
  left_out.checks.read(kOther, Offset(0), Offset(2), {});
  CHECK(left_out.says("output-1 at offset 0 is committed and was kept from a reader"));
  SoundOutput marker;
  marker.checks.read(kOther, Offset(0), Offset(2), {Offset(0), Offset(1)});
  CHECK(marker.says("is a marker and was given to"));
}

TEST_CASE("an input that is copied twice, or never, is found") {
  SoundOutput twice;
  twice.copy(kOther, 2, 0);
  CHECK_FALSE(twice.all.failure().has_value());
  twice.checks.marker(kOther, Offset(3), kCopier, true);
  CHECK(twice.says("the copy of offset 0 of input partition 0 is committed twice"));
  SoundOutput never;
  never.finish(4);
  CHECK(never.says("the copy of offset 3 of input partition 0 was never copied"));
}

TEST_CASE("a transaction that ends otherwise than its producer was told is found") {
  SoundOutput lost;
  lost.copy(kOutput, 6, 3);
  lost.checks.ended({{kOutput, Offset(6)}}, true);
  lost.checks.marker(kOutput, Offset(7), kCopier, false);
  CHECK(lost.says("is aborted and its producer was told that the transaction is committed"));
  SoundOutput kept;
  kept.copy(kOutput, 6, 3);
  kept.checks.marker(kOutput, Offset(7), kCopier, true);
  kept.checks.ended({{kOutput, Offset(6)}}, false);
  CHECK(kept.says("is committed and its producer was told that the transaction is aborted"));
}

TEST_CASE("a zombie that is obeyed, and an epoch that is given twice, are found") {
  SoundOutput zombie;
  zombie.checks.obeyed("id", ProducerEpoch(0), zombie.checks.newest("id"), "EndTxn");
  CHECK(zombie.says("EndTxn of epoch 0 of id was granted, and epoch 1 has taken over"));
  SoundOutput twins;
  twins.checks.took_over("id", ProducerEpoch(1));
  CHECK(twins.says("epoch 1 of id was given to two producers"));
}

TEST_CASE("a transaction that hangs is found") {
  SoundOutput output;
  output.copy(kOther, 2, 3);
  CHECK(output.checks.unsettled() == "the transaction of producer id 7 is open in output-1 from offset 2 on");
}

}  // namespace
}  // namespace barnabas::simulation
