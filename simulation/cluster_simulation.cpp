#include "simulation/cluster_simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "broker/drivers/internal_topics.hpp"
#include "simulation/cluster.hpp"
#include "simulation/patience.hpp"

namespace barnabas::simulation {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

namespace {

constexpr milliseconds kRound{100};
constexpr seconds kPatience{180};

/// How often each thing happens, of a million rounds of a tenth of a second.
struct Rates {
  std::uint64_t kill = 0;
  std::uint64_t power = 0;
  std::uint64_t everything = 0;  // all nodes at once
  std::uint64_t stop = 0;
  std::uint64_t restart = 50'000;
  std::uint64_t pause = 0;
  std::uint64_t resume = 30'000;
  std::uint64_t cut = 0;
  std::uint64_t mend = 25'000;
  std::uint64_t depose = 0;
  std::uint64_t reset = 0;
  std::uint64_t clock_jump = 0;
  std::uint64_t full_disk = 0;
  std::uint64_t dead_disk = 0;
  std::uint64_t lost_disk = 0;
};

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
  ClusterChaos(std::uint64_t seed, ClusterLoad load, bool trace)
      : random_(seed ^ 0xC1057E4), cluster_(draw_cluster(seed, load, trace)), rates_(draw_rates()) {}

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
    result.plan = plan_;
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

  template <class T, std::size_t N>
  T pick(const std::array<T, N>& values) {
    return values[random_.below(N)];
  }
  /// Often not at all, so that seeds differ in what happens to them.
  std::uint64_t one_of(std::uint64_t low, std::uint64_t high) {
    const std::uint64_t choice = random_.below(4);
    return choice < 2 ? 0 : choice == 2 ? low : high;
  }

  ClusterOptions draw_cluster(std::uint64_t seed, ClusterLoad load, bool trace) {
    ClusterOptions options;
    options.seed = seed;
    options.trace = trace;
    const bool is_isolated = random_.below(4) == 0;
    options.combined = is_isolated ? 0 : 3;
    options.controllers = is_isolated ? pick(std::array{1, 3}) : 0;
    options.brokers = is_isolated ? pick(std::array{2, 3}) : pick(std::array{0, 0, 1, 2});
    const int brokers = options.combined + options.brokers;
    options.admin.replication_factor = static_cast<std::int16_t>(2 + random_.below(brokers > 2 ? 2 : 1));
    options.admin.min_insync_replicas = static_cast<std::int16_t>(1 + random_.below(2));
    options.admin.interval = pick(std::array{milliseconds(0), milliseconds(2000), milliseconds(6000)});
    options.network.max_delay = pick(std::array{milliseconds(2), milliseconds(20), milliseconds(100)});
    syncs_ = random_.below(2) == 0;
    broker::ConfigMap& properties = options.properties;
    properties["log.flush.interval.messages"] = syncs_ ? "1" : "9223372036854775807";
    properties["replica.lag.time.max.ms"] = pick(std::array{"2000", "5000", "30000"});
    properties["broker.session.timeout.ms"] = pick(std::array{"3000", "9000"});
    const std::size_t all = static_cast<std::size_t>(options.combined + options.brokers);
    loses_among_dead_ = seed % 2 == 0 && all == 3 && options.admin.replication_factor == 3 &&
                        options.admin.min_insync_replicas == 2 &&
                        properties["broker.session.timeout.ms"] == "9000";
    properties["broker.heartbeat.interval.ms"] = pick(std::array{"500", "2000"});
    properties["num.replica.fetchers"] = pick(std::array{"1", "2"});
    properties["log.segment.bytes"] = "1100000";
    properties["unclean.leader.election.enable"] = "false";
    properties["offsets.topic.replication.factor"] = "1";
    properties["log.initial.task.delay.ms"] = "1000";
    draw_clients(options);
    // By the seed itself: what the others draw stays as it is.
    const bool changes_voters = seed % 4 == 3 && options.combined + options.controllers >= 3;
    if (changes_voters) options.voter_change_interval = milliseconds(4000);
    plan_ = fmt::format(
        "{} combined, {} controllers, {} brokers, replication {} of which {} in sync, {}, {} producers{}",
        options.combined, options.controllers, options.brokers, options.admin.replication_factor,
        options.admin.min_insync_replicas, syncs_ ? "acknowledged when synced" : "synced later",
        options.producers.size(), changes_voters ? ", voters change" : "");
    if (load == ClusterLoad::kCoordinators) draw_crowd(options);
    return options;
  }

