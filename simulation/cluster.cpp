#include "simulation/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "simulation/nodes/written_record.hpp"

namespace barnabas::simulation {

using broker::Partition;

namespace {

constexpr std::size_t kTrailLines = 60;
constexpr std::uint64_t kReadBytes = 256 * 1024;
constexpr std::uint64_t kHashStart = 0xCBF29CE484222325ULL;
constexpr std::uint64_t kHashPrime = 0x100000001B3ULL;

class Digest {
 public:
  void add(std::int64_t value) { value_ = (value_ ^ static_cast<std::uint64_t>(value)) * kHashPrime; }
  void add(const std::vector<BrokerId>& ids) {
    add(std::ssize(ids));
    for (const BrokerId id : ids) add(id.value());
  }
  void add(const std::string& text) {
    for (const char c : text) add(static_cast<unsigned char>(c));
    add(std::ssize(text));
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  std::uint64_t value_ = kHashStart;
};

std::string text_of(const std::vector<BrokerId>& ids) {
  std::string text;
  for (const BrokerId id : ids) text += fmt::format("{}{}", text.empty() ? "" : ",", id.value());
  return text;
}

std::string text_of(const kraft::PartitionRegistration& partition) {
  std::string text = fmt::format(
      "leader {} epoch {} in sync [{}] of [{}] eligible [{}] last known [{}]", partition.leader.value(),
      partition.leader_epoch.value(), text_of(partition.isr), text_of(partition.replicas),
      text_of(partition.eligible_leader_replicas), text_of(partition.last_known_elr));
  if (!partition.adding_replicas.empty() || !partition.removing_replicas.empty())
    text += fmt::format(" adding [{}] removing [{}]", text_of(partition.adding_replicas),
                        text_of(partition.removing_replicas));
  return text;
}

std::uint64_t digest_of(const kraft::MetadataImage& image) {
  Digest digest;
  for (const auto& [name, topic] : image.topics->by_name) {
    digest.add(name);
    for (const auto& partition : topic->partitions) {
      digest.add(partition.leader.value());
      digest.add(partition.leader_epoch.value());
      digest.add(partition.partition_epoch);
      digest.add(partition.replicas);
      digest.add(partition.isr);
      digest.add(partition.adding_replicas);
      digest.add(partition.removing_replicas);
      digest.add(partition.eligible_leader_replicas);
    }
  }
  for (const auto& [id, broker] : image.cluster->brokers) {
    digest.add(id.value());
    digest.add(broker.epoch);
    digest.add(broker.fenced ? 1 : 0);
  }
  for (const auto& [resource, values] : *image.configs)
    for (const auto& [name, value] : values) {
      digest.add(resource.name);
      digest.add(name);
      digest.add(value);
    }
  digest.add(image.next_producer_id);
  return digest.value();
}

}  // namespace

Cluster::Cluster(ClusterOptions options)
    : options_(std::move(options)), world_(options_.seed, options_.network) {
  make_nodes();
  ClientSurroundings surroundings{world_, checks_, topics_, {}, [this](std::string what) { note(what); }};
  for (const auto& node : nodes_)
    if (node->is_broker()) surroundings.brokers.push_back(node->id());
  admin_ = std::make_unique<ClusterAdmin>(surroundings, options_.admin);
  if (options_.voter_change_interval.count() > 0)
    voter_admin_ = std::make_unique<ClusterVoterAdmin>(
        surroundings,
        VoterAdminOptions{options_.voter_change_interval, options_.combined + options_.controllers});
  for (ProducerOptions producer : options_.producers) {
    producer.number = std::ssize(producers_);
    producers_.push_back(std::make_unique<ClusterProducer>(surroundings, producer));
  }
  for (int number = 0; number < options_.consumers; ++number)
    consumers_.push_back(std::make_unique<ClusterConsumer>(surroundings, number));
  crowd_ = std::make_unique<ClusterCrowd>(surroundings, options_.crowd);
  watch_ = std::make_unique<LogWatch>(CoordinatorChecks{crowd_->groups(), crowd_->transactions()},
                                      options_.crowd.output);
}

Cluster::~Cluster() = default;

void Cluster::make_nodes() {
  std::string voters;
  const int all = options_.combined + options_.controllers + options_.brokers;
  for (int id = 1; id <= options_.combined + options_.controllers; ++id)
    voters += fmt::format("{}{}@{}:9093", id == 1 ? "" : ",", id, ClusterNode::host_of(id));
  for (int id = 1; id <= all; ++id) {
    const std::string host = ClusterNode::host_of(id);
    ClusterNodeOptions node;
    node.id = id;
    node.is_controller = id <= options_.combined + options_.controllers;
    node.is_broker = id <= options_.combined || !node.is_controller;
    node.properties = {{"node.id", std::to_string(id)},
                       {"controller.listener.names", "CONTROLLER"},
                       {"controller.quorum.voters", voters},
                       {"log.dirs", ClusterNode::kDataDirectory},
                       {"metadata.log.dir", ClusterNode::kMetadataDirectory}};
    const std::string plain = "PLAINTEXT://" + host + ":9092";
    const std::string control = "CONTROLLER://" + host + ":9093";
    node.properties["process.roles"] = !node.is_broker       ? "controller"
                                       : !node.is_controller ? "broker"
                                                             : "broker,controller";
    node.properties["listeners"] = !node.is_broker       ? control
                                   : !node.is_controller ? plain
                                                         : plain + "," + control;
    for (const auto& [name, value] : options_.properties) node.properties[name] = value;
    nodes_.push_back(std::make_unique<ClusterNode>(
        world_, std::move(node),
        [this](std::int32_t from, const kraft::MetadataImagePtr& image) { on_image(from, image); }));
  }
}

void Cluster::start() {
  for (const auto& node : nodes_)
    if (!node->start()) checks_.violated("a new node does not start: " + node->last_failure());
  admin_->start();
  if (voter_admin_ != nullptr) voter_admin_->start();
  for (const auto& producer : producers_) producer->start();
  for (const auto& consumer : consumers_) consumer->start();
  crowd_->start();
}

std::vector<std::string> Cluster::client_hosts() const {
  std::vector<std::string> hosts = {admin_->host()};
  if (voter_admin_ != nullptr) hosts.push_back(voter_admin_->host());
  for (const auto& producer : producers_) hosts.push_back(producer->host());
  for (const auto& consumer : consumers_) hosts.push_back(consumer->host());
  for (std::string& host : crowd_->hosts()) hosts.push_back(std::move(host));
  return hosts;
}

void Cluster::note(std::string what) {
  const double seconds = std::chrono::duration<double>(world_.clock().monotonic()).count();
  std::string line = fmt::format("{:9.3f} {}", seconds, what);
  if (options_.trace) fmt::print("{}\n", line);
  trail_.push_back(std::move(line));
  if (trail_.size() > kTrailLines) trail_.pop_front();
}

bool Cluster::run_for(std::chrono::nanoseconds time) {
  world_.run_until(world_.clock().monotonic() + time);
  for (const auto& node : nodes_)
    if (node->is_up()) observe(*node);
  return !checks_.failure();
}

void Cluster::on_image(std::int32_t id, const kraft::MetadataImagePtr& image) {
  images_[id] = image;
  checks_.metadata(id, image->offset, image->epoch, digest_of(*image));
  if (image->offset > noted_up_to_) note_changes(*image);
}

void Cluster::note_changes(const kraft::MetadataImage& image) {
  noted_up_to_ = image.offset;
  for (const auto& [name, topic] : image.topics->by_name)
    for (std::size_t at = 0; at < topic->partitions.size(); ++at) {
      const kraft::PartitionRegistration& now = topic->partitions[at];
      const auto [known, is_new] =
          noted_.try_emplace({name, PartitionIndex(static_cast<std::int32_t>(at))}, now.partition_epoch);
      if (!is_new && std::exchange(known->second, now.partition_epoch) == now.partition_epoch) continue;
      note(fmt::format("{}-{}: {}", name, at, text_of(now)));
    }
}

kraft::MetadataImagePtr Cluster::newest_image() const {
  kraft::MetadataImagePtr newest;
  for (const auto& node : nodes_) {
    const auto image = images_.find(node->id());
    if (!node->is_up() || image == images_.end()) continue;
    if (newest == nullptr || image->second->offset > newest->offset) newest = image->second;
  }
  return newest;
}

bool Cluster::is_fully_replicated() const {
  for (const auto& node : nodes_)
    if (!node->is_up() || node->is_stopping() || node->is_paused() || node->is_disk_broken() ||
        !node->process().is_serving())
      return false;
  const auto image = newest_image();
  if (image == nullptr) return false;
  for (const auto& [name, topic] : image->topics->by_name)
    for (const auto& partition : topic->partitions)
      if (partition.leader == kNoBroker ||
          partition.isr.size() < std::max<std::size_t>(partition.replicas.size(), 2))
        return false;
  return true;
}

kraft::MetadataImagePtr Cluster::controllers_image() const {
  const kraft::MetadataNode* active = nullptr;
  for (const auto& node : nodes_) {
    if (!node->is_up()) continue;
    const kraft::MetadataNode& metadata = node->process().metadata();
    const bool is_newer = active == nullptr || metadata.epoch() > active->epoch();
    if (metadata.is_active_controller() && is_newer) active = &metadata;
  }
  return active == nullptr ? nullptr : active->image();
}

void Cluster::observe(ClusterNode& node) {
  const kraft::MetadataNode& metadata = node.process().metadata();
  if (metadata.is_active_controller()) checks_.controller_leads(metadata.epoch(), node.id());
  for (const auto& partition : node.process().replicas().all()) {
    const std::string& name = partition->topic_partition().topic;
    const auto topic = topics_.find(name);
    const bool is_live = topic != topics_.end() && topic->second.created && !topic->second.deleting;
    if (is_live || options_.admin.internal.contains(name)) observe(node, *partition);
  }
}

void Cluster::observe(ClusterNode& node, Partition& partition) {
  const TopicPartition& tp = partition.topic_partition();
  const auto [start, high_watermark] = partition.with_log(
      [](log::PartitionLog& log) { return std::pair(log.log_start_offset(), log.high_watermark()); });
  if (partition.is_leader())
    checks_.high_watermark(tp, partition.leader_epoch(), node.id(), high_watermark);
  else if (node.id() == distrusted_)
    return;
  Seen& seen = seen_[{node.id(), tp}];
  if (seen.life != node.lives() || seen.topic != partition.topic_id())
    seen = {node.lives(), partition.topic_id(), start};
  seen.end = std::min(seen.end, high_watermark);
  const bool is_internal = options_.admin.internal.contains(tp.topic);
  const std::string who = fmt::format("broker {} has", node.id());
  while (seen.end < high_watermark) {
    log::ReadOptions options;
    options.from = seen.end;
    options.up_to = high_watermark;
    options.max_bytes = kReadBytes;
    options.at_least_one_batch = true;
    const auto bytes = partition.with_log([&](log::PartitionLog& log) { return log.read_bytes(options); });
    // A disk that fails is known by its other answers.
    if (!bytes && bytes.error().code == ErrorCode::kKafkaStorageError) return;
    const auto see = [&](const LoggedRecord& record) {
      checks_.committed(tp, record.offset, is_internal ? LogWatch::digest_of(record) : record.written(), who);
      watch_->saw(tp, record);
    };
    const auto end =
        !bytes ? Result<Offset>(std::unexpected(bytes.error())) : for_each_record(*bytes, seen.end, see);
    if (!end || *end <= seen.end)
      return checks_.violated(fmt::format("broker {} cannot read {} at offset {}, which is committed: {}",
                                          node.id(), to_string(tp), seen.end.value(),
                                          end ? "nothing is there" : end.error().detail));
    seen.end = *end;
  }
}

void Cluster::heal() {
  note("no faults any more");
  crowd_->calm();
  std::vector<std::string> hosts = client_hosts();
  for (const auto& node : nodes_) hosts.push_back(node->host());
  for (const std::string& one : hosts)
    for (const std::string& other : hosts)
      if (one != other) world_.unblock(one, other);
  for (const auto& node : nodes_) {
    node->set_clock_ahead(0);
    node->files().set_capacity_bytes(std::nullopt);
    node->resume();
    if (node->is_up() && node->is_disk_broken()) node->kill();
    if (!node->is_up() && !node->start())
      checks_.violated(fmt::format("node {} does not start: {}", node->id(), node->last_failure()));
  }
}

void Cluster::stop_clients() {
  admin_->stop();
  if (voter_admin_ != nullptr) voter_admin_->stop();
  for (const auto& producer : producers_) producer->stop();
}

ClusterNode& Cluster::node_of(BrokerId id) {
  return *nodes_.at(static_cast<std::size_t>(id.value() - 1));
}

std::string Cluster::unsettled() {
  for (const auto& node : nodes_) {
    if (!node->is_up() || node->is_stopping()) return fmt::format("node {} is not up", node->id());
    if (!node->process().is_serving()) return fmt::format("node {} does not serve", node->id());
  }
  if (!admin_->is_idle()) return "unanswered: " + admin_->state();
  for (const auto& producer : producers_)
    if (!producer->is_idle()) return "not acknowledged:" + producer->state();
  const auto image = newest_image();
  for (const auto& node : nodes_)
    if (digest_of(*images_.at(node->id())) != digest_of(*image))
      return fmt::format("node {} has old metadata", node->id());
  for (const auto& [name, topic] : topics_)
    if (topic.deleting && image->topic(name) != nullptr) return name + " is not deleted";
  for (const auto& [name, partitions] : topics())
    if (std::string what = unsettled(*image, name, partitions); !what.empty()) return what;
  return crowd_->unsettled();
}

std::map<std::string, std::int32_t> Cluster::topics() const {
  std::map<std::string, std::int32_t> all = options_.admin.internal;
  for (const auto& [name, topic] : topics_)
    if (!topic.deleting) all[name] = topic.partitions;
  return all;
}

std::string Cluster::unsettled(const kraft::MetadataImage& image, const std::string& topic,
                               std::int32_t partitions) {
  const kraft::TopicImage* found = image.topic(topic);
  if (found == nullptr || std::ssize(found->partitions) != partitions)
    return topic + " is not what was created";
  for (std::int32_t at = 0; at < partitions; ++at) {
    std::string what =
        unsettled({topic, PartitionIndex(at)}, found->partitions[static_cast<std::size_t>(at)]);
    if (!what.empty()) return what;
  }
  return {};
}

std::string Cluster::unsettled(const TopicPartition& partition,
                               const kraft::PartitionRegistration& registration) {
  const std::string name = to_string(partition);
  if (registration.leader == kNoBroker) return name + " has no leader";
  if (!registration.adding_replicas.empty() || !registration.removing_replicas.empty())
    return name + " is being reassigned";
  if (std::set(registration.isr.begin(), registration.isr.end()) !=
      std::set(registration.replicas.begin(), registration.replicas.end()))
    return fmt::format("{} has {} of {} replicas in sync", name, registration.isr.size(),
                       registration.replicas.size());
  std::optional<Offset> end;
  for (const BrokerId id : registration.replicas) {
    const auto replica = node_of(id).process().replicas().find(partition.topic, partition.partition);
    if (replica == nullptr) return fmt::format("{} is not on broker {}", name, id.value());
    const auto [stable, high_watermark, log_end] = replica->with_log([](log::PartitionLog& log) {
      return std::tuple(log.last_stable_offset(), log.high_watermark(), log.log_end_offset());
    });
    if (high_watermark != log_end || end.value_or(log_end) != log_end)
      return fmt::format("{} on broker {} ends at {} and is committed up to {}", name, id.value(),
                         log_end.value(), high_watermark.value());
    if (stable != log_end)
      return fmt::format("{} on broker {} ends at {} and is stable up to {}", name, id.value(),
                         log_end.value(), stable.value());
    end = log_end;
  }
  if (options_.admin.internal.contains(partition.topic)) return {};  // which clients do not read
  for (const auto& consumer : consumers_)
    if (consumer->position(partition) != *end)
      return fmt::format("{} is at {} of {}, which ends at {}", consumer->host(),
                         consumer->position(partition).value(), name, end->value());
  return {};
}

void Cluster::finish() {
  const auto image = newest_image();
  for (const auto& [name, partitions] : topics())
    for (std::int32_t at = 0; at < partitions; ++at) {
      const TopicPartition partition{name, PartitionIndex(at)};
      const kraft::PartitionRegistration& registration = *image->partition(name, partition.partition);
      for (const BrokerId id : registration.replicas) {
        const auto replica = node_of(id).process().replicas().find(name, partition.partition);
        const Offset start = replica->with_log([](log::PartitionLog& log) { return log.log_start_offset(); });
        // observe() has compared everything in between.
        checks_.finish(partition, id.value(), start, seen_.at({id.value(), partition}).end);
      }
    }
  crowd_->finish();
}

}  // namespace barnabas::simulation
