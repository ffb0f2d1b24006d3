#include "simulation/raft/raft_simulation.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <set>

#include "simulation/raft/raft_cluster.hpp"

namespace barnabas::simulation {

using namespace kraft;  // NOLINT: the simulation speaks raft throughout
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// How often each thing happens, of a thousand rounds.
struct Rates {
  std::uint64_t crash = 0;
  std::uint64_t depose = 0;  // for each replica that leads
  std::uint64_t restart = 100;
  std::uint64_t pause = 0;
  std::uint64_t clock_jump = 0;
  std::uint64_t cut = 0;
  std::uint64_t mend = 60;
  std::uint64_t resign = 0;
  std::uint64_t snapshot = 0;
  std::uint64_t voter_change = 0;
  std::uint64_t version_upgrade = 0;
  std::uint64_t data = 600;
};

class Chaos {
 public:
  Chaos(std::uint64_t seed, bool trace)
      : random_(seed ^ 0x5eed), cluster_(seed, cluster_options(trace)), rates_(draw_rates()) {}

  RaftRun run() {
    const Time end = seconds(10 + random_.below(30));
    while (cluster_.now() < end && advance(milliseconds(5 + random_.below(50)))) disturb();
    if (!cluster_.failure()) recover(random_.below(2) == 0);
    if (!cluster_.failure() && !unfinished_) recover(false);
    RaftRun result;
    result.failure = cluster_.failure();
    if (!result.failure) result.failure = unfinished_;
    result.digest = cluster_.digest();
    result.elections = cluster_.checks().elections();
    result.committed = cluster_.checks().committed_end().value();
    result.virtual_ms = cluster_.now().count() / 1000000;
    result.voter_changes = cluster_.counters().voter_changes;
    result.snapshots_installed = cluster_.counters().snapshots_installed;
    result.truncations = cluster_.counters().truncations;
    result.early_elections = cluster_.counters().early_elections;
    result.version_upgrades = cluster_.counters().version_upgrades;
    return result;
  }

 private:
  RaftClusterOptions cluster_options(bool trace) {
    RaftClusterOptions options;
    options.initial_voters = std::array<std::size_t, 6>{1, 2, 3, 3, 3, 5}[random_.below(6)];
    options.replicas = options.initial_voters + random_.below(3);
    options.kraft_version = random_.below(3) == 0 ? 0 : 1;
    options.auto_join = random_.below(4) == 0;
    options.most_records_a_fetch = std::array<std::size_t, 3>{1, 4, 40}[random_.below(3)];
    if (random_.below(2) == 0) {
      // More elections in the same time.
      options.timeouts.election = milliseconds(250);
      options.timeouts.fetch = milliseconds(500);
      options.timeouts.request = milliseconds(500);
      options.timeouts.fetch_max_wait = milliseconds(120);
    }
    options.trace = trace;
    return options;
  }

  std::uint64_t one_of(std::uint64_t low, std::uint64_t high) {
    const std::uint64_t choice = random_.below(3);
    return choice == 0 ? 0 : choice == 1 ? low : high;
  }

  Rates draw_rates() {
    Rates rates;
    rates.crash = one_of(5, 25);
    rates.depose = one_of(10, 80);
    if (random_.below(4) == 0) {
      rates.crash = 120;
      rates.restart = 300;
    }
    rates.pause = one_of(3, 15);
    rates.clock_jump = one_of(3, 10);
    rates.cut = one_of(20, 60);
    rates.resign = one_of(3, 10);
    rates.snapshot = one_of(20, 80);
    rates.voter_change = one_of(20, 80);
    rates.version_upgrade = one_of(5, 50);
    cluster_.faults.message_loss = one_of(5000, 80000);
    cluster_.faults.message_delay = one_of(5000, 50000);
    cluster_.faults.crash_in_step = one_of(200, 2000);
    cluster_.faults.crash_after_vote = one_of(20000, 200000);
    cluster_.faults.slow_sync = one_of(10000, 150000);
    return rates;
  }

  bool advance(Time duration) { return cluster_.run_until(cluster_.now() + duration); }
  bool happens(std::uint64_t of_a_thousand) { return random_.below(1000) < of_a_thousand; }
  std::size_t any_replica() { return random_.below(cluster_.size()); }

  void disturb() {
    if (happens(rates_.data)) cluster_.append_data(3);
    if (happens(rates_.crash)) cluster_.crash(any_replica());
    if (happens(rates_.crash) && happens(100)) crash_all();
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      if (cluster_.is_up(i) && cluster_.node(i).role() == RaftRole::kLeader && happens(rates_.depose))
        depose(i);
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      if (!cluster_.is_up(i) && happens(rates_.restart)) restart(i);
    if (happens(rates_.pause)) cluster_.pause(any_replica(), milliseconds(100 + random_.below(4000)));
    if (happens(rates_.clock_jump)) cluster_.jump_clock(any_replica(), milliseconds(random_.below(5000)));
    if (happens(rates_.cut)) cut();
    if (happens(rates_.mend)) cluster_.mend();
    if (happens(rates_.snapshot)) cluster_.snapshot(any_replica());
    if (happens(rates_.voter_change)) change_voters();
    if (happens(rates_.version_upgrade)) cluster_.upgrade_kraft_version();
    if (happens(rates_.resign)) {
      const std::size_t replica = any_replica();
      cluster_.resign(replica);
      stopping_.insert(replica);
    }
    if (!stopping_.empty() && happens(100)) cluster_.crash(*stopping_.begin());
  }

