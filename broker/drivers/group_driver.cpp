#include "broker/drivers/group_driver.hpp"

#include <utility>

#include "broker/config/broker_config.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "kraft/metadata_delta.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "org.apache.kafka.coordinator.group.GroupCoordinatorService";

GroupShardOptions shard_options(const BrokerSettings& settings) {
  GroupShardOptions options;
  options.classic.initial_rebalance_delay_ms = settings.group_initial_rebalance_delay_ms;
  options.classic.max_size = settings.group_max_size;
  options.offset_metadata_max_bytes = settings.offset_metadata_max_bytes;
  options.offsets_retention_ms = std::int64_t{settings.offsets_retention_minutes} * 60000;
  options.cleanup_interval_ms = settings.offsets_retention_check_interval_ms;
  return options;
}

ShardKind shard_kind(const BrokerConfig& config, Random& random) {
  ShardKind kind;
  kind.topic = kGroupTopic;
  kind.component = kComponent;
  kind.make_shard = [&config, &random](std::size_t, LeaderEpoch) {
    return std::make_unique<GroupShard>(shard_options(*config.settings()), random);
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

GroupDriver::GroupDriver(GroupDriverDependencies dependencies)
    : shards_({dependencies.clock, dependencies.replicas, dependencies.self, dependencies.reactors},
              shard_kind(dependencies.config, dependencies.random)) {}

ShardDriver::Operation GroupDriver::on_shard(Operation operation) {
  return [operation = std::move(operation)](ErrorCode refused, CoordinatorShard* shard, Step* step) mutable {
    operation(refused, static_cast<GroupShard*>(shard), step);
  };
}

void GroupDriver::on_image(const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
  shards_.on_image(image);
  if (changes == nullptr || changes->removed_topics.empty()) return;
  std::vector<DeletedTopic> gone;
  for (const auto& [id, removed] : changes->removed_topics) gone.push_back({removed->name, id});
  for (const auto& [index, epoch] : shards_.led()) {
    run_on(index, Kind::kExclusive, [gone](ErrorCode refused, GroupShard* shard, Step* step) {
      if (refused == ErrorCode::kNone) shard->forget_topics(gone, *step);
    });
  }
}

}  // namespace barnabas::broker
