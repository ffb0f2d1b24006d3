// ReactorMetadataDriver: the MetadataDriver of a simulated node: the same rounds as MetadataDriverThread's,
// as tasks and timers of a reactor instead of on a thread.
//
// Owned by a ClusterProcess. Not thread-safe: the reactor's one thread.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/network.hpp"
#include "broker/drivers/metadata_round.hpp"

namespace barnabas::simulation {

class ReactorMetadataDriver final : public broker::MetadataRoundDriver {
 public:
  ReactorMetadataDriver(Reactor& reactor, broker::MetadataDriverDependencies dependencies)
      : MetadataRoundDriver(std::move(dependencies)), reactor_(reactor) {}

  [[nodiscard]] broker::MetadataRound& round() { return round_; }
  /// After round().open() and begin(): the rounds start.
  void start() { wake_at(round_.now()); }
  /// Leaves the cluster, then the quorum, as a controlled shutdown does; `done` when the process may end.
  void leave(std::function<void()> done);

  void submit(Task task) override;

 private:
  void wake_at(std::chrono::nanoseconds when);
  void run();
  void go_on_leaving();

  Reactor& reactor_;
  std::vector<Task> tasks_;
  TimerId timer_ = 0;
  std::chrono::nanoseconds timer_due_ = std::chrono::nanoseconds::max();
  bool has_failed_ = false;
  std::function<void()> when_left_;
  std::optional<std::chrono::nanoseconds> resigns_until_;
};

}  // namespace barnabas::simulation
