// Lists of broker ids as the image and records have them: a few entries, in an order that means something.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/ids.hpp"

namespace barnabas::kraft {

using BrokerIds = std::vector<BrokerId>;

[[nodiscard]] inline bool contains(const BrokerIds& ids, BrokerId id) {
  return std::ranges::find(ids, id) != ids.end();
}
[[nodiscard]] inline bool contains_all(const BrokerIds& ids, const BrokerIds& others) {
  return std::ranges::all_of(others, [&ids](BrokerId id) { return contains(ids, id); });
}
/// `ids` in their order, those in `others` left out.
[[nodiscard]] inline BrokerIds without(BrokerIds ids, const BrokerIds& others) {
  std::erase_if(ids, [&others](BrokerId id) { return contains(others, id); });
  return ids;
}
[[nodiscard]] inline std::vector<std::int32_t> to_numbers(const BrokerIds& ids) {
  std::vector<std::int32_t> numbers;
  numbers.reserve(ids.size());
  for (const BrokerId id : ids) numbers.push_back(id.value());
  return numbers;
}
[[nodiscard]] inline BrokerIds to_broker_ids(const std::vector<std::int32_t>& numbers) {
  BrokerIds ids;
  ids.reserve(numbers.size());
  for (const std::int32_t number : numbers) ids.emplace_back(number);
  return ids;
}

}  // namespace barnabas::kraft
