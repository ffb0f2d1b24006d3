#include "broker/net/memory_budget.hpp"

namespace barnabas::broker {

bool MemoryBudget::try_take(std::int64_t size) {
  if (size == 0) return true;
  const std::int64_t used = used_.fetch_add(size, std::memory_order_relaxed);
  // One request may always be taken, whatever its size: a limit below a single request must not stop the
  // node.
  if (limit_ < 0 || used == 0 || used + size <= limit_) return true;
  used_.fetch_sub(size, std::memory_order_relaxed);
  return false;
}

}  // namespace barnabas::broker