  /// Leaders come and go before their records get far.
  void depose(std::size_t leader) {
    if (random_.below(2) == 0) return cluster_.crash(leader);
    isolate(leader, true);
  }
  void isolate(std::size_t one, bool is_two_way) {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      cluster_.cut(one, i, true);
      if (is_two_way) cluster_.cut(i, one, true);
    }
  }

  void crash_all() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) cluster_.crash(i);
  }
  void restart(std::size_t replica) {
    stopping_.erase(replica);
    cluster_.restart(replica);
  }

  /// One direction, both, or a replica from all others.
  void cut() {
    const std::size_t one = any_replica();
    const std::size_t other = any_replica();
    switch (random_.below(3)) {
      case 0:
        cluster_.cut(one, other, true);
        break;
      case 1:
        cluster_.cut(one, other, true);
        cluster_.cut(other, one, true);
        break;
      default:
        isolate(one, other % 2 == 0);
    }
  }

  void change_voters() {
    const Voter voter = cluster_.voter(any_replica());
    if (random_.below(2) == 0)
      cluster_.change_voters(AddRaftVoterRequest{voter, milliseconds(5000), random_.below(2) == 0});
    else
      cluster_.change_voters(RemoveRaftVoterRequest{voter.key});
  }

  /// Those that may be down while others must go on: of no voter set that a log names they are half.
  std::set<std::size_t> choose_absent() {
    std::vector<VoterSet> sets;
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      if (cluster_.is_up(i)) sets.push_back(cluster_.node(i).voters());
    std::set<std::size_t> absent;
    for (std::size_t tries = random_.below(cluster_.size()); tries > 0; --tries) {
      std::set<std::size_t> more = absent;
      more.insert(any_replica());
      const bool is_bearable = std::ranges::all_of(sets, [&](const VoterSet& set) {
        std::size_t missing = 0;
        for (const std::size_t replica : more)
          if (set.contains(BrokerId(static_cast<std::int32_t>(replica)))) ++missing;
        return 2 * missing < set.voters.size();
      });
      if (is_bearable) absent = std::move(more);
    }
    return absent;
  }

  /// No faults any more: everybody is up, or a majority of the voters, a leader is found, and what it appends
  /// gets to all that are up.
  void recover(bool some_are_absent) {
    cluster_.heal();
    for (const std::size_t replica : std::set<std::size_t>(stopping_)) cluster_.crash(replica);
    for (std::size_t i = 0; i < cluster_.size(); ++i) restart(i);
    absent_.clear();
    if (some_are_absent) absent_ = choose_absent();
    for (const std::size_t replica : absent_) cluster_.crash(replica);
    const Time limit = cluster_.now() + seconds(60);
    Offset goal = kNoOffset;
    while (cluster_.now() < limit && advance(milliseconds(100))) {
      const auto leader = cluster_.active_leader();
      if (!leader) continue;
      if (goal == kNoOffset) {
        cluster_.append_data(1);
        if (cluster_.is_up(*leader)) goal = cluster_.disk(*leader).end();
        continue;
      }
      if (has_everywhere(goal)) return;
      // A leader that was about to resign may have taken the record with it.
      if (cluster_.now() + seconds(30) > limit && cluster_.disk(*leader).end() < goal) goal = kNoOffset;
    }
    if (!cluster_.failure()) unfinished_ = state();
  }

  bool has_everywhere(Offset goal) {
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      if (!absent_.contains(i) && (!cluster_.is_up(i) || cluster_.node(i).high_watermark() < goal))
        return false;
    return true;
  }

  std::string state() {
    std::string text = "no recovery within a minute without faults:";
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      if (!cluster_.is_up(i)) {
        text += fmt::format(" [{} down]", i);
        continue;
      }
      const RaftNode& node = cluster_.node(i);
      std::string voters;
      for (const Voter& voter : node.voters().voters) voters += fmt::format(" {}", voter.key.id.value());
      text += fmt::format(" [{} {} epoch {} leader {} log {}..{} committed {} voters{}]", i,
                          to_string(node.role()), node.epoch().value(), node.leader().value(),
                          cluster_.disk(i).start().value(), node.log().end.value(),
                          node.high_watermark().value(), voters);
    }
    return text;
  }

  SeededRandom random_;
  RaftCluster cluster_;
  Rates rates_;
  std::set<std::size_t> stopping_;
  std::set<std::size_t> absent_;
  std::optional<std::string> unfinished_;
};

}  // namespace

RaftRun run_raft_seed(std::uint64_t seed, bool trace) {
  return Chaos(seed, trace).run();
}

}  // namespace barnabas::simulation
