#include "simulation/nodes/cluster_voter_admin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "protocol/messages/api_add_raft_voter.hpp"
#include "protocol/messages/api_remove_raft_voter.hpp"
#include "protocol/messages/api_update_features.hpp"
#include "simulation/nodes/cluster_node.hpp"

namespace barnabas::simulation {

using std::chrono::nanoseconds;

namespace {
constexpr std::int32_t kTimeoutMs = 10000;
constexpr std::uint16_t kControllerPort = 9093;
constexpr std::int8_t kUpgrade = 1;
/// With fewer nothing goes on once a single one is down.
constexpr std::size_t kFewestVoters = 2;
}  // namespace

ClusterVoterAdmin::ClusterVoterAdmin(ClientSurroundings surroundings, VoterAdminOptions options)
    : ClusterClient(std::move(surroundings), "voter-admin"), options_(options) {}

void ClusterVoterAdmin::start() {
  arrange_next();
}

void ClusterVoterAdmin::arrange_next() {
  const auto mean = static_cast<std::uint64_t>(nanoseconds(options_.interval).count());
  after(nanoseconds(1 + below(2 * mean)), [this] {
    if (!stopped_ && !held_ && !std::exchange(busy_, true)) look();
    arrange_next();
  });
}

void ClusterVoterAdmin::look() {
  protocol::DescribeQuorumRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic_name = "__cluster_metadata";
  topic.partitions.emplace_back();
  any_channel().call<protocol::DescribeQuorumResponse>(
      std::move(request), [this](Result<broker::PeerAnswer<protocol::DescribeQuorumResponse>> answer) {
        busy_ = false;
        if (!answer || answer->body.error_code != 0 || answer->body.topics.empty()) return;
        const Quorum& quorum = answer->body.topics[0].partitions.at(0);
        if (quorum.error_code == 0) change(quorum);
      });
}

void ClusterVoterAdmin::change(const Quorum& quorum) {
  if (held_) return;
  const auto has_directory = [](const auto& voter) { return voter.replica_directory_id != Uuid(); };
  if (!std::ranges::all_of(quorum.current_voters, has_directory)) return upgrade();
  for (const auto& observer : quorum.observers)
    if (observer.replica_id <= options_.controllers && below(3) > 0)
      return add(observer.replica_id, observer.replica_directory_id);
  if (quorum.current_voters.size() <= kFewestVoters) return;
  const auto& leaving = quorum.current_voters[below(quorum.current_voters.size())];
  remove(leaving.replica_id, leaving.replica_directory_id);
}

template <class Response, class Request>
void ClusterVoterAdmin::ask(std::string what, Request request) {
  busy_ = true;
  surroundings().note(what);
  any_channel().call<Response>(std::move(request),
                               [this, what = std::move(what)](Result<broker::PeerAnswer<Response>> answer) {
                                 busy_ = false;
                                 if (!answer || answer->body.error_code != 0) return;
                                 ++changes_;
                                 surroundings().note("done: " + what);
                               });
}

void ClusterVoterAdmin::upgrade() {
  protocol::UpdateFeaturesRequest request;
  request.timeout_ms = kTimeoutMs;
  auto& update = request.feature_updates.emplace_back();
  update.feature = "kraft.version";
  update.max_version_level = 1;
  update.upgrade_type = kUpgrade;
  ask<protocol::UpdateFeaturesResponse>("raise kraft.version", std::move(request));
}

void ClusterVoterAdmin::add(std::int32_t controller, const Uuid& directory) {
  protocol::AddRaftVoterRequest request;
  request.cluster_id = kSimulatedClusterId;
  request.timeout_ms = kTimeoutMs;
  request.voter_id = controller;
  request.voter_directory_id = directory;
  auto& listener = request.listeners.emplace_back();
  listener.name = "CONTROLLER";
  listener.host = ClusterNode::host_of(controller);
  listener.port = kControllerPort;
  ask<protocol::AddRaftVoterResponse>(fmt::format("add controller {} to the voters", controller),
                                      std::move(request));
}

void ClusterVoterAdmin::remove(std::int32_t controller, const Uuid& directory) {
  protocol::RemoveRaftVoterRequest request;
  request.cluster_id = kSimulatedClusterId;
  request.voter_id = controller;
  request.voter_directory_id = directory;
  ask<protocol::RemoveRaftVoterResponse>(fmt::format("take controller {} from the voters", controller),
                                         std::move(request));
}

}  // namespace barnabas::simulation
