#include "kraft/controller_testing.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/check.hpp"
#include "kraft/controller/alter_partition_control.hpp"
#include "kraft/controller/broker_ids.hpp"
#include "kraft/controller/cluster_control.hpp"
#include "kraft/controller/config_control.hpp"
#include "kraft/controller/election_control.hpp"
#include "kraft/controller/reassignment_control.hpp"
#include "kraft/controller/topic_control.hpp"

namespace barnabas::kraft {

ControllerFixture::ControllerFixture(const ClusterOptions& cluster)
    : random(cluster.seed), sessions(9000), schedule(options) {
  options.node_id = BrokerId(1000);
  options.cluster_id = kTestClusterId;
  MetadataRecords records;
  const auto level = [&records](const std::string& name, std::int16_t value) {
    protocol::FeatureLevelRecord record;
    record.name = name;
    record.feature_level = value;
    records.emplace_back(std::move(record));
  };
  level(kMetadataVersionFeature, cluster.metadata_version);
  if (cluster.elr) level("eligible.leader.replicas.version", 1);
  protocol::ConfigRecord config;
  config.resource_type = static_cast<std::int8_t>(ConfigResourceType::kBroker);
  config.name = "min.insync.replicas";
  config.value = cluster.min_isr;
  records.emplace_back(std::move(config));
  apply(records);
  schedule.start(now_ms);
}

ControlContext ControllerFixture::context() {
  return {*image_, next_offset_, options, configs, random, now_ms, 1};
}

void ControllerFixture::apply(const MetadataRecords& records) {
  if (records.empty()) return;
  const MetadataImagePtr before = image_;
  MetadataDelta delta(image_);
  for (const MetadataRecord& record : records) {
    // As it comes back from the log.
    const Bytes bytes = encode(record, image_->features->metadata_version);
    const auto decoded = decode(bytes);
    CHECK(decoded.has_value());
    const auto replayed = delta.replay(*decoded);
    CHECK(replayed.has_value(), replayed ? "" : replayed.error().detail.c_str());
  }
  next_offset_ = next_offset_ + static_cast<std::int64_t>(records.size());
  image_ = delta.build(next_offset_ - 1, LeaderEpoch(1));
  const std::string broken = broken_step(*before);
  CHECK(broken.empty(), broken.c_str());
}

namespace {

std::string broken_partition(const MetadataImage& image, const std::string& name,
                             const PartitionRegistration& partition) {
  const auto told = [&](const char* what) { return fmt::format("{}: {}", name, what); };
  const std::set<BrokerId> replicas(partition.replicas.begin(), partition.replicas.end());
  if (replicas.size() != partition.replicas.size()) return told("a replica twice");
  if (partition.directories.size() != partition.replicas.size()) return told("not one directory a replica");
  if (!contains_all(partition.replicas, partition.isr)) return told("an ISR beyond the replicas");
  if (!contains_all(partition.replicas, partition.adding_replicas) ||
      !contains_all(partition.replicas, partition.removing_replicas))
    return told("a reassignment beyond the replicas");
  for (const BrokerId id : partition.eligible_leader_replicas)
    if (contains(partition.isr, id)) return told("one replica in ISR and ELR");
  if (partition.leader == kNoBroker) return {};
  if (!contains(partition.isr, partition.leader)) return told("a leader out of the ISR");
  const BrokerRegistration* leader = image.broker(partition.leader);
  if (leader == nullptr || leader->fenced) return told("a leader that is fenced or gone");
  if (leader->in_controlled_shutdown) return told("a leader that is shutting down");
  return {};
}

}  // namespace

std::string ControllerFixture::broken_invariant() const {
  for (const auto& [name, topic] : image_->topics->by_name)
    for (const PartitionRegistration& partition : topic->partitions)
      if (std::string broken = broken_partition(*image_, name, partition); !broken.empty()) return broken;
  // A snapshot says the same as all the records before it.
  MetadataDelta delta(MetadataImage::empty());
  for (const MetadataRecord& record : image_to_records(*image_)) {
    const auto replayed = delta.replay(record);
    if (!replayed) return "a snapshot that cannot be read: " + replayed.error().detail;
  }
  if (!same_content(*image_, *delta.build(image_->offset, image_->epoch)))
    return "a snapshot that is not the image";
  return {};
}

std::string ControllerFixture::broken_step(const MetadataImage& before) const {
  for (const auto& [name, topic] : image_->topics->by_name) {
    const TopicImage* old = before.topic(topic->id);
    for (std::size_t i = 0; old != nullptr && i < old->partitions.size(); ++i) {
      const PartitionRegistration& was = old->partitions[i];
      const PartitionRegistration& is = topic->partitions[i];
      if (is.leader_epoch < was.leader_epoch || is.partition_epoch < was.partition_epoch)
        return name + ": an epoch that goes back";
      if (is.leader != was.leader && is.leader_epoch == was.leader_epoch)
        return name + ": a new leader in an old epoch";
      const bool elr_alone = is.partition_epoch == was.partition_epoch && is.isr == was.isr &&
                             is.replicas == was.replicas && is.leader == was.leader;
      if (is != was && is.partition_epoch == was.partition_epoch && !elr_alone)
        return name + ": a change without a new partition epoch";
    }
  }
  return broken_invariant();
}

protocol::BrokerRegistrationRequest ControllerFixture::registration(std::int32_t id) {
  protocol::BrokerRegistrationRequest request;
  request.broker_id = id;
  request.cluster_id = kTestClusterId;
  request.incarnation_id = Uuid::random(random);
  request.log_dirs = {Uuid::of_low(static_cast<std::uint64_t>(id) * 1000)};
  request.listeners.push_back({"PLAINTEXT", "localhost", static_cast<std::uint16_t>(9092 + id), 0});
  for (const auto& [name, range] : supported_features())
    request.features.push_back({name, range.min, range.max});
  return request;
}

protocol::BrokerRegistrationResponse ControllerFixture::register_broker(
    const protocol::BrokerRegistrationRequest& request) {
  return take(kraft::register_broker(context(), sessions, request));
}

protocol::BrokerHeartbeatRequest ControllerFixture::beat(std::int32_t id) const {
  const BrokerRegistration* broker = image_->broker(BrokerId(id));
  protocol::BrokerHeartbeatRequest request;
  request.broker_id = id;
  request.broker_epoch = broker == nullptr ? -1 : broker->epoch;
  request.current_metadata_offset = image_->offset.value();
  return request;
}

protocol::BrokerHeartbeatResponse ControllerFixture::heartbeat(
    const protocol::BrokerHeartbeatRequest& request) {
  return take(broker_heartbeat(context(), sessions, request));
}

void ControllerFixture::start_brokers(std::int32_t count, const std::vector<std::string>& racks) {
  for (std::int32_t id = 1; id <= count; ++id) {
    auto request = registration(id);
    if (static_cast<std::size_t>(id) <= racks.size()) request.rack = racks[static_cast<std::size_t>(id) - 1];
    CHECK(register_broker(request).error_code == 0);
    CHECK(!heartbeat(beat(id)).is_fenced);
  }
}

void ControllerFixture::pass(std::int64_t ms, const std::vector<std::int32_t>& silent) {
  constexpr std::int64_t kBeatEvery = 2000;
  for (std::int64_t left = ms; left > 0;) {
    const std::int64_t step = std::min(left, kBeatEvery);
    left -= step;
    now_ms += step;
    std::vector<std::int32_t> beating;
    for (const auto& [id, broker] : image_->cluster->brokers)
      if (!broker.fenced && std::ranges::find(silent, id.value()) == silent.end())
        beating.push_back(id.value());
    for (const std::int32_t id : beating) (void)heartbeat(beat(id));
    for (;;) {
      const MetadataRecords records = schedule.next(context(), sessions);
      if (records.empty()) break;
      apply(records);
    }
  }
}

void ControllerFixture::let_die(std::int32_t id) {
  pass(10000, {id});
  CHECK(image_->broker(BrokerId(id))->fenced);
}

void ControllerFixture::restart(std::int32_t id, bool clean) {
  auto request = registration(id);
  if (clean) request.previous_broker_epoch = image_->broker(BrokerId(id))->epoch;
  CHECK(register_broker(request).error_code == 0);
  CHECK(!heartbeat(beat(id)).is_fenced);
}

TopicId ControllerFixture::create_topic(const std::string& name,
                                        const std::vector<std::vector<std::int32_t>>& replicas,
                                        const ConfigMap& topic_configs) {
  protocol::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = -1;
  topic.replication_factor = -1;
  for (const auto& of_partition : replicas)
    topic.assignments.push_back({static_cast<std::int32_t>(topic.assignments.size()), of_partition});
  for (const auto& [key, value] : topic_configs) topic.configs.push_back({key, value});
  const auto response = take(create_topics(context(), request));
  CHECK(response.topics.at(0).error_code == 0);
  return TopicId(response.topics[0].topic_id);
}

const PartitionRegistration& ControllerFixture::partition(const std::string& topic,
                                                          std::int32_t index) const {
  const PartitionRegistration* found = image_->partition(topic, PartitionIndex(index));
  CHECK(found != nullptr);
  return *found;
}

protocol::AlterPartitionRequest ControllerFixture::isr_request(const std::string& topic,
                                                               const std::vector<std::int32_t>& isr,
                                                               std::int32_t index) const {
  const PartitionRegistration& now = partition(topic, index);
  const BrokerRegistration* leader = image_->broker(now.leader);
  protocol::AlterPartitionRequest request;
  request.broker_id = now.leader.value();
  request.broker_epoch = leader == nullptr ? -1 : leader->epoch;
  auto& asked = request.topics.emplace_back();
  asked.topic_id = image_->topic(topic)->id.value();
  auto& partition_asked = asked.partitions.emplace_back();
  partition_asked.partition_index = index;
  partition_asked.leader_epoch = now.leader_epoch.value();
  partition_asked.partition_epoch = now.partition_epoch;
  for (const std::int32_t id : isr) {
    const BrokerRegistration* broker = image_->broker(BrokerId(id));
    partition_asked.new_isr_with_epochs.push_back({id, broker == nullptr ? -1 : broker->epoch});
  }
  return request;
}

std::int16_t ControllerFixture::alter_isr(const std::string& topic, const std::vector<std::int32_t>& isr) {
  const auto response = take(alter_partition(context(), isr_request(topic, isr), 3));
  if (response.error_code != 0) return response.error_code;
  return response.topics.at(0).partitions.at(0).error_code;
}

std::int16_t ControllerFixture::reassign(const std::string& topic,
                                         std::optional<std::vector<std::int32_t>> replicas,
                                         std::int32_t index) {
  protocol::AlterPartitionReassignmentsRequest request;
  request.topics.push_back({topic, {{index, std::move(replicas)}}});
  return take(alter_partition_reassignments(context(), request)).responses.at(0).partitions.at(0).error_code;
}

std::int16_t ControllerFixture::elect(const std::string& topic, std::int8_t type, std::int32_t index) {
  protocol::ElectLeadersRequest request;
  request.election_type = type;
  request.topic_partitions.emplace().push_back({topic, {index}});
  return take(elect_leaders(context(), request))
      .replica_election_results.at(0)
      .partition_result.at(0)
      .error_code;
}

void ControllerFixture::set_config(ConfigResourceType type, const std::string& name, const std::string& key,
                                   const std::string& value) {
  protocol::IncrementalAlterConfigsRequest request;
  request.resources.push_back({static_cast<std::int8_t>(type), name, {{key, 0, value}}});
  CHECK(take(incremental_alter_configs(context(), request)).responses.at(0).error_code == 0);
}

}  // namespace barnabas::kraft
