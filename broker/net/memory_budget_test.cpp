#include "broker/net/memory_budget.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {

TEST_CASE("a budget lets one request of any size pass") {
  MemoryBudget budget(100);
  CHECK(budget.try_take(1000));
  CHECK_FALSE(budget.try_take(1));
  CHECK(budget.try_take(0));
  CHECK(budget.begin_overdraft());
  CHECK_FALSE(budget.begin_overdraft());
  budget.end_overdraft();
  CHECK(budget.begin_overdraft());
  budget.give_back(1000);
  CHECK(budget.try_take(60));
  CHECK_FALSE(budget.try_take(60));
  CHECK(budget.used() == 60);
}

}  // namespace barnabas::broker
