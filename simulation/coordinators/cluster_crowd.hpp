// ClusterCrowd: the members of consumer groups and the copiers of a simulated cluster, who come and go.
//
// Owned by the Cluster. Not thread-safe; what happens to its workers are events of a host of its own,
// "crowd", so that no worker is destroyed within one of its own events.
//
// What happens to a worker
//  - crash: the process dies, and another takes its seat some time later (for a copier: its transactional
//  id);
//  - leave: it says good-bye to its group, then the same;
//  - pause: it stands still, and goes on;
//  - zombie: it stands still, another takes its seat in the meantime, and then it goes on.
#pragma once

#include <array>

#include "simulation/coordinators/cluster_copier.hpp"
#include "simulation/coordinators/group_reader.hpp"

namespace barnabas::simulation {

/// Who is in a group, each on a host of its own.
struct GroupOptions {
  std::string name;
  GroupProtocol protocol = GroupProtocol::kClassic;
  int members = 2;
  bool is_static = false;
  bool copies = false;  // the input; else they read the output
};

struct CrowdOptions {
  std::vector<GroupOptions> groups;  // none: there is no crowd
  std::string input = "input";
  std::string output = "output";
  std::int32_t transaction_timeout_ms = 6000;
  std::chrono::milliseconds interval{3000};  // on average between two things that happen; 0: never
};

class ClusterCrowd {
 public:
  ClusterCrowd(ClientSurroundings surroundings, CrowdOptions options);
  ~ClusterCrowd();
  ClusterCrowd(const ClusterCrowd&) = delete;
  ClusterCrowd& operator=(const ClusterCrowd&) = delete;

  void start();
  /// Nothing happens to anybody any more, and every seat is taken.
  void calm();
  [[nodiscard]] std::vector<std::string> hosts() const;

  /// What the groups have left to do, for people; empty: nothing.
  [[nodiscard]] std::string unsettled() const;
  /// Once settled.
  void finish();

  [[nodiscard]] GroupChecks& groups() { return groups_; }
  [[nodiscard]] const GroupChecks& groups() const { return groups_; }
  [[nodiscard]] TransactionChecks& transactions() { return transactions_; }
  [[nodiscard]] const TransactionChecks& transactions() const { return transactions_; }
  [[nodiscard]] const CrowdOptions& options() const { return options_; }

 private:
  struct Seat {
    GroupOptions group;
    int number = 0;
    bool is_of_version_2 = true;
    /// On hosts of their own; the second is that of a zombie, or of its successor.
    std::array<std::unique_ptr<GroupWorker>, 2> workers;
    std::array<bool, 2> is_paused{};
    std::array<bool, 2> is_known{};  // to the world: the host has had a life
    std::size_t current = 0;         // who has the seat
  };

  [[nodiscard]] std::string host_of(const Seat& seat, std::size_t at) const;
  void sit_down(Seat& seat);
  void end(Seat& seat, std::size_t at);
  void pause(Seat& seat, std::size_t at);
  void resume(Seat& seat, std::size_t at);
  void look_after();
  /// At the next moment in which it is busy, or at the last of these.
  void disturb_when_busy(Seat& seat, int moments);
  void disturb(Seat& seat);
  void make_zombie(Seat& seat);
  void arrange_next();
  void after(std::chrono::nanoseconds delay, std::function<void()> call);
  [[nodiscard]] std::chrono::milliseconds up_to(std::chrono::milliseconds most);
  [[nodiscard]] std::string unsettled(const std::string& group, const std::string& topic) const;

  ClientSurroundings surroundings_;
  CrowdOptions options_;
  Reactor& reactor_;
  GroupChecks groups_;
  TransactionChecks transactions_;
  std::vector<std::unique_ptr<Seat>> seats_;
  bool is_calm_ = false;
};

}  // namespace barnabas::simulation
