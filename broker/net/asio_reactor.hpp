// AsioReactor: the Reactor of production, one thread over one Boost.Asio io_context.
//
// The only translation unit that includes Asio is asio_reactor.cpp. Owned by the node (one a core); run() is
// called by the one thread that is the reactor's. A listener hands its accepted connections in turn to the
// reactors of its pool, so that load spreads whatever the kernel does.
#pragma once

#include <memory>
#include <vector>

#include "base/network.hpp"

namespace barnabas::broker {

class AsioReactor final : public Reactor {
 public:
  AsioReactor();
  ~AsioReactor() override;

  /// Connections accepted by this reactor's listeners go to these in turn; itself alone at first. Set before
  /// listen().
  void share_accepted_with(std::vector<AsioReactor*> pool);

  /// Runs callbacks until stop(), then drops the timers that are left. Exceptions from callbacks are broken
  /// invariants and stop the process.
  void run();
  /// From any thread.
  void stop();

  [[nodiscard]] bool is_current() const override;
  void post(Task task) override;
  TimerId schedule_at(std::chrono::nanoseconds when, Task task) override;
  bool cancel(TimerId timer) override;
  Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint, AcceptHandler handler) override;
  void connect(const Endpoint& endpoint, ConnectHandler handler) override;

  struct State;  // of asio_reactor.cpp

 private:
  std::unique_ptr<State> state_;
};

}  // namespace barnabas::broker
