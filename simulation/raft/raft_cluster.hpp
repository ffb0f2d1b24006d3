// A simulated quorum: replicas that are RaftNodes on simulated disks, joined by a simulated network, in
// virtual time.
//
// One value is one run; everything in it follows from its seed. Thread safety: none. A replica is driven as
// the real driver does it: the effects of a step in the order of Ready's fields, syncs some time after
// appends. Between any two effects it may crash. Numbers of replicas are their node ids.
//
// The network's faults: delay, loss (with and without notice), one- and two-way partitions; answers overtake
// each other except those of one connection, on which raft has one request at a time. A replica goes down
// with its host, which is silent then, or alone: then its host ends its connections and refuses new ones.
// Units: virtual nanoseconds.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "kraft/raft/raft_node.hpp"
#include "simulation/raft/raft_checks.hpp"
#include "simulation/raft/raft_disk.hpp"

namespace barnabas::simulation {

using Time = std::chrono::nanoseconds;

/// How a run is made harder. Chances are of a million.
struct RaftFaults {
  std::uint64_t message_loss = 0;
  std::uint64_t message_delay = 0;  // long instead of short
  std::uint64_t crash_in_step = 0;  // between two effects
  std::uint64_t crash_after_vote = 0;
  std::uint64_t slow_sync = 0;
};

struct RaftClusterOptions {
  std::size_t replicas = 3;
  std::size_t initial_voters = 3;  // the first ones; the others are observers
  std::int16_t kraft_version = 1;
  bool auto_join = false;
  kraft::RaftTimeouts timeouts;
  std::size_t most_records_a_fetch = 40;
  bool trace = false;
};

/// What a run came by, to see that runs are worth something.
struct RaftCounters {
  std::size_t voter_changes = 0;
  std::size_t snapshots_installed = 0;
  std::size_t truncations = 0;
  std::size_t early_elections = 0;   // begun because connections were refused
  std::size_t version_upgrades = 0;  // of kraft.version
};

class RaftCluster {
 public:
  RaftCluster(std::uint64_t seed, RaftClusterOptions options);

  /// Runs all events up to `until`. False when a check failed.
  bool run_until(Time until);
  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }
  [[nodiscard]] const RaftChecks& checks() const { return checks_; }
  [[nodiscard]] const RaftCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t size() const { return replicas_.size(); }
  /// Depends on everything that happened: equal for equal runs.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

  // What happens to it.
  RaftFaults faults;
  void crash(std::size_t replica);
  void restart(std::size_t replica);
  void pause(std::size_t replica, Time duration);
  void jump_clock(std::size_t replica, Time forward) { replicas_[replica].clock_offset += forward; }
  void cut(std::size_t from, std::size_t to, bool is_cut) { cut_[from * size() + to] = is_cut; }
  void mend() { std::fill(cut_.begin(), cut_.end(), false); }
  void heal();
  void resign(std::size_t replica);

  // What it is asked for.
  /// Appends data on every replica that believes it leads.
  void append_data(std::size_t most);
  void snapshot(std::size_t replica);
  /// The change is asked of every replica that believes it leads.
  void change_voters(const kraft::RaftMessage& request);
  /// The same of kraft.version 1, where the voters have said that they can.
  void upgrade_kraft_version();

  [[nodiscard]] bool is_up(std::size_t replica) const { return replicas_[replica].node.has_value(); }
  [[nodiscard]] const kraft::RaftNode& node(std::size_t replica) const { return *replicas_[replica].node; }
  [[nodiscard]] const SimulatedRaftDisk& disk(std::size_t replica) const { return replicas_[replica].disk; }
  [[nodiscard]] kraft::Voter voter(std::size_t replica) const;
  /// The replica with the highest epoch that leads with a committed epoch.
  [[nodiscard]] std::optional<std::size_t> active_leader() const;

 private:
  struct Replica {
    std::optional<kraft::RaftNode> node;
    SimulatedRaftDisk disk;
    std::unique_ptr<SeededRandom> random;
    std::uint64_t incarnation = 0;
    Time clock_offset{0};
    Time paused_until{0};
    std::uint64_t tick_generation = 0;
    bool sync_is_due = false;
    std::optional<SimulatedSnapshot> receiving;
    int endpoint_version = 0;
    bool refuses = false;  // while it is down: its host is up
  };
  /// A message on its way, with what the sender's driver attached.
  struct Packet {
    std::size_t from = 0;
    std::size_t to = 0;
    std::uint64_t from_incarnation = 0;
    std::uint64_t to_incarnation = 0;  // of a response: whoever asked
    BrokerId asked_as;                 // how the asker names the answerer
    std::uint64_t correlation = 0;     // the asker's
    bool is_response = false;
    kraft::RaftMessage message;
    SimulatedRecords records;
    std::optional<SimulatedSnapshot> snapshot;
  };
  enum class EventKind { kTick, kSync, kDeliver, kRequestFailed };
  struct Event {
    Time at{0};
    std::uint64_t sequence = 0;
    EventKind kind = EventKind::kTick;
    std::size_t replica = 0;
    std::uint64_t incarnation = 0;
    std::uint64_t generation = 0;  // of a tick
    std::shared_ptr<Packet> packet;
    bool is_refused = false;
    bool operator>(const Event& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };

  void schedule(Event event);
  void handle(const Event& event);
  void deliver(Packet& packet);
  void step(std::size_t replica, const kraft::RaftInput& input, Packet* packet = nullptr);
  void carry_out(std::size_t replica, kraft::Ready& ready, Packet* packet);
  bool survives(std::size_t replica, std::uint64_t incarnation);
  void append_controls(std::size_t replica, const std::vector<kraft::RaftControlRecord>& controls);
  void append_received(std::size_t replica, const Packet& packet);
  void receive_snapshot(std::size_t replica, const kraft::SnapshotId& id, const Packet& packet,
                        bool is_whole);
  void send(std::size_t replica, kraft::AddressedMessage message);
  void transmit(const std::shared_ptr<Packet>& packet);
  [[nodiscard]] bool is_cut(std::size_t a, std::size_t b) const {
    return cut_[a * size() + b] || cut_[b * size() + a];
  }
  /// The host of a replica that died ends what is open to it.
  void reset_connections(std::size_t replica);
  void tell_failure(const std::shared_ptr<Packet>& request, bool is_refused);
  void sync_later(std::size_t replica);
  [[nodiscard]] kraft::RaftOptions raft_options(std::size_t replica) const;
  [[nodiscard]] bool chance(std::uint64_t of_a_million) { return random_.below(1000000) < of_a_million; }
  void fail(std::string what);
  void trace(std::size_t replica, std::string_view what);

  RaftClusterOptions options_;
  SeededRandom random_;
  RaftChecks checks_;
  RaftCounters counters_;
  std::vector<Replica> replicas_;
  std::vector<bool> cut_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::vector<std::shared_ptr<Packet>> open_requests_;  // by the token given to the answerer, less one
  Time now_{0};
  std::uint64_t sequence_ = 0;
  std::uint64_t next_value_ = 1;
  std::uint64_t digest_ = 0;
  std::optional<std::string> failure_;
};

}  // namespace barnabas::simulation
