// ReactorThreads: reactors, each run by a thread of its own that has a name.
//
// Owned by the node. Thread safety: for the thread that builds and stops the node. Life: add() all, start()
// once, stop() once; the reactors stay until the destruction, since others keep them by reference.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/net/asio_reactor.hpp"

namespace barnabas::broker {

class ReactorThreads {
 public:
  ReactorThreads() = default;
  ReactorThreads(const ReactorThreads&) = delete;
  ReactorThreads& operator=(const ReactorThreads&) = delete;
  /// Stops if stop() was not called.
  ~ReactorThreads();

  /// `name` is its thread's, of at most 15 characters.
  AsioReactor& add(std::string name);
  [[nodiscard]] const std::vector<AsioReactor*>& reactors() const { return order_; }

  void start();
  /// Returns when all threads have ended.
  void stop();

 private:
  struct Member {
    std::string name;
    std::unique_ptr<AsioReactor> reactor;
    std::thread thread;
  };
  std::vector<Member> members_;
  std::vector<AsioReactor*> order_;
};

}  // namespace barnabas::broker
