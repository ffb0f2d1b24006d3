#include "broker/drivers/producer_id_allocator.hpp"

#include <catch2/catch.hpp>
#include <vector>

namespace barnabas::broker {
namespace {

/// A controller that answers when told to.
struct Blocks {
  std::vector<std::move_only_function<void(Result<ProducerIdBlock>)>> asked;

  ProducerIdAllocator::RequestBlock asker() {
    return [this](auto answer) { asked.push_back(std::move(answer)); };
  }
  void answer(Result<ProducerIdBlock> block) {
    REQUIRE_FALSE(asked.empty());
    auto first = std::move(asked.front());
    asked.erase(asked.begin());
    first(std::move(block));
  }
};

std::vector<std::int64_t> take(ProducerIdAllocator& allocator, int count) {
  std::vector<std::int64_t> ids;
  for (int i = 0; i < count; ++i)
    allocator.next([&](Result<ProducerId> id) { ids.push_back(id ? id->value() : -1); });
  return ids;
}

TEST_CASE("ids come from a block that was fetched ahead, each once and in order") {
  Blocks blocks;
  ProducerIdAllocator allocator(blocks.asker());
  allocator.prefetch();
  REQUIRE(blocks.asked.size() == 1);
  blocks.answer(ProducerIdBlock{0, 3});
  CHECK(take(allocator, 2) == std::vector<std::int64_t>{0, 1});
  REQUIRE(blocks.asked.size() == 1);  // the next block is on its way before this one ends
  blocks.answer(ProducerIdBlock{1000, 3});
  CHECK(take(allocator, 3) == std::vector<std::int64_t>{2, 1000, 1001});
}

TEST_CASE("who finds no id waits for the block, and nobody is forgotten") {
  Blocks blocks;
  ProducerIdAllocator allocator(blocks.asker());
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 3; ++i)
    allocator.next([&](Result<ProducerId> id) { ids.push_back(id.value().value()); });
  CHECK(ids.empty());
  REQUIRE(blocks.asked.size() == 1);
  blocks.answer(ProducerIdBlock{10, 2});
  CHECK(ids == std::vector<std::int64_t>{10, 11});
  blocks.answer(ProducerIdBlock{20, 2});
  CHECK(ids == std::vector<std::int64_t>{10, 11, 20});
}

TEST_CASE("an error is told to all who wait, and the next caller asks again") {
  Blocks blocks;
  ProducerIdAllocator allocator(blocks.asker());
  std::vector<ErrorCode> errors;
  for (int i = 0; i < 2; ++i)
    allocator.next([&](Result<ProducerId> id) { errors.push_back(id.error().code); });
  blocks.answer(fail(ErrorCode::kNotController));
  CHECK(errors == std::vector<ErrorCode>{ErrorCode::kNotController, ErrorCode::kNotController});
  CHECK(blocks.asked.empty());
  allocator.next([](Result<ProducerId>) {});
  CHECK(blocks.asked.size() == 1);
}

}  // namespace
}  // namespace barnabas::broker
