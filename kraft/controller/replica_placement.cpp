#include "kraft/controller/replica_placement.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "kraft/controller/partition_change.hpp"

namespace barnabas::kraft {

namespace {

template <class Value>
void shuffle(std::vector<Value>& values, Random& random) {
  for (std::size_t left = values.size(); left > 1; --left)
    std::swap(values[left - 1], values[random.below(left)]);
}

/// Brokers in a ring. Each partition starts one further than the one before and goes around once.
class Ring {
 public:
  void add(BrokerId broker) { brokers_.push_back(broker); }
  void start(Random& random) {
    if (!brokers_.empty()) first_ = random.below(brokers_.size());
  }
  void mix(Random& random) { shuffle(brokers_, random); }
  /// The next broker for the partition; kNoBroker when it has had all of them.
  BrokerId take(std::int64_t partition) {
    if (brokers_.empty()) return kNoBroker;
    if (partition != partition_) {
      partition_ = partition;
      taken_ = 0;
      first_ = (first_ + 1) % brokers_.size();
    }
    if (taken_ == brokers_.size()) return kNoBroker;
    return brokers_[(first_ + taken_++) % brokers_.size()];
  }

 private:
  std::vector<BrokerId> brokers_;
  std::size_t first_ = 0;
  std::size_t taken_ = 0;
  std::int64_t partition_ = -1;
};

struct Rack {
  Ring unfenced;
  Ring fenced;
};

bool has_room(const BrokerRegistration& broker) {
  if (broker.directories.empty() || !broker.cordoned_directories) return true;
  return std::ranges::any_of(broker.directories, [&broker](DirectoryId directory) {
    return std::ranges::find(*broker.cordoned_directories, directory) == broker.cordoned_directories->end();
  });
}

class Placer {
 public:
  Placer(const MetadataImage& image, Random& random) : random_(random) {
    std::map<std::optional<std::string>, Rack> by_name;
    for (const auto& [id, broker] : image.cluster->brokers) {
      if (broker.in_controlled_shutdown || !has_room(broker)) continue;
      Rack& rack = by_name[broker.rack];
      (broker.fenced ? rack.fenced : rack.unfenced).add(id);
      ++brokers_;
      if (!broker.fenced) ++unfenced_;
    }
    for (auto& [name, rack] : by_name) {
      rack.fenced.start(random);
      rack.unfenced.start(random);
      racks_.push_back(std::move(rack));
    }
    if (!racks_.empty()) next_rack_ = random.below(racks_.size());
  }

  [[nodiscard]] std::size_t brokers() const { return brokers_; }
  [[nodiscard]] std::size_t unfenced() const { return unfenced_; }

  /// The replicas of one more partition. Requires an unfenced broker and `factor` <= brokers().
  std::vector<BrokerId> place(std::size_t factor) {
    // After as many partitions as there are brokers the same assignments would come again.
    if (since_mixed_ == unfenced_ && unfenced_ > 1) mix();
    next_rack_ %= racks_.size();
    const std::int64_t partition = partition_++;
    std::vector<BrokerId> replicas;
    std::size_t leader_rack = next_rack_;
    for (;;) {
      const BrokerId leader = racks_[leader_rack].unfenced.take(partition);
      if (leader != kNoBroker) {
        replicas.push_back(leader);
        break;
      }
      leader_rack = (leader_rack + 1) % racks_.size();
    }
    // The leader's rack has had its turn of the first round.
    std::optional<std::size_t> passed_over = leader_rack;
    for (std::size_t rack = next_rack_; replicas.size() < factor; rack = (rack + 1) % racks_.size()) {
      if (passed_over == rack) {
        passed_over.reset();
        continue;
      }
      BrokerId follower = racks_[rack].unfenced.take(partition);
      if (follower == kNoBroker) follower = racks_[rack].fenced.take(partition);
      if (follower != kNoBroker) replicas.push_back(follower);
    }
    ++since_mixed_;
    ++next_rack_;
    return replicas;
  }

 private:
  void mix() {
    shuffle(racks_, random_);
    for (Rack& rack : racks_) {
      rack.fenced.mix(random_);
      rack.unfenced.mix(random_);
    }
    since_mixed_ = 0;
  }

  Random& random_;
  std::vector<Rack> racks_;  // by name, none first
  std::size_t next_rack_ = 0;
  std::size_t brokers_ = 0;
  std::size_t unfenced_ = 0;
  std::size_t since_mixed_ = 0;
  std::int64_t partition_ = 0;
};

}  // namespace

Result<std::vector<std::vector<BrokerId>>> place_replicas(const MetadataImage& image,
                                                          const PlacementRequest& request, Random& random) {
  const auto refuse = [](std::string why) {
    return fail(ErrorCode::kInvalidReplicationFactor, std::move(why));
  };
  Placer placer(image, random);
  if (request.replication_factor <= 0)
    return refuse(fmt::format("Invalid replication factor {}: the replication factor must be positive.",
                              request.replication_factor));
  if (placer.unfenced() == 0)
    return refuse("All brokers are currently fenced, or have all their log directories cordoned.");
  const auto factor = static_cast<std::size_t>(request.replication_factor);
  if (factor > placer.brokers())
    return refuse(
        fmt::format("The target replication factor of {} cannot be reached because only {} broker(s) are "
                    "registered or some brokers have all their log directories cordoned.",
                    factor, placer.brokers()));
  std::vector<std::vector<BrokerId>> result;
  for (std::int32_t i = 0; i < request.partitions; ++i) result.push_back(placer.place(factor));
  return result;
}

Result<void> check_manual_assignment(const MetadataImage& image, const std::vector<BrokerId>& replicas,
                                     std::size_t factor) {
  const auto refuse = [](std::string why) {
    return fail(ErrorCode::kInvalidReplicaAssignment, "The manual partition assignment includes " + why);
  };
  if (replicas.empty()) return refuse("an empty replica list.");
  std::vector<BrokerId> sorted = replicas;
  std::ranges::sort(sorted);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (image.broker(sorted[i]) == nullptr)
      return refuse(fmt::format("broker {}, but no such broker is registered.", sorted[i].value()));
    if (i > 0 && sorted[i] == sorted[i - 1])
      return refuse(fmt::format("the broker {} more than once.", sorted[i].value()));
  }
  if (replicas.size() != factor)
    return refuse(
        fmt::format("a partition with {} replica(s), but this is not consistent with previous "
                    "partitions, which have {} replica(s).",
                    replicas.size(), factor));
  return {};
}

std::vector<BrokerId> in_sync_of(const MetadataImage& image, const std::vector<BrokerId>& replicas) {
  std::vector<BrokerId> result;
  for (const BrokerId id : replicas)
    if (is_active(image, id)) result.push_back(id);
  return result;
}

protocol::PartitionRecord new_partition(const MetadataImage& image, TopicId topic, PartitionIndex index,
                                        const std::vector<BrokerId>& replicas) {
  constexpr std::int16_t kDirectoriesLevel = 17;  // metadata.version 3.7-IV2
  protocol::PartitionRecord record;
  record.partition_id = index.value();
  record.topic_id = topic.value();
  record.replicas = to_numbers(replicas);
  record.isr = to_numbers(in_sync_of(image, replicas));
  record.leader = record.isr.empty() ? kNoBroker.value() : record.isr.front();
  record.leader_epoch = 0;
  record.partition_epoch = 0;
  if (image.features->metadata_version < kDirectoriesLevel) return record;
  for (const BrokerId id : replicas) record.directories.push_back(default_directory(image, id).value());
  return record;
}

}  // namespace barnabas::kraft
