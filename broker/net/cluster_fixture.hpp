// ClusterFixture: several brokers in one world that replicate over a simulated network.
//
// Each is an ApiFixture (real logs on a file system in memory, real handlers) with a real Server and a real
// Replication. The controller is a small one: it decides about AlterPartition as the real one does
// (kraft::alter_partition) and about deaths by itself; images reach the brokers a moment after they are made.
// Owned by a test; not thread-safe.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/api/api_fixture.hpp"
#include "broker/drivers/replication.hpp"
#include "broker/net/server.hpp"
#include "kraft/controller/alter_partition_control.hpp"
#include "kraft/metadata_delta.hpp"
#include "protocol/messages/api_produce.hpp"

namespace barnabas::broker::testing {

class ClusterFixture {
 public:
  struct Options {
    std::int32_t brokers = 3;
    ConfigMap properties = {};
    std::uint64_t seed = 1;
    std::vector<std::string> racks = {};  // by broker
  };

  explicit ClusterFixture(Options options)
      : options_(std::move(options)), world(options_.seed), chance(options_.seed) {
    ConfigMap properties = {{"node.id", "100"},
                            {"process.roles", "controller"},
                            {"controller.listener.names", "CONTROLLER"},
                            {"listeners", "CONTROLLER://controller:9093"},
                            {"controller.quorum.voters", "100@controller:9093"},
                            {"log.dirs", "/data"}};
    config_ = demand(BrokerConfig::make(properties));
    validator_ = std::make_unique<NodeConfigValidator>(*config_);
    protocol::FeatureLevelRecord features;
    features.name = kraft::kMetadataVersionFeature;
    features.feature_level = 30;
    apply({features});
    for (std::int32_t id = 1; id <= options_.brokers; ++id) {
      members_[id].channel = std::make_unique<Channel>(*this, id);
      start(id);
    }
  }
  ~ClusterFixture() {
    for (auto& [id, member] : members_) end(member);
  }

  // --- time
  void run_for(std::chrono::nanoseconds time) { world.run_until(world.clock().monotonic() + time); }
  template <class Condition>
  bool eventually(Condition condition, std::chrono::nanoseconds limit = std::chrono::seconds(30)) {
    const auto give_up = world.clock().monotonic() + limit;
    while (!condition() && world.clock().monotonic() < give_up) run_for(std::chrono::milliseconds(5));
    return condition();
  }

  // --- brokers
  /// A new life of the broker, with what its disk has.
  void start(std::int32_t id) {
    Member& member = members_.at(id);
    const std::string host = ApiFixture::host_of(id);
    if (member.life > 0) world.restart_node(host);
    ApiFixtureOptions options;
    options.properties = options_.properties;
    if (!options_.racks.empty())
      options.properties["broker.rack"] = options_.racks[static_cast<std::size_t>(id - 1)];
    options.world = &world;
    options.files = &member.files;
    options.isr_changes = member.channel.get();
    options.id = id;
    member.node = std::make_unique<ApiFixture>(options);
    member.server = std::make_unique<Server>(*member.node->services, ServerOptions{});
    ListenerOptions listener;
    listener.name = "PLAINTEXT";
    listener.bind = {host, 9092};
    (void)demand(member.server->listen(member.node->reactor, listener));
    member.replication =
        std::make_unique<Replication>(ReplicationDependencies{world.clock(),
                                                              world.random(),
                                                              *member.node->config,
                                                              *member.node->replicas,
                                                              BrokerId(id),
                                                              [&member] { return member.epoch; },
                                                              {&member.node->reactor}},
                                      member.node->metrics);
    member.replication->start();
    member.epoch = ++next_epoch_;
    ++member.life;
    tell(member, image_, nullptr);
    apply({registration(id, member.epoch)});
    restore_leaders(id);
  }
  /// kill -9: what was written stays, synced or not.
  void kill(std::int32_t id) { end(members_.at(id)); }
  /// The machine dies: what was not synced is as chance will have it.
  void cut_power(std::int32_t id) {
    members_.at(id).files.crash(chance);
    kill(id);
  }
  /// The controller takes note that a broker is gone.
  void fence(std::int32_t id) {
    protocol::BrokerRegistrationChangeRecord fenced;
    fenced.broker_id = id;
    fenced.broker_epoch = members_.at(id).epoch;
    fenced.fenced = 1;
    kraft::MetadataRecords records = {fenced};
    for (const auto& [name, topic] : image_->topics->by_name)
      for (std::size_t at = 0; at < topic->partitions.size(); ++at)
        if (auto change = without(*topic, at, BrokerId(id))) records.emplace_back(std::move(*change));
    apply(std::move(records));
  }
  void unfence(std::int32_t id) {
    protocol::BrokerRegistrationChangeRecord unfenced;
    unfenced.broker_id = id;
    unfenced.broker_epoch = members_.at(id).epoch;
    unfenced.fenced = -1;
    apply({unfenced});
    restore_leaders(id);
  }
  [[nodiscard]] bool is_alive(std::int32_t id) { return members_.at(id).node != nullptr; }
  [[nodiscard]] bool is_fenced(std::int32_t id) { return image_->broker(BrokerId(id))->fenced; }
  [[nodiscard]] ApiFixture& node(std::int32_t id) { return *members_.at(id).node; }
  [[nodiscard]] MemoryFileSystem& files(std::int32_t id) { return members_.at(id).files; }

