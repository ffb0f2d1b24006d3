// Several metadata nodes in a test: each with a disk in memory, joined by a carrier of messages that delivers
// what was sent in the millisecond before. One clock; single-threaded; the same calls give the same run.
#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kraft/node_testing.hpp"

namespace barnabas::kraft {

struct QuorumFixtureOptions {
  int controllers = 3;
  int observers = 0;
  /// controller.quorum.voters; else --initial-controllers, and the first controllers are bootstrap servers.
  bool is_static = true;
  int initial_voters = 3;
};

/// The first `initial_voters` controllers are voters; others may become some.
inline QuorumFixtureOptions dynamic_quorum(int controllers, int initial_voters, int observers = 0) {
  QuorumFixtureOptions options;
  options.is_static = false;
  options.controllers = controllers;
  options.initial_voters = initial_voters;
  options.observers = observers;
  return options;
}

inline int other_than(int id) {
  return id == 1 ? 2 : 1;
}

class QuorumFixture {
 public:
  explicit QuorumFixture(QuorumFixtureOptions options = {});
  ~QuorumFixture();
  QuorumFixture(const QuorumFixture&) = delete;
  QuorumFixture& operator=(const QuorumFixture&) = delete;

  /// A node of the quorum; ids count from 1, observers behind the controllers.
  struct Member : QuorumPeers {
    QuorumFixture* quorum = nullptr;
    int id = 0;
    MemoryFileSystem files;
    std::unique_ptr<SeededRandom> random;
    MetadataNodeOptions options;
    std::unique_ptr<MetadataNode> node;  // null while it is down
    int life = 0;
    std::chrono::nanoseconds due{0};
    std::vector<MetadataImagePtr> images;
    MetadataChanges last_changes;
    std::optional<Error> failure;  // of run_once()

    void ask(QuorumRequest request) override;
  };

  Member& member(int id) { return *members_[static_cast<std::size_t>(id - 1)]; }
  MetadataNode& node(int id) { return *member(id).node; }

  [[nodiscard]] Result<void> start(int id);
  void start_all();
  /// The machine goes: what was not synced is lost.
  void crash(int id);
  void stop(int id);
  /// The directory of a member that is down is one with another id.
  void move_to_another_disk(int id);
  void cut(int id) { cut_.insert(id); }
  void join(int id) { cut_.erase(id); }

  void run_ms(int ms);
  /// Until `condition()`, for at most that long.
  template <class Condition>
  bool run_until(Condition condition, int ms = 20000) {
    for (int i = 0; i < ms; ++i) {
      if (condition()) return true;
      run_ms(1);
    }
    return condition();
  }
  /// The active controller, 0 without one. Among the nodes that are not cut off.
  [[nodiscard]] int leader() const;
  int wait_for_leader();
  /// Every node that is up and joined has what the leader has committed.
  bool wait_until_equal();

  /// Asks one node for a quota of a user; the error of its answer, nothing while there is none.
  using Outcome = std::shared_ptr<std::optional<ErrorCode>>;
  Outcome set_quota(int id, const std::string& user, double bytes = 1000);
  /// The same, until the answer.
  ErrorCode set_quota_now(int id, const std::string& user);
  [[nodiscard]] bool has_quota(int id, const std::string& user);

  ManualClock clock;
  FewConfigs configs;
  /// This node is of another cluster: what it says to others, and they to it, is refused.
  int stranger = 0;
  /// The addresses of the bootstrap servers are those of another cluster.
  bool bootstrap_is_elsewhere = false;

 private:
  struct Packet {
    int from = 0;
    int to = 0;
    int life = 0;   // of the receiver of an answer
    BrokerId peer;  // as the asker names the answerer
    std::uint64_t correlation = 0;
    std::optional<QuorumRequest> request;
    QuorumAnswer answer;
  };
  void deliver(Packet packet);
  [[nodiscard]] bool is_cut(int a, int b) const { return cut_.contains(a) || cut_.contains(b); }
  void format(Member& member);

  QuorumFixtureOptions options_;
  VoterSet voters_;
  std::vector<std::unique_ptr<Member>> members_;
  std::set<int> cut_;
  std::deque<Packet> packets_;
};

}  // namespace barnabas::kraft
