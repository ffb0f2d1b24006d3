#include <algorithm>
#include <numeric>

#include "broker/coordinator/assignors/assignor.hpp"

namespace barnabas::broker {
namespace {

/// What of one topic is still to be cut, and by how many.
struct Remainder {
  std::int32_t next = 0;
  std::int32_t partitions = 0;
  std::int32_t members = 0;
};

/// Static members keep their place when they come back under another member id.
std::vector<std::size_t> in_order(const std::vector<AssignorMember>& members) {
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const AssignorMember& x = members[a];
    const AssignorMember& y = members[b];
    if (x.instance_id.has_value() != y.instance_id.has_value()) return x.instance_id.has_value();
    if (x.instance_id) return *x.instance_id < *y.instance_id;
    return x.id < y.id;
  });
  return order;
}

}  // namespace

Assignments assign_range(const AssignorInput& input) {
  std::unordered_map<TopicId, Remainder> topics;
  for (const AssignorMember& member : input.members) {
    for (const TopicId topic : member.topics) {
      Remainder& rest = topics[topic];
      rest.partitions = input.partition_counts.at(topic);
      ++rest.members;
    }
  }
  Assignments result(input.members.size());
  for (const std::size_t i : in_order(input.members)) {
    for (const TopicId topic : input.members[i].topics) {
      Remainder& rest = topics[topic];
      // The first ones of an uneven division get one more.
      const std::int32_t share = (rest.partitions + rest.members - 1) / rest.members;
      rest.partitions -= share;
      --rest.members;
      for (std::int32_t n = 0; n < share; ++n) result[i][topic].insert(rest.next++);
    }
  }
  return result;
}

}  // namespace barnabas::broker