  // --- topics
  TopicId create_topic(const std::string& name, const std::vector<std::vector<std::int32_t>>& replicas,
                       const ConfigMap& configs = {}) {
    protocol::TopicRecord topic;
    topic.name = name;
    topic.topic_id = Uuid::random(chance);
    kraft::MetadataRecords records = {topic};
    for (const auto& [key, value] : configs) {
      protocol::ConfigRecord config;
      config.resource_type = static_cast<std::int8_t>(kraft::ConfigResourceType::kTopic);
      config.resource_name = name;
      config.name = key;
      config.value = value;
      records.emplace_back(config);
    }
    for (std::size_t at = 0; at < replicas.size(); ++at) {
      protocol::PartitionRecord partition;
      partition.partition_id = static_cast<std::int32_t>(at);
      partition.topic_id = topic.topic_id;
      partition.replicas = partition.isr = replicas[at];
      partition.leader = replicas[at].front();
      partition.leader_epoch = partition.partition_epoch = 0;
      partition.directories.resize(replicas[at].size(), Uuid::of_low(1));
      records.emplace_back(partition);
    }
    apply(std::move(records));
    run_for(std::chrono::milliseconds(20));
    return TopicId(topic.topic_id);
  }
  void remove_topic(const std::string& name) {
    protocol::RemoveTopicRecord removed;
    removed.topic_id = image_->topic(name)->id.value();
    apply({removed});
  }
  [[nodiscard]] const kraft::PartitionRegistration& partition(const std::string& topic, std::int32_t at = 0) {
    return *image_->partition(topic, PartitionIndex(at));
  }
  [[nodiscard]] std::int32_t leader(const std::string& topic, std::int32_t at = 0) {
    return partition(topic, at).leader.value();
  }
  [[nodiscard]] std::vector<std::int32_t> isr(const std::string& topic, std::int32_t at = 0) {
    std::vector<std::int32_t> ids;
    for (const BrokerId id : partition(topic, at).isr) ids.push_back(id.value());
    std::ranges::sort(ids);
    return ids;
  }
  /// Changes a partition as a record says, its topic and index apart.
  void change(const std::string& topic, std::int32_t at, protocol::PartitionChangeRecord record) {
    record.topic_id = image_->topic(topic)->id.value();
    record.partition_id = at;
    apply({record});
  }
  void elect(const std::string& topic, std::int32_t at, std::int32_t leader) {
    protocol::PartitionChangeRecord record;
    record.leader = leader;
    change(topic, at, record);
  }
  /// Answers of the controller wait, from now on or no more.
  void hold_isr_changes(bool hold) {
    holding_ = hold;
    if (hold) return;
    for (auto& held : std::exchange(held_, {})) held();
  }
  [[nodiscard]] std::size_t held_isr_changes() const { return held_.size(); }
  void apply(kraft::MetadataRecords records) {
    for (const auto& record : records) (void)demand(delta_.replay(record));
    image_ = delta_.build(Offset(++next_offset_), LeaderEpoch(1));
    const auto changes = std::make_shared<kraft::MetadataChanges>(delta_.changes());
    for (auto& [id, member] : members_)
      if (member.node) tell(member, image_, changes);
  }

