#include "simulation/nodes/producer_queue.hpp"

#include <algorithm>

namespace barnabas::simulation {

ProducerBatch* ProducerQueue::take(std::size_t most_in_flight) {
  const auto next = std::ranges::find(batches, false, &ProducerBatch::sent);
  if (next == batches.end() || in_flight >= (knows_producer ? most_in_flight : 1)) return nullptr;
  if (next->place - batches.front().place >= kRemembered) return nullptr;
  next->sent = true;
  ++in_flight;
  return &*next;
}

}  // namespace barnabas::simulation
