// BlockingPool: threads for what waits for a disk, so that reactors do not.
//
// Owned by who uses it. Thread safety: thread-safe. Threads are made when there is more to do than they do,
// at most `max_threads`; tasks are begun in their order. With 0 threads, and after stop(), run() does the
// task itself, which tests and the simulation use.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace barnabas::broker {

class BlockingPool {
 public:
  using Task = std::move_only_function<void()>;

  /// At most 15 letters of `name` are seen as the threads' name.
  BlockingPool(std::string name, std::size_t max_threads);
  ~BlockingPool();

  void run(Task task);
  /// Returns when everything that was given is done.
  void stop();

 private:
  void work();

  const std::string name_;
  const std::size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;            // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  std::size_t idle_ = 0;              // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
};

}  // namespace barnabas::broker
