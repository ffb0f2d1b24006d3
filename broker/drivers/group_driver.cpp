#include "broker/drivers/group_driver.hpp"

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <set>
#include <utility>

#include "base/check.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/coordinator/group_component.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "kraft/metadata_delta.hpp"

namespace barnabas::broker {
namespace {

MigrationPolicy migration_policy(std::string_view name) {
  const auto is = [&](std::string_view other) {
    return std::ranges::equal(name, other, {}, [](unsigned char c) { return std::tolower(c); });
  };
  if (is("disabled")) return MigrationPolicy::kDisabled;
  if (is("upgrade")) return MigrationPolicy::kUpgrade;
  if (is("downgrade")) return MigrationPolicy::kDowngrade;
  return MigrationPolicy::kBidirectional;
}

ConsumerGroupOptions consumer_options(const BrokerConfig& config) {
  ConsumerGroupOptions options;
  const auto layers = config.layers();
  options.assignors.clear();
  for (const std::string& name : split_list(layers->value("group.consumer.assignors").value_or(""))) {
    if (const auto kind = parse_assignor(name)) options.assignors.push_back(*kind);
  }
  if (options.assignors.empty()) options.assignors = {AssignorKind::kUniform};
  options.max_size = static_cast<std::int32_t>(integer_config(config, "group.consumer.max.size", INT32_MAX));
  options.classic_max_size = config.settings()->group_max_size;
  options.migration = migration_policy(layers->value("group.consumer.migration.policy").value_or(""));
  options.pattern_refresh_interval_ms = static_cast<std::int32_t>(integer_config(
      config, "group.consumer.regex.refresh.interval.ms", options.pattern_refresh_interval_ms));
  return options;
}

GroupShardOptions shard_options(const BrokerConfig& config) {
  const BrokerSettings& settings = *config.settings();
  GroupShardOptions options;
  options.consumer = consumer_options(config);
  options.classic.initial_rebalance_delay_ms = settings.group_initial_rebalance_delay_ms;
  options.classic.max_size = settings.group_max_size;
  options.offset_metadata_max_bytes = settings.offset_metadata_max_bytes;
  options.offsets_retention_ms = std::int64_t{settings.offsets_retention_minutes} * 60000;
  options.cleanup_interval_ms = settings.offsets_retention_check_interval_ms;
  return options;
}

std::int32_t group_setting(const ConfigLayers& layers, const ConfigMap& overrides, std::string_view name) {
  const ConfigDefinition* definition = find_definition(group_config_definitions(), name);
  CHECK(definition != nullptr);
  const std::string text = topic_config_value(layers, overrides, *definition).value_or("");
  std::int32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

class GroupDriver::Surroundings final : public GroupSurroundings {
 public:
  explicit Surroundings(const BrokerConfig& config)
      : config_(config), image_(kraft::MetadataImage::empty()) {}

  void set_image(kraft::MetadataImagePtr image) { image_.store(std::move(image), std::memory_order_release); }
  [[nodiscard]] kraft::MetadataImagePtr image() const override {
    return image_.load(std::memory_order_acquire);
  }
  [[nodiscard]] ConsumerGroupSettings settings(std::string_view group) const override {
    const auto layers = config_.layers();
    const kraft::MetadataImagePtr image = this->image();
    const ConfigMap& overrides = image->config(kraft::ConfigResourceType::kGroup, group);
    ConsumerGroupSettings settings;
    settings.session_timeout_ms = group_setting(*layers, overrides, "consumer.session.timeout.ms");
    settings.heartbeat_interval_ms = group_setting(*layers, overrides, "consumer.heartbeat.interval.ms");
    settings.assignment_interval_ms = group_setting(*layers, overrides, "consumer.assignment.interval.ms");
    return settings;
  }
  [[nodiscard]] ErrorCode consumer_protocol() const {
    const auto protocols =
        split_list(config_.layers()->value("group.coordinator.rebalance.protocols").value_or(""));
    if (std::ranges::find(protocols, "consumer") == protocols.end()) return ErrorCode::kUnsupportedVersion;
    const kraft::MetadataImagePtr image = this->image();
    // A client that is told that the protocol is not served gives up.
    if (image->features->metadata_version == 0) return ErrorCode::kCoordinatorNotAvailable;
    return image->feature("group.version") >= 1 ? ErrorCode::kNone : ErrorCode::kUnsupportedVersion;
  }

 private:
  const BrokerConfig& config_;
  std::atomic<kraft::MetadataImagePtr> image_;
};

namespace {

ShardKind shard_kind(const BrokerConfig& config, const GroupSurroundings& surroundings, Random& random,
                     MetricsRegistry& metrics) {
  ShardKind kind;
  kind.gauges = group_gauges(metrics);
  kind.counters = RuntimeCounters::of(metrics, "group");
  kind.topic = kGroupTopic;
  kind.component = kGroupComponent;
  kind.make_shard = [&config, &surroundings, &random, counters = GroupCounters::of(metrics)](std::size_t,
                                                                                             LeaderEpoch) {
    GroupShardOptions options = shard_options(config);
    options.counters = counters;
    return std::make_unique<GroupShard>(options, surroundings, random);
  };
  kind.runtime_options = [&config] {
    CoordinatorRuntimeOptions options;
    options.write_timeout_ms = integer_config(config, "offsets.commit.timeout.ms", 5000);
    options.load_buffer_bytes = config.settings()->offsets_load_buffer_size;
    return options;
  };
  kind.linger_ms = [&config] { return integer_config(config, "group.coordinator.append.linger.ms", -1); };
  return kind;
}

}  // namespace

GroupDriver::GroupDriver(const GroupDriverDependencies& dependencies)
    : surroundings_(std::make_shared<Surroundings>(dependencies.config)),
      shards_({dependencies.clock, dependencies.replicas, dependencies.self, dependencies.reactors},
              shard_kind(dependencies.config, *surroundings_, dependencies.random, dependencies.metrics)) {}

GroupDriver::~GroupDriver() = default;

ErrorCode GroupDriver::consumer_protocol() const {
  return surroundings_->consumer_protocol();
}

ShardDriver::Operation GroupDriver::on_shard(Operation operation) {
  return [operation = std::move(operation)](ErrorCode refused, CoordinatorShard* shard, Step* step) mutable {
    operation(refused, static_cast<GroupShard*>(shard), step);
  };
}

void GroupDriver::on_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
  surroundings_->set_image(image);
  shards_.on_image(image);
  if (changes == nullptr) return;
  tell_of_topics(*image, *changes);
  if (changes->removed_topics.empty()) return;
  std::vector<DeletedTopic> gone;
  for (const auto& [id, removed] : changes->removed_topics) gone.push_back({removed->name, id});
  for (const auto& [index, epoch] : shards_.led()) {
    run_on(index, Kind::kExclusive, [gone](ErrorCode refused, GroupShard* shard, Step* step) {
      if (refused == ErrorCode::kNone) shard->forget_topics(gone, *step);
    });
  }
}

/// A shard that is being loaded does not hear of it, and looks at everything anew when it is done.
void GroupDriver::tell_of_topics(const kraft::MetadataImage& image, const kraft::MetadataChanges& changes) {
  std::set<std::string, std::less<>> names;
  for (const auto& [id, partitions] : changes.changed_partitions) {
    if (const kraft::TopicImage* topic = image.topic(id)) names.insert(topic->name);
  }
  for (const auto& [id, removed] : changes.removed_topics) names.insert(removed->name);
  if (names.empty()) return;
  const bool any_created = !changes.created_topics.empty();
  for (const auto& [index, epoch] : shards_.led()) {
    run_on(index, Kind::kExclusive, [names, any_created](ErrorCode refused, GroupShard* shard, Step*) {
      if (refused == ErrorCode::kNone) shard->consumer().on_topics_changed(names, any_created);
    });
  }
}

}  // namespace barnabas::broker
