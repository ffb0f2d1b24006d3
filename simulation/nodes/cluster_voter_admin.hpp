// ClusterVoterAdmin: changes who votes in the metadata quorum of a simulated cluster (KIP-853).
//
// Owned by the Cluster. Not thread-safe. It raises kraft.version to 1, takes controllers out of the voters,
// the leader among them, and puts them back; one change after the other, each of what DescribeQuorum tells.
// What it is refused, or hears nothing of, it leaves alone: the next look shows what became of it.
#pragma once

#include "protocol/messages/api_describe_quorum.hpp"
#include "simulation/nodes/cluster_client.hpp"

namespace barnabas::simulation {

struct VoterAdminOptions {
  std::chrono::milliseconds interval{4000};  // on average between two changes
  std::int32_t controllers = 3;              // the nodes 1 to that one
};

class ClusterVoterAdmin final : public ClusterClient {
 public:
  ClusterVoterAdmin(ClientSurroundings surroundings, VoterAdminOptions options);

  void start();
  /// The change under way is the last.
  void stop() { stopped_ = true; }
  /// No change begins while it is held.
  void hold(bool held) { held_ = held; }
  /// That were done, as it was told.
  [[nodiscard]] std::size_t changes() const { return changes_; }

 private:
  using Quorum = protocol::DescribeQuorumResponse::PartitionData;
  void on_metadata() override {}
  void arrange_next();
  void look();
  void change(const Quorum& quorum);
  void upgrade();
  void add(std::int32_t controller, const Uuid& directory);
  void remove(std::int32_t controller, const Uuid& directory);
  template <class Response, class Request>
  void ask(std::string what, Request request);

  VoterAdminOptions options_;
  bool stopped_ = false;
  bool held_ = false;
  bool busy_ = false;
  std::size_t changes_ = 0;
};

}  // namespace barnabas::simulation
