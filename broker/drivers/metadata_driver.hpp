// MetadataDriver: the thread that the metadata quorum's node runs on, and the door to it.
//
// Owned by the node. It registers and unfences this broker, publishes every new image to the rest of the
// node, and lets a controller's answer out only when the image that contains it is published and its leaders
// serve. Thread safety: submit() and active_controller() from any thread; all callbacks run on the driver's
// own thread and must not block it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "kraft/active_controller.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::kraft {
class MetadataNode;
struct MetadataChanges;
}  // namespace barnabas::kraft

namespace barnabas::broker {

class BrokerConfig;
class MetadataCache;
class ReplicaManager;

class MetadataDriver {
 public:
  /// Runs once on the driver's thread: it queues requests with node.submit(request, reply). A reply runs on
  /// that thread too, when its records are committed and the image with them is published.
  using Task = std::move_only_function<void(kraft::MetadataNode& node, std::int64_t now_ms)>;
  /// Told of every published image, after partitions were made; the changes are null for the first one.
  using ImageListener = std::function<void(const kraft::MetadataImagePtr&, const kraft::MetadataChanges*)>;

  /// Told who leads the metadata quorum, first at the start and then when any of it changes.
  using ControllerListener = std::function<void(const kraft::ActiveController&)>;

  virtual ~MetadataDriver() = default;

  /// Tasks run in the order of submission. After stop() they are dropped unrun.
  virtual void submit(Task task) = 0;
  /// Before start(): the listener sees the first image too. Runs on the driver's thread.
  virtual void add_listener(ImageListener listener) = 0;
  /// Before start(). Runs on the driver's thread, after the run that brought the change.
  virtual void add_controller_listener(ControllerListener listener) = 0;
  /// As it was last told; from any thread.
  [[nodiscard]] virtual kraft::ActiveController active_controller() const = 0;
  /// Epoch of this broker's registration, -1 before it is registered.
  [[nodiscard]] virtual std::int64_t broker_epoch() const = 0;
};

}  // namespace barnabas::broker
