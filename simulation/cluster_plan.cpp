#include "simulation/cluster_plan.hpp"

#include <fmt/format.h>

#include <array>

#include "broker/drivers/internal_topics.hpp"

namespace barnabas::simulation {

using std::chrono::milliseconds;

namespace {

class PlanDraw {
 public:
  PlanDraw(Random& random, std::uint64_t seed, ClusterLoad load)
      : random_(random), seed_(seed), load_(load) {}

  ClusterPlan draw() {
    draw_cluster();
    draw_rates();
    return std::move(plan_);
  }

 private:
  template <class T, std::size_t N>
  T pick(const std::array<T, N>& values) {
    return values[random_.below(N)];
  }
  /// Often not at all, so that seeds differ in what happens to them.
  std::uint64_t one_of(std::uint64_t low, std::uint64_t high) {
    const std::uint64_t choice = random_.below(4);
    return choice < 2 ? 0 : choice == 2 ? low : high;
  }

  void draw_cluster() {
    ClusterOptions& options = plan_.options;
    options.seed = seed_;
    const bool is_isolated = random_.below(4) == 0;
    options.combined = is_isolated ? 0 : 3;
    options.controllers = is_isolated ? pick(std::array{1, 3}) : 0;
    options.brokers = is_isolated ? pick(std::array{2, 3}) : pick(std::array{0, 0, 1, 2});
    const int brokers = options.combined + options.brokers;
    options.admin.replication_factor = static_cast<std::int16_t>(2 + random_.below(brokers > 2 ? 2 : 1));
    options.admin.min_insync_replicas = static_cast<std::int16_t>(1 + random_.below(2));
    options.admin.interval = pick(std::array{milliseconds(0), milliseconds(2000), milliseconds(6000)});
    options.network.max_delay = pick(std::array{milliseconds(2), milliseconds(20), milliseconds(100)});
    plan_.syncs = random_.below(2) == 0;
    broker::ConfigMap& properties = options.properties;
    properties["log.flush.interval.messages"] = plan_.syncs ? "1" : "9223372036854775807";
    properties["replica.lag.time.max.ms"] = pick(std::array{"2000", "5000", "30000"});
    properties["broker.session.timeout.ms"] = pick(std::array{"3000", "9000"});
    const std::size_t all = static_cast<std::size_t>(options.combined + options.brokers);
    plan_.loses_among_dead = seed_ % 2 == 0 && all == 3 && options.admin.replication_factor == 3 &&
                             options.admin.min_insync_replicas == 2 &&
                             properties["broker.session.timeout.ms"] == "9000";
    properties["broker.heartbeat.interval.ms"] = pick(std::array{"500", "2000"});
    properties["num.replica.fetchers"] = pick(std::array{"1", "2"});
    properties["log.segment.bytes"] = "1100000";
    properties["unclean.leader.election.enable"] = "false";
    properties["offsets.topic.replication.factor"] = "1";
    properties["log.initial.task.delay.ms"] = "1000";
    draw_clients();
    // By the seed itself: what the others draw stays as it is.
    const bool changes_voters = seed_ % 4 == 3 && options.combined + options.controllers >= 3;
    if (changes_voters) options.voter_change_interval = milliseconds(4000);
    plan_.text = fmt::format(
        "{} combined, {} controllers, {} brokers, replication {} of which {} in sync, {}, {} producers{}",
        options.combined, options.controllers, options.brokers, options.admin.replication_factor,
        options.admin.min_insync_replicas, plan_.syncs ? "acknowledged when synced" : "synced later",
        options.producers.size(), changes_voters ? ", voters change" : "");
    if (load_ == ClusterLoad::kCoordinators) draw_crowd();
  }

  void draw_crowd() {
    ClusterOptions& options = plan_.options;
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
    plan_.text += fmt::format(", {} copiers by the {} protocol", crowd.groups[0].members,
                              crowd.groups[0].protocol == GroupProtocol::kClassic ? "classic" : "consumer");
  }

  void draw_clients() {
    ClusterOptions& options = plan_.options;
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

  void draw_rates() {
    FaultRates& rates = plan_.rates;
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
  }

  Random& random_;
  std::uint64_t seed_;
  ClusterLoad load_;
  ClusterPlan plan_;
};

}  // namespace

ClusterPlan draw_plan(Random& random, std::uint64_t seed, ClusterLoad load) {
  return PlanDraw(random, seed, load).draw();
}

}  // namespace barnabas::simulation
