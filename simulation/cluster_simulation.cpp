#include "simulation/cluster_simulation.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "simulation/cluster.hpp"
#include "simulation/cluster_plan.hpp"
#include "simulation/patience.hpp"

namespace barnabas::simulation {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kRound{100};
constexpr seconds kPatience{180};

/// Longer than any session.
constexpr seconds kCalm{10};
constexpr seconds kPatienceToCalm{40};
constexpr seconds kFenced{12};

/// Power fails on a broker that has not synced what it acknowledged.
struct CarefulLoss {
  std::int32_t victim = 0;  // by index
  nanoseconds give_up{0};
  std::optional<nanoseconds> calm_since = std::nullopt;
  bool has_happened = false;
  /// Of one that is to come back while nobody is up who has all: what comes next, and when at the earliest.
  enum class Next { kLoss, kLastDeath, kReturn, kLastReturn, kNothing } next = Next::kNothing;
  nanoseconds at{0};
};

class ClusterChaos {
 public:
  /// `random` is what the plan was drawn by.
  ClusterChaos(Random& random, ClusterPlan plan)
      : random_(random), plan_(std::move(plan)), cluster_(plan_.options) {}

  ClusterRun run() {
    cluster_.start();
    const nanoseconds end = seconds(40 + random_.below(80));
    bool holds = true;
    while (holds && now() < end) {
      holds = cluster_.run_for(kRound);
      if (holds) disturb();
    }
    if (holds) settle();
    ClusterRun result;
    result.failure = cluster_.checks().failure();
    result.trail.assign(cluster_.trail().begin(), cluster_.trail().end());
    result.plan = plan_.text;
    result.digest = cluster_.digest();
    result.virtual_ms = std::chrono::duration_cast<milliseconds>(now()).count();
    result.nodes = cluster_.size();
    result.records = cluster_.checks().records();
    result.acknowledgements = cluster_.checks().acknowledgements();
    result.leaderships = cluster_.checks().leaderships();
    result.operations = cluster_.admin().operations();
    result.voter_changes = cluster_.voter_changes();
    result.crashes = crashes_;
    result.commits = cluster_.crowd().transactions().commits();
    result.aborts = cluster_.crowd().transactions().aborts();
    result.copies = cluster_.crowd().transactions().copies();
    result.assignments = cluster_.crowd().groups().assignments();
    return result;
  }

 private:
  [[nodiscard]] nanoseconds now() { return cluster_.world().clock().monotonic(); }
  [[nodiscard]] bool happens(std::uint64_t of_a_million) { return random_.below(1'000'000) < of_a_million; }
  [[nodiscard]] ClusterNode& any_node() { return cluster_.node(random_.below(cluster_.size())); }

  void disturb() {
    if (careful_loss_) return advance(*careful_loss_);
    if (happens(plan_.rates.kill)) kill(any_node());
    if (happens(plan_.rates.power)) fail_power(any_node());
    if (careful_loss_) return;
    if (happens(plan_.rates.everything)) kill_all();
    if (happens(plan_.rates.stop)) stop(any_node());
    if (happens(plan_.rates.pause)) pause(any_node());
    if (happens(plan_.rates.cut)) cut();
    if (happens(plan_.rates.depose)) depose();
    if (happens(plan_.rates.mend)) mend();
    if (happens(plan_.rates.reset)) reset_connections();
    if (happens(plan_.rates.clock_jump)) jump_clock(any_node());
    if (happens(plan_.rates.full_disk)) fill_disk(any_node());
    if (happens(plan_.rates.dead_disk)) break_disk(any_node());
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      ClusterNode& node = cluster_.node(i);
      if (node.is_paused() && happens(plan_.rates.resume)) resume(node);
      if (happens(plan_.rates.resume)) node.files().set_capacity_bytes(std::nullopt);
      if (node.is_up()) continue;
      if (happens(plan_.rates.lost_disk)) lose_disk(node);
      if (happens(plan_.rates.restart)) restart(node);
    }
  }

