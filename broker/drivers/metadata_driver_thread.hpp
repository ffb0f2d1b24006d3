// MetadataDriverThread: the MetadataDriver of production, a thread of its own that sleeps until a request
// comes or the quorum's next deadline.
//
// Owned by the node. Life: made early, because others refer to it; open() on the main thread reads the
// metadata log; start() brings the local quorum up (a quorum of one leads at once) and registers and unfences
// the broker in the commit of that, publishes the image of all this as the first, and begins the thread;
// stop() leaves the cluster as a controlled shutdown does and closes the metadata log. Thread safety: as
// MetadataDriver says; open, start and stop are called by the main thread, once each.
//
// Errors: a metadata log that fails makes the node useless, so `on_failure` is called once (from the driver's
// thread) and every later request is refused.
// Source: KIP-631 (registration, heartbeats); clean stop measured on Kafka 4.3.1.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

struct MetadataDriverDependencies {
  kraft::MetadataNodeDependencies node;
  BrokerConfig& config;
  MetadataCache& cache;
  std::function<void(const Error&)> on_failure;
};

/// What this broker tells the controller of itself.
struct BrokerIdentity {
  std::string cluster_id;
  std::vector<kraft::NamedEndpoint> endpoints;
  std::vector<DirectoryId> directories;
  std::int64_t previous_epoch = -1;  // of the clean-shutdown marker
};

class MetadataDriverThread final : public MetadataDriver {
 public:
  explicit MetadataDriverThread(MetadataDriverDependencies dependencies)
      : dependencies_(std::move(dependencies)) {}
  ~MetadataDriverThread() override;

  /// `peers` is the way to the other nodes of the quorum; it outlives the driver's thread.
  Result<void> open(kraft::MetadataNodeOptions options, kraft::QuorumPeers* peers);
  Result<void> start(ReplicaManager& replicas, BrokerIdentity identity);
  /// Tells the cluster other addresses of this broker; returns when the image with them is published. After
  /// start(), from any thread but the driver's.
  Result<void> announce(std::vector<kraft::NamedEndpoint> endpoints);
  /// Fences this broker and moves its partitions away (a lone broker's are left without a leader), then ends
  /// the thread and closes the log. Idempotent.
  Result<void> stop();

  void submit(Task task) override;
  /// What came of a request to another node of the quorum; nothing: it failed. From any thread.
  void receive(BrokerId peer, std::uint64_t correlation, std::optional<kraft::QuorumAnswer> answer);
  void add_listener(ImageListener listener) override;
  void add_controller_listener(ControllerListener listener) override;
  [[nodiscard]] kraft::ActiveController active_controller() const override;
  [[nodiscard]] std::int64_t broker_epoch() const override { return broker_epoch_.load(); }
  [[nodiscard]] BrokerId broker_id() const;
  /// A log directory has failed: told with every heartbeat from now on. When the controller takes no note of
  /// it within log.dir.failure.timeout.ms the node fails. On the driver's thread.
  void lose_directory(DirectoryId directory);

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
  [[nodiscard]] protocol::BrokerRegistrationRequest registration() const;
  void register_broker();
  void heartbeat();
  void on_heartbeat(const protocol::BrokerHeartbeatResponse& response);
  [[nodiscard]] bool is_heard_in_time();
  [[nodiscard]] std::chrono::nanoseconds now() const;
  void finish_start(Result<void> result);

  MetadataDriverDependencies dependencies_;
  std::unique_ptr<kraft::MetadataNode> node_;
  std::thread thread_;

  // The driver's thread (the main thread before start()).
  ReplicaManager* replicas_ = nullptr;
  BrokerIdentity identity_;
  Uuid incarnation_;
  std::vector<ImageListener> listeners_;
  std::vector<ControllerListener> controller_listeners_;
  std::vector<Uuid> offline_directories_;
  std::optional<std::chrono::nanoseconds> told_by_;  // while the controller has not heard of all of those
  bool fenced_ = true;
  bool heartbeat_pending_ = false;
  bool shutdown_granted_ = false;
  std::optional<std::chrono::nanoseconds> next_heartbeat_;

  std::atomic<std::int64_t> broker_epoch_ = -1;
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
