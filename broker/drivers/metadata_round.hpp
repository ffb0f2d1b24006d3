// MetadataRound: what a metadata driver does each time that it wakes up: it runs the quorum's node and the
// broker's life, publishes images to the rest of the node and tells who leads the quorum.
//
// Owned by a driver, which brings the strand and the sleep (MetadataRoundDriver): MetadataDriverThread, or
// that of the simulation. Thread safety: active_controller() from any thread; the rest on the driver's
// strand, which is whoever made it until the driver begins.
//
// Nothing is published before the metadata is read up to the broker's own registration: partitions that an
// older image does not know would be taken for strays.
// Errors: of a metadata log that fails, and of a life that ends against the broker's will: the node is
// useless then. Source: KIP-631.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "broker/drivers/lifecycle_driver.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

struct MetadataDriverDependencies {
  kraft::MetadataNodeDependencies node;
  BrokerConfig& config;
  MetadataCache& cache;
  std::function<void(const Error&)> on_failure;  // the driver's, not the round's
};

class MetadataRound {
 public:
  explicit MetadataRound(MetadataDriverDependencies dependencies) : dependencies_(std::move(dependencies)) {}

  /// `peers` is the way to the other nodes of the quorum; it outlives the driver.
  Result<void> open(kraft::MetadataNodeOptions options, kraft::QuorumPeers* peers);
  /// Before the first run. `life` is the broker's, null for a node that is none.
  void begin(ReplicaManager& replicas, LifecycleDriver* life);
  /// Runs in every round, and says when the next must be at the latest.
  using Duty = std::function<std::chrono::nanoseconds(kraft::MetadataNode&)>;
  void add_duty(Duty duty) { duties_.push_back(std::move(duty)); }
  void add_listener(MetadataDriver::ImageListener listener) { listeners_.push_back(std::move(listener)); }
  void add_controller_listener(MetadataDriver::ControllerListener listener) {
    controller_listeners_.push_back(std::move(listener));
  }

  /// A whole round; when the next must be at the latest.
  Result<std::chrono::nanoseconds> run();
  /// Its first part: the quorum's node alone.
  Result<std::chrono::nanoseconds> run_node();
  /// Its second: the first image, once the broker may see it.
  void publish_when_caught_up();

  [[nodiscard]] kraft::ActiveController active_controller() const;
  /// The node does its work in the cluster: its broker is unfenced; one without a broker has an image.
  [[nodiscard]] bool is_serving() const { return life_ != nullptr ? life_->is_running() : is_publishing_; }
  /// Null before open() and after close().
  [[nodiscard]] kraft::MetadataNode* node() const { return node_.get(); }
  [[nodiscard]] LifecycleDriver* life() const { return life_; }
  [[nodiscard]] std::chrono::nanoseconds now() const { return dependencies_.node.clock.monotonic(); }
  [[nodiscard]] std::int64_t wall_ms() const { return dependencies_.node.clock.wall_ms(); }
  Result<void> close();

 private:
  void publish(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes);
  bool open_more();

  MetadataDriverDependencies dependencies_;
  std::unique_ptr<kraft::MetadataNode> node_;
  ReplicaManager* replicas_ = nullptr;
  LifecycleDriver* life_ = nullptr;
  bool is_publishing_ = false;
  std::vector<MetadataDriver::ImageListener> listeners_;
  std::vector<MetadataDriver::ControllerListener> controller_listeners_;
  std::vector<Duty> duties_;
  mutable std::mutex mutex_;
  kraft::ActiveController controller_;  // guarded by mutex_; written by the driver's strand alone
};

/// A driver of rounds: its strand and its sleep are the derived class's.
class MetadataRoundDriver : public MetadataDriver {
 public:
  void add_listener(ImageListener listener) override { round_.add_listener(std::move(listener)); }
  void add_controller_listener(ControllerListener listener) override {
    round_.add_controller_listener(std::move(listener));
  }
  [[nodiscard]] kraft::ActiveController active_controller() const override {
    return round_.active_controller();
  }
  [[nodiscard]] std::int64_t broker_epoch() const override {
    return round_.life() != nullptr ? round_.life()->epoch() : -1;
  }
  /// Before start(). Runs in every round, and says when the next must be at the latest.
  void add_duty(MetadataRound::Duty duty) { round_.add_duty(std::move(duty)); }
  /// What came of a request to another node of the quorum. From where submit() may be called.
  void receive(BrokerId peer, std::uint64_t correlation, kraft::QuorumOutcome outcome);

 protected:
  explicit MetadataRoundDriver(MetadataDriverDependencies dependencies)
      : on_failure_(dependencies.on_failure), round_(std::move(dependencies)) {}

  std::function<void(const Error&)> on_failure_;
  MetadataRound round_;
};

}  // namespace barnabas::broker