  void kill(ClusterNode& node) {
    if (!node.is_up()) return;
    cluster_.note(fmt::format("kill node {}", node.id()));
    ++crashes_;
    node.kill();
  }
  /// Without a sync before each acknowledgement what was acknowledged must be on other brokers.
  [[nodiscard]] bool may_lose_power(const ClusterNode& node) const {
    return plan_.syncs || !node.is_broker();
  }
  void fail_power(ClusterNode& node) {
    if (may_lose_power(node)) return cut_power(node);
    careful_loss_ = CarefulLoss{.victim = node.id() - 1, .give_up = now() + kPatienceToCalm};
    mend();
    cluster_.hold_voter_changes(true);  // Without a quorum heartbeats are in vain, and brokers are fenced.
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      cluster_.node(i).resume();
      cluster_.node(i).files().set_capacity_bytes(std::nullopt);
    }
  }
  void end_careful_loss() {
    careful_loss_.reset();
    cluster_.hold_voter_changes(false);
  }
  void cut_power(ClusterNode& node) {
    if (!node.is_up()) return;
    cluster_.note(fmt::format("power fails on node {}", node.id()));
    ++crashes_;
    node.cut_power(random_);
  }
  /// Nobody may be about to be fenced for what happened before; and what one broker lost only the others
  /// have: nothing else happens until it has caught up.
  void advance(CarefulLoss& loss) {
    if (loss.next != CarefulLoss::Next::kNothing) return lose_among_dead(loss);
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      if (!cluster_.node(i).is_up() && happens(plan_.rates.restart)) restart(cluster_.node(i));
    if (!cluster_.is_fully_replicated()) {
      loss.calm_since.reset();
      if (!loss.has_happened && now() > loss.give_up) end_careful_loss();
      return;
    }
    if (loss.has_happened) {
      cluster_.trust_all();
      return end_careful_loss();
    }
    if (!loss.calm_since) loss.calm_since = now();
    if (now() - *loss.calm_since < kCalm) return;
    if (plan_.loses_among_dead) return begin_loss_among_dead(loss);
    loss.has_happened = true;
    cluster_.distrust(cluster_.node(static_cast<std::size_t>(loss.victim)).id());
    cut_power(cluster_.node(static_cast<std::size_t>(loss.victim)));
  }
  /// So many brokers behind the victim.
  [[nodiscard]] ClusterNode& broker_after(const CarefulLoss& loss, std::size_t steps) {
    std::size_t index = static_cast<std::size_t>(loss.victim);
    while (steps > 0) {
      index = (index + 1) % cluster_.size();
      if (cluster_.node(index).is_broker()) --steps;
    }
    return cluster_.node(index);
  }
  /// Three brokers, of which two are enough: one dies, and is fenced; the power of a second fails; the third,
  /// which alone has all, dies too. The first two come back and must not lead anything before the third does.
  void begin_loss_among_dead(CarefulLoss& loss) {
    kill(broker_after(loss, 1));
    loss.next = CarefulLoss::Next::kLoss;
    loss.at = now() + kFenced;
  }
  void lose_among_dead(CarefulLoss& loss) {
    using Next = CarefulLoss::Next;
    if (now() < loss.at) return;
    ClusterNode& victim = broker_after(loss, 0);
    ClusterNode& last = broker_after(loss, 2);
    switch (loss.next) {
      case Next::kLoss:
        loss.has_happened = true;
        cluster_.distrust(victim.id());
        cut_power(victim);
        loss.next = Next::kLastDeath;
        loss.at = now() + seconds(1);
        return;
      case Next::kLastDeath:
        kill(last);
        loss.next = Next::kReturn;
        return;
      case Next::kReturn:
        restart(victim);
        restart(broker_after(loss, 1));
        loss.next = Next::kLastReturn;
        loss.at = now() + 2 * kFenced;
        return;
      default:
        restart(last);
        loss.next = Next::kNothing;
    }
  }
  void kill_all() {
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      ClusterNode& node = cluster_.node(i);
      random_.below(2) == 0 && may_lose_power(node) ? cut_power(node) : kill(node);
    }
  }
  void stop(ClusterNode& node) {
    if (!node.is_up() || node.is_stopping() || node.is_paused() || !node.process().is_serving()) return;
    cluster_.note(fmt::format("stop node {}", node.id()));
    node.stop();
  }
  void restart(ClusterNode& node) {
    node.files().set_capacity_bytes(std::nullopt);
    const bool started = node.start();
    cluster_.note(started ? fmt::format("start node {}", node.id())
                          : fmt::format("node {} does not start: {}", node.id(), node.last_failure()));
    if (!started) cluster_.checks().violated("a node does not start: " + node.last_failure());
  }
  void pause(ClusterNode& node) {
    if (!node.is_up() || node.is_paused()) return;
    cluster_.note(fmt::format("pause node {}", node.id()));
    node.pause();
  }
  void resume(ClusterNode& node) {
    cluster_.note(fmt::format("resume node {}", node.id()));
    node.resume();
  }
  void jump_clock(ClusterNode& node) {
    // Records that are more than an hour ahead of their leader's clock are refused.
    const std::int64_t ms = static_cast<std::int64_t>(random_.below(7'000'000)) - 3'500'000;
    cluster_.note(fmt::format("the clock of node {} jumps to {} ms from the others'", node.id(), ms));
    node.set_clock_ahead(ms);
  }
  /// An operator makes room some time later, at the latest before the node starts again.
  void fill_disk(ClusterNode& node) {
    if (!node.is_up()) return;
    const std::uint64_t room = random_.below(200'000);
    cluster_.note(fmt::format("the disk of node {} has {} bytes left", node.id(), room));
    node.files().set_capacity_bytes(node.files().used_bytes() + room);
  }
  /// Every call fails from some call on, until the machine is gone too.
  void break_disk(ClusterNode& node) {
    if (!node.is_up() || !may_lose_power(node)) return;
    const std::uint64_t calls = 1 + random_.below(50);
    cluster_.note(fmt::format("the disk of node {} dies after {} calls", node.id(), calls));
    node.break_disk(calls, random_);
  }
  /// Only of a broker whose records nobody counts on, nor will before it has registered anew.
  void lose_disk(ClusterNode& node) {
    const auto image = cluster_.controllers_image();
    if (!node.is_broker() || image == nullptr) return;
    const kraft::BrokerRegistration* registered = image->broker(BrokerId(node.id()));
    if (registered == nullptr || !registered->fenced) return;
    for (const auto& [name, topic] : image->topics->by_name)
      for (const auto& partition : topic->partitions)
        for (const auto* ids :
             {&partition.isr, &partition.eligible_leader_replicas, &partition.last_known_elr})
          if (std::ranges::find(*ids, BrokerId(node.id())) != ids->end()) return;
    cluster_.note(fmt::format("node {} gets an empty data disk", node.id()));
    node.lose_data();
  }

  /// One direction, both, or one node from all others.
  void cut() {
    const std::string one = any_host();
    const std::string other = any_host();
    SimulatedWorld& world = cluster_.world();
    is_cut_ = true;
    switch (random_.below(4)) {
      case 0:
        cluster_.note(fmt::format("cut from {} to {}", one, other));
        return world.block(one, other);
      case 1:
        cluster_.note(fmt::format("cut between {} and {}", one, other));
        return world.separate(one, other);
      default:
        isolate(any_node().host(), random_.below(2) == 0);
    }
  }
  void isolate(const std::string& one, bool is_two_way) {
    is_cut_ = true;
    cluster_.note(fmt::format("cut {} off, {}", one, is_two_way ? "both ways" : "one way"));
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      const std::string& other = cluster_.node(i).host();
      if (other == one) continue;
      cluster_.world().block(one, other);
      if (is_two_way) cluster_.world().block(other, one);
    }
  }
  /// The leader of some partition is cut off from all other nodes, not from its clients: it goes on taking
  /// what it cannot commit.
  void depose() {
    const auto image = cluster_.newest_image();
    if (image == nullptr || image->topics->by_name.empty()) return;
    auto topic = image->topics->by_name.begin();
    std::advance(topic, random_.below(image->topics->by_name.size()));
    const auto& partitions = topic->second->partitions;
    const BrokerId leader = partitions[random_.below(partitions.size())].leader;
    if (leader != kNoBroker) isolate(ClusterNode::host_of(leader.value()), true);
  }
  void mend() {
    if (!std::exchange(is_cut_, false)) return;
    cluster_.note("connections are mended");
    for (const std::string& one : all_hosts())
      for (const std::string& other : all_hosts())
        if (one != other) cluster_.world().unblock(one, other);
  }
  void reset_connections() {
    const std::string one = any_host();
    const std::string other = any_host();
    if (one != other) cluster_.world().break_connections(one, other);
  }
  [[nodiscard]] std::vector<std::string> all_hosts() {
    std::vector<std::string> hosts = cluster_.client_hosts();
    for (std::size_t i = 0; i < cluster_.size(); ++i) hosts.push_back(cluster_.node(i).host());
    return hosts;
  }
  [[nodiscard]] std::string any_host() {
    const auto hosts = all_hosts();
    return hosts[random_.below(hosts.size())];
  }

  void settle() {
    cluster_.heal();
    // The input is finite once its producers have stopped.
    const auto copied = [this] { return cluster_.crowd().transactions().copies(); };
    Patience patience(kPatience, copied(), now());
    bool holds = cluster_.run_for(seconds(5));
    cluster_.stop_clients();
    std::string left;
    while (holds && !(left = cluster_.unsettled()).empty() && !patience.is_over(now())) {
      holds = cluster_.run_for(milliseconds(500));
      heal_again();
      patience.note(copied(), now());
    }
    if (!holds) return;
    if (!left.empty())
      return cluster_.checks().violated(fmt::format(
          "not settled after {} s without faults in which nothing was copied: {}", kPatience.count(), left));
    cluster_.trust_all();
    if (cluster_.run_for(milliseconds(1))) cluster_.finish();
  }
  /// Who was on its way out when the faults ended, or whose disk had failed, is started by its operator.
  void heal_again() {
    for (std::size_t i = 0; i < cluster_.size(); ++i)
      if (!cluster_.node(i).is_up()) restart(cluster_.node(i));
  }

  Random& random_;
  const ClusterPlan plan_;
  Cluster cluster_;
  std::size_t crashes_ = 0;
  bool is_cut_ = false;  // some host from some other
  std::optional<CarefulLoss> careful_loss_;
};

}  // namespace

void ClusterRun::add(const ClusterRun& other) {
  virtual_ms += other.virtual_ms;
  records += other.records;
  acknowledgements += other.acknowledgements;
  leaderships += other.leaderships;
  operations += other.operations;
  voter_changes += other.voter_changes;
  crashes += other.crashes;
  commits += other.commits;
  aborts += other.aborts;
  copies += other.copies;
  assignments += other.assignments;
}

ClusterRun run_cluster_seed(std::uint64_t seed, ClusterLoad load, bool trace) {
  SeededRandom random(seed ^ 0xC1057E4);
  ClusterPlan plan = draw_plan(random, seed, load);
  plan.options.trace = trace;
  return ClusterChaos(random, std::move(plan)).run();
}

}  // namespace barnabas::simulation
