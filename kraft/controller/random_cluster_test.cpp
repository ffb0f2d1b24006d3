// Many brokers, random failures and requests in virtual time: after every step the metadata makes sense
// (ControllerFixture checks it), and when the faults stop every partition that can be led is led.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "kraft/controller/broker_ids.hpp"
#include "kraft/controller/cluster_control.hpp"
#include "kraft/controller/directory_control.hpp"
#include "kraft/controller/partition_change.hpp"
#include "kraft/controller/topic_control.hpp"
#include "kraft/controller_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

constexpr std::int32_t kBrokers = 5;
constexpr std::int32_t kTopics = 4;

class RandomRun {
 public:
  RandomRun(std::uint64_t seed, const ClusterOptions& options) : controller_(options), chance_(seed) {
    controller_.start_brokers(kBrokers, {"a", "a", "b", "b", "c"});
  }

  void step() {
    switch (chance_.below(14)) {
      case 0:
        return create();
      case 1:
        return drop();
      case 2:
        return move();
      case 3:
        return cancel();
      case 4:
        return (void)(has_topics() && controller_.elect(any_topic(), 0) == 0);
      case 5:
        return (void)(has_topics() && controller_.elect(any_topic(), 1) == 0);
      case 6:
        return configure();
      case 7:
        return silence();
      case 8:
        return come_back();
      case 9:
        return shut_down();
      case 10:
        return fence();
      case 11:
        return assign();
      default:
        return alter();
    }
  }
  void advance() { controller_.pass(static_cast<std::int64_t>(chance_.below(4000)), silent_); }

  /// Everybody lives again, and leaders bring their followers in.
  void heal() {
    silent_.clear();
    controller_.pass(20000);
    for (std::int32_t id = 1; id <= kBrokers; ++id) {
      const BrokerRegistration* broker = controller_.image().broker(BrokerId(id));
      if (broker->in_controlled_shutdown || broker->fenced) revive(id, true);
    }
    std::vector<std::string> names;
    for (const auto& [name, topic] : controller_.image().topics->by_name) names.push_back(name);
    for (const std::string& name : names) {
      controller_.set_config(ConfigResourceType::kTopic, name, "unclean.leader.election.enable", "true");
      for (std::int32_t id = 1; id <= kBrokers; ++id) assign(name, id, Uuid::of_low(directory_of(id)));
    }
    controller_.pass(310000);
    for (const auto& [name, topic] : controller_.image().topics->by_name) {
      for (std::int32_t i = 0; i < static_cast<std::int32_t>(topic->partitions.size()); ++i) {
        INFO(name << "-" << i);
        CHECK(controller_.partition(name, i).leader != kNoBroker);
      }
    }
  }

 private:
  [[nodiscard]] std::int32_t any_broker() { return 1 + static_cast<std::int32_t>(chance_.below(kBrokers)); }
  [[nodiscard]] bool has_topics() const { return !controller_.image().topics->by_name.empty(); }
  [[nodiscard]] std::string any_topic() {
    const auto& topics = controller_.image().topics->by_name;
    return std::next(topics.begin(), static_cast<std::ptrdiff_t>(chance_.below(topics.size())))->first;
  }
  [[nodiscard]] std::vector<std::int32_t> some_brokers() {
    std::vector<std::int32_t> chosen;
    const std::size_t count = 1 + chance_.below(3);
    while (chosen.size() < count)
      if (const std::int32_t id = any_broker(); std::ranges::find(chosen, id) == chosen.end())
        chosen.push_back(id);
    return chosen;
  }

