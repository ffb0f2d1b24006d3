#include "broker/drivers/log_flusher.hpp"

#include <pthread.h>

#include <utility>

#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {

LogFlusher::LogFlusher(MetricsRegistry& metrics, std::size_t max_threads)
    : max_threads_(max_threads),
      rounds_(metrics.counter("barnabas_log_flusher_rounds_total")),
      served_(metrics.counter("barnabas_log_flusher_requests_total")) {}

LogFlusher::~LogFlusher() {
  stop();
}

void LogFlusher::flush(const std::shared_ptr<Partition>& partition, Done done) {
  if (max_threads_ == 0) {
    rounds_.add();
    served_.add();
    return done(partition->sync());
  }
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      Round& round = partitions_[partition];
      round.waiting.push_back(std::move(done));
      if (round.running || round.waiting.size() > 1) return;
      due_.push_back(partition);
      if (idle_ < due_.size() && threads_.size() < max_threads_) threads_.emplace_back([this] { run(); });
      wake_.notify_one();
      return;
    }
  }
  done(fail(ErrorCode::kKafkaStorageError, "the node stops"));
}

void LogFlusher::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void LogFlusher::run() {
  pthread_setname_np(pthread_self(), "log-flusher");
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !due_.empty(); });
    --idle_;
    if (due_.empty()) return;
    const std::shared_ptr<Partition> partition = std::move(due_.front());
    due_.pop_front();
    Round& round = partitions_.at(partition);
    round.running = true;
    std::vector<Done> waiting = std::exchange(round.waiting, {});
    lock.unlock();
    const Result<void> synced = partition->sync();
    rounds_.add();
    served_.add(waiting.size());
    for (Done& done : waiting) done(synced);
    waiting.clear();
    lock.lock();
    Round& after = partitions_.at(partition);
    after.running = false;
    if (after.waiting.empty()) {
      partitions_.erase(partition);
    } else {
      due_.push_back(partition);
    }
  }
}

}  // namespace barnabas::broker
