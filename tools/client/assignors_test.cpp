#include "tools/client/assignors.hpp"

#include <catch2/catch.hpp>

using namespace barnabas;
using namespace barnabas::tools;

namespace {

/// "a: t-0 t-1; b: t-2"
std::string shown(const Assignment& assignment) {
  std::string text;
  for (const auto& [member, partitions] : assignment) {
    text += (text.empty() ? "" : "; ") + member + ":";
    for (const TopicPartition& partition : partitions) text += " " + to_string(partition);
  }
  return text;
}

}  // namespace

TEST_CASE("range cuts each topic into runs") {
  const std::vector<GroupSubscriber> members = {{"b", "", {"t", "u"}, {}}, {"a", "", {"t"}, {}}};
  CHECK(shown(assign_partitions(AssignmentStrategy::kRange, members, {{"t", 3}, {"u", 2}})) ==
        "a: t-0 t-1; b: t-2 u-0 u-1");
  CHECK(shown(assign_partitions(AssignmentStrategy::kRange, members, {{"other", 3}})) == "a:; b:");
}

TEST_CASE("range puts static members first") {
  const std::vector<GroupSubscriber> members = {{"a", "", {"t"}, {}}, {"b", "static", {"t"}, {}}};
  CHECK(shown(assign_partitions(AssignmentStrategy::kRange, members, {{"t", 3}})) == "a: t-2; b: t-0 t-1");
}

TEST_CASE("roundrobin deals partitions out") {
  const std::vector<GroupSubscriber> members = {{"a", "", {"t", "u"}, {}}, {"b", "", {"u"}, {}}};
  CHECK(shown(assign_partitions(AssignmentStrategy::kRoundRobin, members, {{"t", 2}, {"u", 3}})) ==
        "a: t-0 t-1 u-1; b: u-0 u-2");
}

TEST_CASE("cooperative-sticky leaves what is owned, and gives what moves to nobody yet") {
  const std::vector<TopicPartition> owned = {
      {"t", PartitionIndex(0)}, {"t", PartitionIndex(1)}, {"t", PartitionIndex(2)}};
  std::vector<GroupSubscriber> members = {{"a", "", {"t"}, owned}, {"b", "", {"t"}, {}}};
  const auto first = assign_partitions(AssignmentStrategy::kCooperativeSticky, members, {{"t", 4}});
  CHECK(shown(first) == "a: t-0 t-1; b: t-3");
  members[0].owned = first.at("a");
  members[1].owned = first.at("b");
  const auto second = assign_partitions(AssignmentStrategy::kCooperativeSticky, members, {{"t", 4}});
  CHECK(shown(second) == "a: t-0 t-1; b: t-3 t-2");
}