  // --- records
  Call produce(std::int32_t broker, const std::string& topic, const std::string& value,
               std::int16_t acks = -1, std::int32_t timeout_ms = 30000, std::int32_t at = 0) {
    protocol::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = timeout_ms;
    auto& data = request.topic_data.emplace_back();
    data.name = topic;
    batches_.push_back(node(broker).make_batch(1, value));
    auto& partition = data.partition_data.emplace_back();
    partition.index = at;
    partition.records = protocol::Records{batches_.back()};
    return node(broker).start(request, kProduceVersion);
  }
  struct Produced {
    ErrorCode error;
    std::int64_t offset;
  };
  [[nodiscard]] Produced outcome(std::int32_t broker, const Call& call) {
    const auto response = node(broker).decode<protocol::ProduceResponse>(call, kProduceVersion);
    const auto& answer = response.responses.at(0).partition_responses.at(0);
    return {static_cast<ErrorCode>(answer.error_code), answer.base_offset};
  }
  Produced produce_and_wait(const std::string& topic, const std::string& value, std::int16_t acks = -1,
                            std::int32_t at = 0) {
    const std::int32_t broker = leader(topic, at);
    const Call call = produce(broker, topic, value, acks, 30000, at);
    demand(eventually([&] { return call->answers == 1; }, std::chrono::seconds(60)), "produce is answered");
    return outcome(broker, call);
  }
  struct LogState {
    std::int64_t start = -1;
    std::int64_t high_watermark = -1;
    std::int64_t end = -1;
    Bytes bytes;  // of all records
  };
  [[nodiscard]] LogState log(std::int32_t broker, const std::string& topic, std::int32_t at = 0) {
    const auto found = node(broker).replicas->find(topic, PartitionIndex(at));
    if (found == nullptr) return {};
    return found->with_log([](log::PartitionLog& log) {
      LogState state{
          log.log_start_offset().value(), log.high_watermark().value(), log.log_end_offset().value(), {}};
      log::ReadOptions options;
      options.from = log.log_start_offset();
      options.up_to = log.log_end_offset();
      options.max_bytes = 1 << 30;
      options.at_least_one_batch = true;
      if (options.from < options.up_to) state.bytes = demand(log.read_bytes(options));
      return state;
    });
  }
  /// Whether the brokers' logs are the same to the byte and all of them is committed.
  [[nodiscard]] bool are_equal(const std::string& topic, const std::vector<std::int32_t>& brokers,
                               std::int32_t at = 0) {
    const LogState first = log(brokers.front(), topic, at);
    return std::ranges::all_of(brokers, [&](std::int32_t broker) {
      const LogState other = log(broker, topic, at);
      return other.end == first.end && other.high_watermark == first.end && other.bytes == first.bytes;
    });
  }

 private:
  static constexpr std::int16_t kProduceVersion = 9;

  class Channel final : public AlterPartitionChannel {
   public:
    Channel(ClusterFixture& cluster, std::int32_t id) : cluster_(cluster), id_(id) {}
    void submit(IsrChange change, Callback callback) override {
      cluster_.world.node("controller")
          .post([this, life = cluster_.members_.at(id_).life, change = std::move(change),
                 callback = std::make_shared<Callback>(std::move(callback))] {
            const auto decide = [this, life, change, callback] {
              if (cluster_.members_.at(id_).life == life) (*callback)(cluster_.alter(id_, change));
            };
            cluster_.holding_ ? cluster_.held_.push_back(decide) : decide();
          });
    }

   private:
    ClusterFixture& cluster_;
    std::int32_t id_;
  };
  struct Member {
    MemoryFileSystem files;
    std::unique_ptr<Channel> channel;
    std::unique_ptr<ApiFixture> node;  // null: dead
    std::unique_ptr<Server> server;
    std::unique_ptr<Replication> replication;
    std::int64_t epoch = -1;
    int life = 0;
  };

