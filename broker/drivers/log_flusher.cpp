#include "broker/drivers/log_flusher.hpp"

#include <utility>

#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {

LogFlusher::LogFlusher(MetricsRegistry& metrics, std::size_t max_threads)
    : rounds_(metrics.counter("barnabas_log_flusher_rounds_total")),
      served_(metrics.counter("barnabas_log_flusher_requests_total")),
      pool_("log-flusher", max_threads) {}

void LogFlusher::flush(const std::shared_ptr<Partition>& partition, Done done) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    return done(fail(ErrorCode::kKafkaStorageError, "the node stops"));
  }
  const auto [at, is_first] = waiting_.try_emplace(partition);
  at->second.push_back(std::move(done));
  lock.unlock();
  if (is_first) pool_.run([this, partition] { sync(partition); });
}

void LogFlusher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  pool_.stop();
}

/// One round, and an order for the next when somebody came meanwhile.
void LogFlusher::sync(const std::shared_ptr<Partition>& partition) {
  std::vector<Done> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_.at(partition));
  }
  const Result<void> synced = partition->sync();
  rounds_.add();
  served_.add(waiting.size());
  for (Done& done : waiting) done(synced);
  {
    const std::lock_guard lock(mutex_);
    const auto at = waiting_.find(partition);
    if (at->second.empty()) {
      waiting_.erase(at);
      return;
    }
  }
  pool_.run([this, partition] { sync(partition); });
}

}  // namespace barnabas::broker
