// MetadataDriverThread: the MetadataDriver of production, a thread of its own that sleeps until a request
// comes or the next deadline of the quorum or of the broker's life.
//
// Owned by the node. Life: made early, because others refer to it; open() on the main thread reads the
// metadata log; start() brings the local node of the quorum up (a quorum of one leads at once, and then the
// broker registers and is unfenced in the commit of that), begins the thread, and returns when the broker is
// unfenced; stop() leaves the cluster as a controlled shutdown does and closes the metadata log.
// Thread safety: as MetadataDriver says; open, start and stop are called by the main thread, once each.
//
// Nothing is published before the metadata is read up to the broker's own registration: partitions that an
// older image does not know would be taken for strays.
// Errors: a metadata log that fails makes the node useless, and so does a life that ends against the broker's
// will; `on_failure` is called once then (from the driver's thread) and every later request is refused.
// Source: KIP-631 (registration, heartbeats); clean stop measured on Kafka 4.3.1.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "broker/drivers/lifecycle_driver.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

struct MetadataDriverDependencies {
  kraft::MetadataNodeDependencies node;
  BrokerConfig& config;
  MetadataCache& cache;
  std::function<void(const Error&)> on_failure;
};

class MetadataDriverThread final : public MetadataDriver {
 public:
  explicit MetadataDriverThread(MetadataDriverDependencies dependencies)
      : dependencies_(std::move(dependencies)) {}
  ~MetadataDriverThread() override;

  /// `peers` is the way to the other nodes of the quorum; it outlives the driver's thread.
  Result<void> open(kraft::MetadataNodeOptions options, kraft::QuorumPeers* peers);
  /// `life` is the broker's, null for a node that is none. `give_up` is asked while the start waits.
  Result<void> start(ReplicaManager& replicas, LifecycleDriver* life, const std::function<bool()>& give_up);
  /// Before start(). Runs in every round of the thread, and says when the next must be at the latest.
  using Round = std::function<std::chrono::nanoseconds(kraft::MetadataNode&)>;
  void add_round(Round round) { rounds_.push_back(std::move(round)); }
  /// Fences this broker and moves its partitions away (a lone broker's are left without a leader), then ends
  /// the thread and closes the log. Idempotent.
  Result<void> stop();

  void submit(Task task) override;
  /// What came of a request to another node of the quorum; nothing: it failed. From any thread.
  void receive(BrokerId peer, std::uint64_t correlation, std::optional<kraft::QuorumAnswer> answer);
  void add_listener(ImageListener listener) override;
  void add_controller_listener(ControllerListener listener) override;
  [[nodiscard]] kraft::ActiveController active_controller() const override;
  [[nodiscard]] std::int64_t broker_epoch() const override { return life_ != nullptr ? life_->epoch() : -1; }

 private:
  Result<void> lead(std::chrono::nanoseconds patience);
  void on_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges& changes);
  void publish(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);
  void run();
  void run_tasks();
  Result<std::chrono::nanoseconds> run_node();
  void leave_quorum();
  bool sleep_until(std::chrono::nanoseconds deadline);
  void fail(const Error& error);
  Result<std::chrono::nanoseconds> run_life();
  void publish_when_caught_up();
  [[nodiscard]] std::chrono::nanoseconds now() const;
  void finish_start(Result<void> result);

  MetadataDriverDependencies dependencies_;
  std::unique_ptr<kraft::MetadataNode> node_;
  std::thread thread_;

  // The driver's thread (the main thread before start()).
  ReplicaManager* replicas_ = nullptr;
  LifecycleDriver* life_ = nullptr;
  bool is_publishing_ = false;
  std::vector<ImageListener> listeners_;
  std::vector<ControllerListener> controller_listeners_;
  std::vector<Round> rounds_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;              // tasks or stop
  std::condition_variable started_;           // start_result_
  std::deque<Task> tasks_;                    // guarded by mutex_
  kraft::ActiveController controller_;        // guarded by mutex_; written by the driver's thread alone
  std::optional<Result<void>> start_result_;  // guarded by mutex_
  bool want_shutdown_ = false;                // guarded by mutex_
  bool ended_ = false;                        // guarded by mutex_: the thread runs no more tasks
};

}  // namespace barnabas::broker