  void draw_crowd(ClusterOptions& options) {
    const std::array protocols{GroupProtocol::kClassic, GroupProtocol::kConsumer};
    CrowdOptions& crowd = options.crowd;
    crowd.groups.push_back(
        {"copiers", pick(protocols), pick(std::array{1, 2, 3}), random_.below(4) == 0, true});
    crowd.groups.push_back(
        {"classic", GroupProtocol::kClassic, pick(std::array{1, 2, 3}), random_.below(3) == 0});
    crowd.groups.push_back(
        {"modern", GroupProtocol::kConsumer, pick(std::array{1, 2, 3}), random_.below(3) == 0});
    crowd.interval = pick(std::array{milliseconds(800), milliseconds(2500), milliseconds(8000)});
    crowd.transaction_timeout_ms = pick(std::array{3000, 6000, 20000});
    const auto partitions = [this] { return static_cast<std::int32_t>(1 + random_.below(3)); };
    options.admin.lasting = {{crowd.input, partitions()}, {crowd.output, partitions(), true}};
    options.admin.internal = {{std::string(broker::kGroupTopic), partitions()},
                              {std::string(broker::kTransactionTopic), partitions()}};
    options.consumers = 1;
    options.producers.resize(1);
    const std::string replicas = std::to_string(options.admin.replication_factor);
    const std::string in_sync = std::to_string(options.admin.min_insync_replicas);
    broker::ConfigMap& properties = options.properties;
    properties["min.insync.replicas"] = in_sync;
    properties["offsets.topic.replication.factor"] = replicas;
    properties["offsets.topic.num.partitions"] =
        std::to_string(options.admin.internal.at(std::string(broker::kGroupTopic)));
    properties["transaction.state.log.replication.factor"] = replicas;
    properties["transaction.state.log.min.isr"] = in_sync;
    properties["transaction.state.log.num.partitions"] =
        std::to_string(options.admin.internal.at(std::string(broker::kTransactionTopic)));
    properties["transaction.abort.timed.out.transaction.cleanup.interval.ms"] = "1000";
    properties["group.initial.rebalance.delay.ms"] = pick(std::array{"0", "500"});
    properties["group.min.session.timeout.ms"] = "1000";
    properties["group.consumer.min.session.timeout.ms"] = "1000";
    properties["group.consumer.session.timeout.ms"] = "3000";
    properties["group.consumer.min.heartbeat.interval.ms"] = "100";
    properties["group.consumer.heartbeat.interval.ms"] = "500";
    plan_ += fmt::format(", {} copiers by the {} protocol", crowd.groups[0].members,
                         crowd.groups[0].protocol == GroupProtocol::kClassic ? "classic" : "consumer");
  }

  void draw_clients(ClusterOptions& options) {
    options.producers.clear();
    const std::uint64_t producers = 1 + random_.below(3);
    for (std::uint64_t i = 0; i < producers; ++i) {
      ProducerOptions producer;
      producer.interval = pick(std::array{milliseconds(100), milliseconds(400), milliseconds(2000)});
      producer.most_records = 1 + random_.below(10);
      producer.most_bytes = 1 + random_.below(300);
      producer.most_in_flight = 1 + random_.below(5);
      producer.timeout_ms = pick(std::array{1000, 5000, 30000});
      options.producers.push_back(producer);
    }
    options.consumers = static_cast<int>(1 + random_.below(2));
  }

  Rates draw_rates() {
    Rates rates;
    rates.kill = one_of(3000, 15'000);
    rates.power = one_of(3000, 15'000);
    rates.everything = one_of(500, 2000);
    rates.stop = one_of(2000, 8000);
    rates.pause = one_of(3000, 10'000);
    rates.cut = one_of(5000, 20'000);
    rates.reset = one_of(10'000, 50'000);
    rates.clock_jump = one_of(3000, 10'000);
    rates.full_disk = one_of(1000, 3000);
    rates.dead_disk = one_of(1000, 3000);
    rates.lost_disk = one_of(3000, 10'000);
    rates.depose = one_of(5000, 30'000);
    if (random_.below(10) == 0) rates = {};  // nothing at all, once in a while
    return rates;
  }

  void disturb() {
    if (careful_loss_) return advance(*careful_loss_);
    if (happens(rates_.kill)) kill(any_node());
    if (happens(rates_.power)) fail_power(any_node());
    if (careful_loss_) return;
    if (happens(rates_.everything)) kill_all();
    if (happens(rates_.stop)) stop(any_node());
    if (happens(rates_.pause)) pause(any_node());
    if (happens(rates_.cut)) cut();
    if (happens(rates_.depose)) depose();
    if (happens(rates_.mend)) mend();
    if (happens(rates_.reset)) reset_connections();
    if (happens(rates_.clock_jump)) jump_clock(any_node());
    if (happens(rates_.full_disk)) fill_disk(any_node());
    if (happens(rates_.dead_disk)) break_disk(any_node());
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      ClusterNode& node = cluster_.node(i);
      if (node.is_paused() && happens(rates_.resume)) resume(node);
      if (happens(rates_.resume)) node.files().set_capacity_bytes(std::nullopt);
      if (node.is_up()) continue;
      if (happens(rates_.lost_disk)) lose_disk(node);
      if (happens(rates_.restart)) restart(node);
    }
  }

  void kill(ClusterNode& node) {
    if (!node.is_up()) return;
    cluster_.note(fmt::format("kill node {}", node.id()));
    ++crashes_;
    node.kill();
  }
  /// Without a sync before each acknowledgement what was acknowledged must be on other brokers.
  [[nodiscard]] bool may_lose_power(const ClusterNode& node) const { return syncs_ || !node.is_broker(); }
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
      if (!cluster_.node(i).is_up() && happens(rates_.restart)) restart(cluster_.node(i));
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
    if (loses_among_dead_) return begin_loss_among_dead(loss);
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

  SeededRandom random_;
  std::string plan_;
  bool syncs_ = false;
  bool loses_among_dead_ = false;
  Cluster cluster_;
  Rates rates_;
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
  return ClusterChaos(seed, load, trace).run();
}

}  // namespace barnabas::simulation
