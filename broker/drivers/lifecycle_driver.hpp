// LifecycleDriver: carries out what a BrokerLifecycle wants: its requests go to the active controller, what
// the metadata says comes back to it.
//
// Owned by the node. Thread safety: announce() and lose_directory() from any thread; run() and the callbacks
// on the metadata driver's thread (the main thread before that one begins); epoch() from any.
//
// A node that leads its quorum alone registers and is unfenced in the commit that its election needs, so its
// start waits for one sync only.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "broker/drivers/broker_lifecycle.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/metadata_driver.hpp"

namespace barnabas::broker {

struct LifecycleDependencies {
  const Clock& clock;
  Random& random;
  BrokerConfig& config;
  MetadataDriver& driver;
  ControllerChannel& controller;
};

class LifecycleDriver {
 public:
  /// A new active controller hears of this broker at once: it notices a broker's end by the connection that
  /// its heartbeats come by.
  explicit LifecycleDriver(LifecycleDependencies dependencies) : dependencies_(dependencies) {
    dependencies_.driver.add_controller_listener([this](const kraft::ActiveController& active) {
      if (life_ && active.id != kNoBroker) life_->hurry(now());
    });
  }

  /// Before the driver's start: the life begins.
  void begin(BrokerIdentity identity);
  /// Queues the registration together with the first heartbeat, for a node that will lead alone.
  void register_with(kraft::MetadataNode& node);

  /// Sends what is due; when it wants to be called again. Its error ends the broker.
  Result<std::chrono::nanoseconds> run(kraft::MetadataNode& node);
  /// An image was published here: the broker may be led to.
  void on_published(const kraft::MetadataImage& image);

  /// Tells the cluster other addresses of this broker. `done` runs when the controller took note of it;
  /// whoever must see it waits for the image.
  void announce(std::vector<kraft::NamedEndpoint> endpoints,
                std::move_only_function<void(Result<void>)> done);
  /// A log directory has failed: told with every heartbeat from now on.
  void lose_directory(DirectoryId directory);
  /// Asks to be let go; run() goes on until has_left().
  void leave(kraft::MetadataNode& node);

  [[nodiscard]] bool has_left() const { return life_->state() == BrokerLifecycle::State::kLeft; }
  [[nodiscard]] bool is_running() const { return life_->state() == BrokerLifecycle::State::kRunning; }
  [[nodiscard]] bool is_caught_up() const { return life_->is_caught_up(); }
  /// Epoch of the registration, -1 before there is one.
  [[nodiscard]] std::int64_t epoch() const { return epoch_.load(); }

 private:
  using RegistrationAnswer = Result<protocol::BrokerRegistrationResponse>;
  using HeartbeatAnswer = Result<protocol::BrokerHeartbeatResponse>;

  void send(protocol::BrokerRegistrationRequest request);
  void send(protocol::BrokerHeartbeatRequest request);
  void on_registration(kraft::MetadataNode& node, const RegistrationAnswer& answer);
  [[nodiscard]] std::chrono::nanoseconds now() const { return dependencies_.clock.monotonic(); }
  [[nodiscard]] std::chrono::nanoseconds patience() const;

  LifecycleDependencies dependencies_;
  std::unique_ptr<BrokerLifecycle> life_;
  /// Of announcements whose registration is not out yet, and of those whose is.
  std::vector<std::move_only_function<void(Result<void>)>> announced_;
  std::vector<std::move_only_function<void(Result<void>)>> announcing_;
  std::size_t leaving_others_ = 0;  // brokers in a controlled shutdown that the last image knew
  std::atomic<std::int64_t> epoch_ = -1;
};

}  // namespace barnabas::broker
