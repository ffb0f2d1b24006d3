#include "simulation/nodes/cluster_node.hpp"

#include <utility>

#include "base/check.hpp"
#include "kraft/bootstrap.hpp"

namespace barnabas::simulation {

namespace {
constexpr const char* kSupervisor = "supervisor";
}

ClusterNode::ClusterNode(SimulatedWorld& world, ClusterNodeOptions options, ImageListener on_image)
    : world_(world),
      options_(std::move(options)),
      on_image_(std::move(on_image)),
      host_(host_of(options_.id)),
      clock_(world.clock()) {
  format();
}

ClusterNode::~ClusterNode() {
  end();
}

void ClusterNode::format() {
  kraft::FormatOptions format;
  format.cluster_id = kSimulatedClusterId;
  format.node_id = BrokerId(options_.id);
  format.ignore_formatted = true;
  format.log_directories = {kDataDirectory, kMetadataDirectory};
  format.metadata_directory = kMetadataDirectory;
  const auto formatted = kraft::format_storage(files_, clock_, world_.random(), format);
  CHECK(formatted.has_value(), "a new disk can be formatted");
}

bool ClusterNode::start() {
  CHECK(!is_up(), "a node that is up starts");
  mend_disk();
  Reactor& reactor = world_.node(host_);
  if (lives_ > 0) world_.restart_node(host_);
  const int life = ++lives_;
  ClusterProcessDependencies dependencies{reactor, files_, clock_, world_.random(), options_.properties,
                                          nullptr, nullptr};
  dependencies.on_failure = [this, life](const Error& error) {
    last_failure_ = error.detail;
    after_this_event([this, life] {
      if (life == lives_) kill();
    });
  };
  dependencies.on_image = [this](const kraft::MetadataImagePtr& image) { on_image_(options_.id, image); };
  auto started = ClusterProcess::start(std::move(dependencies));
  if (!started) {
    last_failure_ = started.error().detail;
    world_.crash_node(host_);
    return false;
  }
  process_ = std::move(*started);
  return true;
}

void ClusterNode::end() {
  if (!is_up()) return;
  world_.crash_node(host_);
  process_.reset();
  stopping_ = false;
  paused_ = false;
}

void ClusterNode::kill() {
  end();
}

void ClusterNode::cut_power(Random& chance) {
  // First, so that nothing that the end of the process runs through reaches the disk.
  files_.crash(chance);
  end();
}

void ClusterNode::break_disk(std::uint64_t n, Random& chance) {
  files_.fail_calls_from(n);
  broken_disk_ = &chance;
}

void ClusterNode::mend_disk() {
  if (broken_disk_ == nullptr) return;
  files_.fail_nth_call(0);
  files_.crash(*std::exchange(broken_disk_, nullptr));
}

void ClusterNode::stop() {
  if (!is_up() || std::exchange(stopping_, true)) return;
  process_->leave([this, life = lives_] {
    after_this_event([this, life] {
      if (life == lives_ && is_up()) finish_stop();
    });
  });
}

void ClusterNode::finish_stop() {
  world_.crash_node(host_);
  if (const auto closed = process_->close(); !closed) last_failure_ = closed.error().detail;
  process_.reset();
  stopping_ = false;
  paused_ = false;
}

void ClusterNode::pause() {
  if (!is_up() || std::exchange(paused_, true)) return;
  world_.pause_node(host_);
}

void ClusterNode::resume() {
  if (!std::exchange(paused_, false)) return;
  world_.resume_node(host_);
}

void ClusterNode::lose_data() {
  CHECK(!is_up(), "the disk of a node that is up is replaced");
  mend_disk();
  CHECK(files_.remove_all(kDataDirectory).has_value());
  CHECK(files_.sync_directory("/").has_value());
  format();
}

void ClusterNode::after_this_event(std::function<void()> call) {
  world_.node(kSupervisor).post(std::move(call));
}

}  // namespace barnabas::simulation
