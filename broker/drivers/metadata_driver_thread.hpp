// MetadataDriverThread: the MetadataDriver of production, a thread of its own that sleeps until a request
// comes or the next deadline of the quorum or of the broker's life.
//
// Owned by the node. Life: made early, because others refer to it; open() on the main thread reads the
// metadata log; start() brings the local node of the quorum up (a quorum of one leads at once, and then the
// broker registers and is unfenced in the commit of that), begins the thread, and returns when the broker is
// unfenced; stop() leaves the cluster as a controlled shutdown does and closes the metadata log.
// Thread safety: as MetadataDriver says; open, start and stop are called by the main thread, once each.
//
// What a round does is in metadata_round.hpp.
// Errors: a metadata log that fails makes the node useless, and so does a life that ends against the broker's
// will; `on_failure` is called once then (from the driver's thread) and every later request is refused.
// Source: KIP-631 (registration, heartbeats); clean stop measured on Kafka 4.3.1.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "broker/drivers/metadata_round.hpp"

namespace barnabas::broker {

class MetadataDriverThread final : public MetadataRoundDriver {
 public:
  explicit MetadataDriverThread(MetadataDriverDependencies dependencies)
      : MetadataRoundDriver(std::move(dependencies)) {}
  ~MetadataDriverThread() override;

  /// `peers` is the way to the other nodes of the quorum; it outlives the driver's thread.
  Result<void> open(kraft::MetadataNodeOptions options, kraft::QuorumPeers* peers) {
    return round_.open(std::move(options), peers);
  }
  /// `life` is the broker's, null for a node that is none. `give_up` is asked while the start waits.
  Result<void> start(ReplicaManager& replicas, LifecycleDriver* life, const std::function<bool()>& give_up);
  /// Fences this broker and moves its partitions away (a lone broker's are left without a leader), then ends
  /// the thread and closes the log. Idempotent.
  Result<void> stop();

  void submit(Task task) override;

 private:
  Result<void> lead(std::chrono::nanoseconds patience);
  void run();
  void run_tasks();
  void leave_quorum();
  bool sleep_until(std::chrono::nanoseconds deadline);
  void fail(const Error& error);
  void finish_start(Result<void> result);

  std::thread thread_;  // which runs the rounds, as the main thread does before start()

  mutable std::mutex mutex_;
  std::condition_variable wake_;              // tasks or stop
  std::condition_variable started_;           // start_result_
  std::vector<Task> tasks_;                   // guarded by mutex_
  std::optional<Result<void>> start_result_;  // guarded by mutex_
  bool want_shutdown_ = false;                // guarded by mutex_
  bool ended_ = false;                        // guarded by mutex_: the thread runs no more tasks
};

}  // namespace barnabas::broker