  void create() {
    protocol::CreateTopicsRequest request;
    auto& topic = request.topics.emplace_back();
    topic.name = "t" + std::to_string(chance_.below(kTopics));
    topic.num_partitions = 1 + static_cast<std::int32_t>(chance_.below(4));
    topic.replication_factor = static_cast<std::int16_t>(1 + chance_.below(3));
    if (chance_.below(2) == 0) topic.configs.push_back({"min.insync.replicas", "2"});
    (void)controller_.take(create_topics(controller_.context(), request));
  }
  void drop() {
    if (!has_topics() || chance_.below(3) != 0) return;
    protocol::DeleteTopicsRequest request;
    request.topics.push_back({any_topic(), Uuid()});
    (void)controller_.take(delete_topics(controller_.context(), request));
  }
  void move() {
    if (has_topics()) (void)controller_.reassign(any_topic(), some_brokers());
  }
  void cancel() {
    if (has_topics()) (void)controller_.reassign(any_topic(), std::nullopt);
  }
  void configure() {
    if (!has_topics()) return;
    const bool unclean = chance_.below(2) == 0;
    const std::string value =
        unclean ? (chance_.below(2) == 0 ? "true" : "false") : std::to_string(1 + chance_.below(3));
    controller_.set_config(ConfigResourceType::kTopic, any_topic(),
                           unclean ? "unclean.leader.election.enable" : "min.insync.replicas", value);
  }

  void silence() {
    if (silent_.size() < 3) silent_.push_back(any_broker());
  }
  void revive(std::int32_t id, bool clean) {
    auto request = controller_.registration(id);
    if (clean) request.previous_broker_epoch = controller_.image().broker(BrokerId(id))->epoch;
    if (controller_.register_broker(request).error_code != 0) return;  // its session goes on
    std::erase(silent_, id);
    (void)controller_.heartbeat(controller_.beat(id));
  }
  void come_back() {
    const std::int32_t id = silent_.empty() ? any_broker() : silent_[chance_.below(silent_.size())];
    if (chance_.below(2) == 0) return revive(id, chance_.below(2) == 0);
    std::erase(silent_, id);  // it was only slow
    (void)controller_.heartbeat(controller_.beat(id));
  }
  void shut_down() {
    auto beat = controller_.beat(any_broker());
    beat.want_shut_down = true;
    if (controller_.heartbeat(beat).should_shut_down) silent_.push_back(beat.broker_id);
  }
  void fence() {
    auto beat = controller_.beat(any_broker());
    beat.want_fence = true;
    (void)controller_.heartbeat(beat);
  }

  static std::uint64_t directory_of(std::int32_t id) { return static_cast<std::uint64_t>(id) * 1000; }
  void assign() {
    if (!has_topics()) return;
    const std::int32_t id = any_broker();
    const bool lost = chance_.below(8) == 0;
    assign(any_topic(), id, lost ? kLostDirectory.value() : Uuid::of_low(directory_of(id)));
  }
  void assign(const std::string& topic, std::int32_t id, const Uuid& directory) {
    protocol::AssignReplicasToDirsRequest request;
    request.broker_id = id;
    request.broker_epoch = controller_.image().broker(BrokerId(id))->epoch;
    request.directories.push_back({directory, {{controller_.image().topic(topic)->id.value(), {{0}}}}});
    (void)controller_.take(assign_replicas_to_dirs(controller_.context(), request));
  }
  /// The leader of a partition tells an ISR: itself and any of its replicas.
  void alter() {
    if (!has_topics()) return;
    const std::string topic = any_topic();
    const PartitionRegistration& partition = controller_.partition(topic);
    if (partition.leader == kNoBroker) return;
    std::vector<std::int32_t> isr{partition.leader.value()};
    for (const BrokerId id : partition.replicas)
      if (id != partition.leader && chance_.below(3) != 0) isr.push_back(id.value());
    (void)controller_.alter_isr(topic, isr);
  }

  ControllerFixture controller_;
  SeededRandom chance_;
  std::vector<std::int32_t> silent_;
};

std::uint64_t number_of(const char* variable, std::uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("whatever brokers and operators do, the metadata makes sense") {
  const std::uint64_t first = number_of("BARNABAS_CONTROLLER_SEED", 1);
  const std::uint64_t seeds = number_of("BARNABAS_CONTROLLER_SEEDS", 50);
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    INFO("BARNABAS_CONTROLLER_SEED=" << seed << " BARNABAS_CONTROLLER_SEEDS=1 repeats it");
    const bool elr = seed % 3 != 0;
    RandomRun run(seed, {.metadata_version = static_cast<std::int16_t>(seed % 4 == 0 ? 24 : 30),
                         .elr = elr,
                         .min_isr = seed % 2 == 0 ? "1" : "2",
                         .seed = seed});
    for (int i = 0; i < 300; ++i) {
      run.step();
      run.advance();
    }
    run.heal();
  }
}
