#include "broker/drivers/producer_id_allocator.hpp"

#include <utility>

namespace barnabas::broker {

ProducerIdAllocator::ProducerIdAllocator(RequestBlock request_block)
    : request_block_(std::move(request_block)) {}

void ProducerIdAllocator::prefetch() {
  request_if_needed();
}

void ProducerIdAllocator::next(Callback callback) {
  std::optional<ProducerId> id;
  {
    std::lock_guard lock(mutex_);
    if (current_.size == 0 && next_) current_ = *std::exchange(next_, std::nullopt);
    if (current_.size > 0) {
      id = ProducerId(current_.first++);
      --current_.size;
    } else {
      waiting_.push_back(std::move(callback));
    }
  }
  request_if_needed();
  if (id) callback(*id);
}

/// Keeps one block ahead.
void ProducerIdAllocator::request_if_needed() {
  {
    std::lock_guard lock(mutex_);
    if (requested_ || next_) return;
    requested_ = true;
  }
  request_block_([this](Result<ProducerIdBlock> block) { on_block(std::move(block)); });
}

void ProducerIdAllocator::on_block(Result<ProducerIdBlock> block) {
  std::deque<std::pair<Callback, Result<ProducerId>>> ready;
  bool more = false;
  {
    std::lock_guard lock(mutex_);
    requested_ = false;
    if (block) next_ = *block;
    while (!waiting_.empty()) {
      if (current_.size == 0 && next_) current_ = *std::exchange(next_, std::nullopt);
      if (current_.size == 0 && block) break;
      Result<ProducerId> answer = std::unexpected(Error{});
      if (block) {
        answer = ProducerId(current_.first++);
        --current_.size;
      } else {
        answer = std::unexpected(block.error());
      }
      ready.emplace_back(std::move(waiting_.front()), std::move(answer));
      waiting_.pop_front();
    }
    // After an error the next caller asks again; asking at once would spin.
    more = block && !next_;
  }
  for (auto& [callback, answer] : ready) callback(std::move(answer));
  if (more) request_if_needed();
}

}  // namespace barnabas::broker
