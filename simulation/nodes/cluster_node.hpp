// ClusterNode: one machine of a simulated cluster: its disk, its clock, and the process that runs on it.
//
// Owned by the Cluster. Not thread-safe. Nothing here may be called within an event of the node itself; what
// the process wants done to itself (its end after a failure) is an event of the "supervisor".
//
// Faults
//   kill         the process dies; what it wrote is there.
//   cut_power    the machine dies: of what was not synced chance decides sector by sector
//   (crashable_bytes.hpp). break_disk   every call fails from some call on, and what was not synced is lost
//   as with the power. pause        the process stands still; its machine takes connections and data for it.
//   clock jumps  the wall clock, not the monotonic one.
//   lose_data    the disk of the data directories is replaced by an empty one; the metadata's stays.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/memory_file_system.hpp"
#include "base/simulated_network.hpp"
#include "simulation/nodes/cluster_process.hpp"

namespace barnabas::simulation {

inline constexpr const char* kSimulatedClusterId = "4L6g3nShT-eMCtK--X86sw";

/// The world's time; the wall clock of its own machine.
class NodeClock final : public Clock {
 public:
  explicit NodeClock(const Clock& world) : world_(world) {}
  [[nodiscard]] std::int64_t wall_ms() const override { return world_.wall_ms() + ahead_ms_; }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override { return world_.monotonic(); }
  void set_ahead(std::int64_t ms) { ahead_ms_ = ms; }

 private:
  const Clock& world_;
  std::int64_t ahead_ms_ = 0;
};

struct ClusterNodeOptions {
  std::int32_t id = 1;
  broker::ConfigMap properties;
  bool is_controller = true;
  bool is_broker = true;
};

class ClusterNode {
 public:
  using ImageListener = std::function<void(std::int32_t id, const kraft::MetadataImagePtr&)>;

  /// Formats the disk.
  ClusterNode(SimulatedWorld& world, ClusterNodeOptions options, ImageListener on_image);
  ~ClusterNode();
  ClusterNode(const ClusterNode&) = delete;
  ClusterNode& operator=(const ClusterNode&) = delete;

  [[nodiscard]] static std::string host_of(std::int32_t id) { return "node-" + std::to_string(id); }
  static constexpr const char* kDataDirectory = "/data";
  static constexpr const char* kMetadataDirectory = "/metadata";

  /// A new life. What keeps it from starting is in last_failure().
  bool start();
  void kill();
  void cut_power(Random& chance);
  /// Every call fails from the n-th from now on. The machine has to be started anew, as after a power
  /// failure.
  void break_disk(std::uint64_t n, Random& chance);
  /// SIGTERM; is_up() until it is done.
  void stop();
  void pause();
  void resume();
  /// How far it is before the others'; a jump when that changes.
  void set_clock_ahead(std::int64_t ms) { clock_.set_ahead(ms); }
  /// Of a node that is down.
  void lose_data();

  [[nodiscard]] std::int32_t id() const { return options_.id; }
  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] bool is_broker() const { return options_.is_broker; }
  [[nodiscard]] bool is_controller() const { return options_.is_controller; }
  [[nodiscard]] bool is_up() const { return process_ != nullptr; }
  [[nodiscard]] bool is_stopping() const { return stopping_; }
  [[nodiscard]] bool is_paused() const { return paused_; }
  [[nodiscard]] bool is_disk_broken() const { return broken_disk_ != nullptr; }
  /// Lives so far.
  [[nodiscard]] int lives() const { return lives_; }
  /// Requires is_up().
  [[nodiscard]] ClusterProcess& process() { return *process_; }
  [[nodiscard]] MemoryFileSystem& files() { return files_; }
  [[nodiscard]] const std::string& last_failure() const { return last_failure_; }

 private:
  void format();
  void end();
  void finish_stop();
  void mend_disk();
  void after_this_event(std::function<void()> call);

  SimulatedWorld& world_;
  ClusterNodeOptions options_;
  ImageListener on_image_;
  std::string host_;
  MemoryFileSystem files_;
  NodeClock clock_;
  std::unique_ptr<ClusterProcess> process_;
  bool stopping_ = false;
  bool paused_ = false;
  Random* broken_disk_ = nullptr;  // what decides of what is left on it
  int lives_ = 0;
  std::string last_failure_;
};

}  // namespace barnabas::simulation
