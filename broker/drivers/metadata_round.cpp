#include "broker/drivers/metadata_round.hpp"

#include <algorithm>

#include "broker/config/broker_config.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {

using std::chrono::nanoseconds;

Result<void> MetadataRound::open(kraft::MetadataNodeOptions options, kraft::QuorumPeers* peers) {
  dependencies_.node.peers = peers;
  node_ = TRY(kraft::MetadataNode::open(
      dependencies_.node, std::move(options),
      [this](const kraft::MetadataImagePtr& image, const kraft::MetadataChanges& changes) {
        if (is_publishing_) publish(image, &changes);
      }));
  return {};
}

void MetadataRound::begin(ReplicaManager& replicas, LifecycleDriver* life) {
  replicas_ = &replicas;
  life_ = life;
}

Result<nanoseconds> MetadataRound::run() {
  nanoseconds next = TRY(run_node());
  if (life_ != nullptr) next = std::min(next, TRY(life_->run(*node_)));
  publish_when_caught_up();
  for (const auto& duty : duties_) next = std::min(next, duty(*node_));
  return open_more() ? now() : next;
}

/// Some partitions a round, so that the quorum goes on meanwhile. Who follows images hears of each lot by one
/// that changes nothing.
bool MetadataRound::open_more() {
  if (!is_publishing_ || !replicas_->open_more()) return false;
  const kraft::MetadataChanges none;
  for (const auto& listener : listeners_) listener(node_->image(), &none);
  return true;
}

/// Runs the quorum's node and tells who leads now.
Result<nanoseconds> MetadataRound::run_node() {
  const nanoseconds due = TRY(node_->run_once(now()));
  const kraft::ActiveController active = node_->active_controller();
  {
    std::lock_guard lock(mutex_);
    if (active == controller_) return due;
    controller_ = active;
  }
  for (const auto& listener : controller_listeners_) listener(active);
  return due;
}

kraft::ActiveController MetadataRound::active_controller() const {
  std::lock_guard lock(mutex_);
  return controller_;
}

/// Leaders serve before anyone is told of them; who waited for them is told after that.
void MetadataRound::publish(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
  dependencies_.config.apply(*image);
  replicas_->apply(image, changes, [&] { dependencies_.cache.publish(image, node_->kraft_version()); });
  for (const auto& listener : listeners_) listener(image, changes);
  if (life_ != nullptr) life_->on_published(*image);
}

void MetadataRound::publish_when_caught_up() {
  if (is_publishing_ || (life_ != nullptr && !life_->is_caught_up())) return;
  is_publishing_ = true;
  publish(node_->image(), nullptr);
}

Result<void> MetadataRound::close() {
  if (!node_) return {};
  auto closed = node_->close();
  node_.reset();
  return closed;
}

void MetadataRoundDriver::receive(BrokerId peer, std::uint64_t correlation, kraft::QuorumOutcome outcome) {
  submit([peer, correlation, outcome = std::move(outcome)](kraft::MetadataNode& node, std::int64_t) mutable {
    if (outcome)
      node.receive_answer(peer, correlation, *std::move(outcome));
    else
      node.receive_failure(peer, correlation, outcome.error());
  });
}

}  // namespace barnabas::broker