  static void end(Member& member) {
    if (!member.node) return;
    ++member.life;
    member.node->crash();
    member.replication.reset();
    member.server.reset();
    member.node.reset();
  }
  void tell(Member& member, const kraft::MetadataImagePtr& image,
            std::shared_ptr<const kraft::MetadataChanges> changes) {
    member.node->reactor.post([&member, image, changes = std::move(changes)] {
      member.node->take(image, changes.get());
      member.replication->on_image(image);
    });
  }
  [[nodiscard]] protocol::RegisterBrokerRecord registration(std::int32_t id, std::int64_t epoch) {
    protocol::RegisterBrokerRecord record;
    record.broker_id = id;
    record.broker_epoch = epoch;
    record.incarnation_id = Uuid::random(chance);
    record.end_points.push_back({"PLAINTEXT", ApiFixture::host_of(id), 9092, 0});
    record.fenced = false;
    if (!options_.racks.empty()) record.rack = options_.racks[static_cast<std::size_t>(id - 1)];
    record.log_dirs.push_back(node(id).logs->directory_id("/data").value());
    return record;
  }
  static std::optional<protocol::PartitionChangeRecord> without(const kraft::TopicImage& topic,
                                                                std::size_t at, BrokerId gone) {
    const kraft::PartitionRegistration& partition = topic.partitions[at];
    if (std::ranges::find(partition.isr, gone) == partition.isr.end()) return std::nullopt;
    protocol::PartitionChangeRecord record;
    record.topic_id = topic.id.value();
    record.partition_id = static_cast<std::int32_t>(at);
    std::vector<std::int32_t> isr;
    for (const BrokerId id : partition.isr)
      if (id != gone) isr.push_back(id.value());
    if (partition.leader == gone) record.leader = isr.empty() ? -1 : isr.front();
    if (!isr.empty()) record.isr = isr;
    return record;
  }
  /// A broker that comes back leads again what nobody else may lead.
  void restore_leaders(std::int32_t id) {
    for (const auto& [name, topic] : image_->topics->by_name)
      for (std::size_t at = 0; at < topic->partitions.size(); ++at) {
        const auto& isr = topic->partitions[at].isr;
        if (topic->partitions[at].leader == kNoBroker && std::ranges::find(isr, BrokerId(id)) != isr.end())
          elect(name, static_cast<std::int32_t>(at), id);
      }
  }
  Result<AcceptedIsr> alter(std::int32_t from, const IsrChange& change) {
    protocol::AlterPartitionRequest request;
    request.broker_id = from;
    request.broker_epoch = members_.at(from).epoch;
    auto& topic = request.topics.emplace_back();
    topic.topic_id = change.topic.value();
    auto& asked = topic.partitions.emplace_back();
    asked.partition_index = change.partition;
    asked.leader_epoch = change.leader_epoch.value();
    asked.partition_epoch = change.partition_epoch;
    asked.leader_recovery_state = static_cast<std::int8_t>(change.leader_recovery_state);
    for (const IsrMember& member : change.isr)
      asked.new_isr_with_epochs.push_back({member.broker.value(), member.broker_epoch});
    const kraft::ControlContext context{*image_, Offset(next_offset_ + 1), controller_options_, *validator_,
                                        chance,  world.clock().wall_ms()};
    auto decided = kraft::alter_partition(context, request, 3);
    if (decided.response.error_code != 0) return fail(static_cast<ErrorCode>(decided.response.error_code));
    const auto answer = decided.response.topics.at(0).partitions.at(0);
    if (!decided.records.empty()) apply(std::move(decided.records));
    if (answer.error_code != 0) return fail(static_cast<ErrorCode>(answer.error_code));
    AcceptedIsr accepted;
    accepted.leader = BrokerId(answer.leader_id);
    accepted.leader_epoch = LeaderEpoch(answer.leader_epoch);
    for (const std::int32_t id : answer.isr) accepted.isr.emplace_back(id);
    accepted.leader_recovery_state = static_cast<LeaderRecoveryState>(answer.leader_recovery_state);
    accepted.partition_epoch = answer.partition_epoch;
    return accepted;
  }

  const Options options_;

 public:
  SimulatedWorld world;
  SeededRandom chance;

 private:
  std::unique_ptr<BrokerConfig> config_;
  std::unique_ptr<NodeConfigValidator> validator_;
  kraft::ControllerOptions controller_options_;
  kraft::MetadataDelta delta_{kraft::MetadataImage::empty()};
  kraft::MetadataImagePtr image_ = kraft::MetadataImage::empty();
  std::int64_t next_offset_ = 0;
  std::int64_t next_epoch_ = 10;
  bool holding_ = false;
  std::vector<std::function<void()>> held_;
  std::deque<Bytes> batches_;  // that requests point into
  std::map<std::int32_t, Member> members_;
};

}  // namespace barnabas::broker::testing
