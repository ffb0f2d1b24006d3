#include "broker/drivers/blocking_pool.hpp"

#include <pthread.h>

#include <utility>

namespace barnabas::broker {

BlockingPool::BlockingPool(std::string name, std::size_t max_threads)
    : name_(name.substr(0, 15)), max_threads_(max_threads) {}

BlockingPool::~BlockingPool() {
  stop();
}

void BlockingPool::run(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (max_threads_ > 0 && !stopping_) {
      tasks_.push_back(std::move(task));
      if (idle_ < tasks_.size() && threads_.size() < max_threads_) threads_.emplace_back([this] { work(); });
      wake_.notify_one();
      return;
    }
  }
  task();
}

void BlockingPool::stop() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void BlockingPool::work() {
  pthread_setname_np(pthread_self(), name_.c_str());
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace barnabas::broker
