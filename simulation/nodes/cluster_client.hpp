// What the clients of a simulated cluster have in common: a host, connections to the brokers, and what they
// were told of who leads what.
//
// Owned by the Cluster; the world outlives it. Not thread-safe. As real clients do, it keeps the newest
// leader epoch that it was told, whoever told it, and asks another broker when one does not answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/simulated_network.hpp"
#include "broker/peers/peer_channel.hpp"
#include "simulation/nodes/cluster_checks.hpp"

namespace barnabas::simulation {

/// A topic of the workload. Once its deletion was asked for nobody expects anything of it.
struct SimulatedTopic {
  std::string name;
  std::int32_t partitions = 1;
  /// Written by copiers, in transactions, and not by producers.
  bool is_output = false;
  bool created = false;
  bool deleting = false;
  bool deleted = false;
};
/// By name. Who asks the controller changes it, all clients look.
using TopicBook = std::map<std::string, SimulatedTopic>;

struct ClientSurroundings {
  SimulatedWorld& world;
  ClusterChecks& checks;
  TopicBook& topics;
  std::vector<std::int32_t> brokers;
  /// What happens, for the trail of a run that fails.
  std::function<void(std::string)> note;
};

class ClusterClient {
 public:
  ClusterClient(ClientSurroundings surroundings, std::string host);
  virtual ~ClusterClient();
  ClusterClient(const ClusterClient&) = delete;
  ClusterClient& operator=(const ClusterClient&) = delete;

  [[nodiscard]] const std::string& host() const { return host_; }

 protected:
  struct Place {
    std::int32_t leader = -1;
    LeaderEpoch epoch = kNoLeaderEpoch;
  };
  static constexpr std::chrono::milliseconds kBackoff{100};

  /// Connections to one broker for several purposes do not wait for one another.
  [[nodiscard]] broker::PeerChannel& channel_to(std::int32_t broker, int purpose = 0);
  [[nodiscard]] broker::PeerChannel& any_channel();
  /// -1 when that is not known.
  [[nodiscard]] Place place_of(const TopicPartition& partition) const;
  [[nodiscard]] const std::map<TopicPartition, Place>& places() const { return places_; }
  /// Zero when that is not known.
  [[nodiscard]] TopicId id_of(const std::string& topic) const;
  [[nodiscard]] std::string name_of(TopicId id) const;
  /// Whether anything is to be expected of the topic.
  [[nodiscard]] bool is_live(const std::string& topic) const;
  /// Asks for the metadata soon, unless that was asked for already.
  void refresh();
  virtual void on_metadata() = 0;
  void after(std::chrono::nanoseconds delay, std::function<void()> call);
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return surroundings_.world.random().below(bound); }
  [[nodiscard]] const ClientSurroundings& surroundings() const { return surroundings_; }
  [[nodiscard]] ClusterChecks& checks() { return surroundings_.checks; }

 private:
  void ask_for_metadata();

  ClientSurroundings surroundings_;
  std::string host_;
  Reactor& reactor_;
  std::map<std::pair<std::int32_t, int>, std::unique_ptr<broker::PeerChannel>> channels_;
  std::map<TopicPartition, Place> places_;
  std::map<std::string, TopicId> topic_ids_;
  bool refreshing_ = false;
};

}  // namespace barnabas::simulation
