// ProducerIdAllocator: producer ids for InitProducerId, from blocks that the controller hands out.
//
// Owned by the node. Thread safety: thread-safe; a callback runs on the caller's thread when an id is at
// hand, else on the metadata driver's thread. The next block is asked for before the current one is used up;
// a request that finds none waits for it (Kafka 4.3.1 answers COORDINATOR_LOAD_IN_PROGRESS instead, which
// clients retry). Source: KIP-730.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

/// Ids [first, first + size).
struct ProducerIdBlock {
  std::int64_t first = 0;
  std::int32_t size = 0;
};

class ProducerIdAllocator {
 public:
  using Callback = std::move_only_function<void(Result<ProducerId>)>;
  /// Asks the controller for a block; answers once, from any thread.
  using RequestBlock = std::move_only_function<void(std::move_only_function<void(Result<ProducerIdBlock>)>)>;

  explicit ProducerIdAllocator(RequestBlock request_block);

  /// Fetches the first block ahead of the first request.
  void prefetch();
  void next(Callback callback);

 private:
  void request_if_needed();
  void on_block(Result<ProducerIdBlock> block);

  RequestBlock request_block_;
  std::mutex mutex_;
  ProducerIdBlock current_;              // guarded by mutex_
  std::optional<ProducerIdBlock> next_;  // guarded by mutex_
  bool requested_ = false;               // guarded by mutex_
  std::deque<Callback> waiting_;         // guarded by mutex_
};

}  // namespace barnabas::broker
