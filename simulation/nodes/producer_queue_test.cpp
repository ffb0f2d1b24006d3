#include "simulation/nodes/producer_queue.hpp"

#include <catch2/catch.hpp>
#include <vector>

namespace barnabas::simulation {
namespace {

ProducerQueue queue_of(int batches) {
  ProducerQueue queue;
  queue.knows_producer = true;
  for (int i = 0; i < batches; ++i) {
    ProducerBatch batch;
    batch.sequence = i;
    batch.place = queue.next_place++;
    queue.batches.push_back(batch);
  }
  return queue;
}

std::vector<std::int32_t> taken(ProducerQueue& queue, std::size_t most_in_flight) {
  std::vector<std::int32_t> sequences;
  while (const ProducerBatch* batch = queue.take(most_in_flight)) sequences.push_back(batch->sequence);
  return sequences;
}

void acknowledge(ProducerQueue& queue, std::int32_t sequence) {
  --queue.in_flight;
  std::erase_if(queue.batches, [&](const ProducerBatch& batch) { return batch.sequence == sequence; });
}

using Sequences = std::vector<std::int32_t>;

TEST_CASE("a producer keeps so many batches in flight, and one until its first is acknowledged") {
  ProducerQueue queue = queue_of(8);
  CHECK(taken(queue, 3) == Sequences{0, 1, 2});
  acknowledge(queue, 0);
  CHECK(taken(queue, 3) == Sequences{3});
  ProducerQueue unknown = queue_of(8);
  unknown.knows_producer = false;
  CHECK(taken(unknown, 3) == Sequences{0});
}

TEST_CASE("nothing is sent by which a batch that is not acknowledged would be forgotten") {
  ProducerQueue queue = queue_of(8);
  CHECK(taken(queue, 5) == Sequences{0, 1, 2, 3, 4});
  // The answer to the first was a timeout, though it was written, and the others are there.
  for (const std::int32_t sequence : {1, 2, 3, 4}) acknowledge(queue, sequence);
  --queue.in_flight;
  queue.batches.front().sent = false;
  CHECK(taken(queue, 5) == Sequences{0});
  acknowledge(queue, 0);
  CHECK(taken(queue, 5) == Sequences{5, 6, 7});
}

}  // namespace
}  // namespace barnabas::simulation
