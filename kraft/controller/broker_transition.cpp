#include "kraft/controller/broker_transition.hpp"

#include <algorithm>
#include <set>

#include "kraft/controller/partition_change.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int8_t kFence = 1;
constexpr std::int8_t kUnfence = -1;

protocol::BrokerRegistrationChangeRecord change_of(const BrokerRegistration& broker) {
  protocol::BrokerRegistrationChangeRecord record;
  record.broker_id = broker.id.value();
  record.broker_epoch = broker.epoch;
  return record;
}

/// Whose eligibility changes with the records that are being made; the image does not know of it yet.
struct Movement {
  BrokerId leaving = kNoBroker;   // leaves ISRs, leads nothing any more
  BrokerId entering = kNoBroker;  // may lead from now on
  BrokerId unclean = kNoBroker;   // leaves ISRs and ELRs
};

/// Changes every partition that `concerns` picks.
template <class Concerns>
void update_partitions(const ControlContext& context, const Movement& movement, const Concerns& concerns,
                       MetadataRecords& records) {
  const auto active = [&](BrokerId id) {
    if (id == movement.leaving || id == movement.unclean) return false;
    // One that was on its way out leads nothing in this life, even if it beats on.
    if (id == movement.entering) return !context.image.broker(id)->in_controlled_shutdown;
    return is_active(context.image, id);
  };
  for (const auto& [name, topic] : context.image.topics->by_name) {
    std::optional<PartitionChangeInput> input;  // what holds for all partitions of the topic
    for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionRegistration& partition = topic->partitions[i];
      const PartitionIndex index(static_cast<std::int32_t>(i));
      if (!concerns(*topic, index, partition)) continue;
      if (!input) {
        input = partition_change_of(context, *topic, index);
        input->is_active = active;
        if (allows_unclean_election(context, name)) input->election = Election::kUnclean;
        if (movement.unclean != kNoBroker) input->unclean_shutdown = movement.unclean;
      }
      input->index = index;
      input->partition = &partition;
      input->isr = without(partition.isr, {movement.leaving, movement.unclean});
      if (auto record = change_partition(*input)) records.emplace_back(std::move(*record));
    }
  }
}

auto has_in_isr(BrokerId broker) {
  return [broker](const TopicImage&, PartitionIndex, const PartitionRegistration& partition) {
    return contains(partition.isr, broker);
  };
}
auto has_in_elr(BrokerId broker) {
  return [broker](const TopicImage&, PartitionIndex, const PartitionRegistration& partition) {
    return contains(partition.eligible_leader_replicas, broker);
  };
}

}  // namespace

void append_fence(const ControlContext& context, const BrokerRegistration& broker, MetadataRecords& records) {
  update_partitions(context, {.leaving = broker.id, .entering = kNoBroker, .unclean = kNoBroker},
                    has_in_isr(broker.id), records);
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.fenced = kFence;
  records.emplace_back(std::move(record));
}

void append_unfence(const ControlContext& context, const BrokerRegistration& broker,
                    MetadataRecords& records) {
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.fenced = kUnfence;
  records.emplace_back(std::move(record));
  const auto is_leaderless = [](const TopicImage&, PartitionIndex, const PartitionRegistration& partition) {
    return partition.leader == kNoBroker;
  };
  update_partitions(context, {.leaving = kNoBroker, .entering = broker.id, .unclean = kNoBroker},
                    is_leaderless, records);
}

void append_controlled_shutdown(const ControlContext& context, const BrokerRegistration& broker,
                                MetadataRecords& records) {
  if (!broker.in_controlled_shutdown) {
    protocol::BrokerRegistrationChangeRecord record = change_of(broker);
    record.in_controlled_shutdown = 1;
    records.emplace_back(std::move(record));
  }
  update_partitions(context, {.leaving = broker.id, .entering = kNoBroker, .unclean = kNoBroker},
                    has_in_isr(broker.id), records);
}

void append_unregistration(const ControlContext& context, const BrokerRegistration& broker,
                           MetadataRecords& records) {
  const Movement movement{.leaving = broker.id, .entering = kNoBroker, .unclean = kNoBroker};
  update_partitions(context, movement, has_in_isr(broker.id), records);
  update_partitions(context, movement, has_in_elr(broker.id), records);
  protocol::UnregisterBrokerRecord record;
  record.broker_id = broker.id.value();
  record.broker_epoch = broker.epoch;
  records.emplace_back(record);
}

void append_end_of_incarnation(const ControlContext& context, BrokerId broker, bool clean,
                               MetadataRecords& records) {
  if (clean || !is_elr_enabled(context.image)) {
    update_partitions(context, {.leaving = broker, .entering = kNoBroker, .unclean = kNoBroker},
                      has_in_isr(broker), records);
    return;
  }
  const Movement movement{.leaving = kNoBroker, .entering = kNoBroker, .unclean = broker};
  update_partitions(context, movement, has_in_isr(broker), records);
  update_partitions(context, movement, has_in_elr(broker), records);
}

void append_offline_directories(const ControlContext& context, const BrokerRegistration& broker,
                                const std::vector<Uuid>& offline, MetadataRecords& records) {
  std::vector<Uuid> online;
  std::vector<DirectoryId> lost;
  for (const DirectoryId directory : broker.directories) {
    if (std::ranges::find(offline, directory.value()) != offline.end())
      lost.push_back(directory);
    else
      online.push_back(directory.value());
  }
  if (lost.empty()) return;
  for (const DirectoryId directory : lost) {
    const auto is_there = [&](const TopicImage&, PartitionIndex, const PartitionRegistration& partition) {
      return std::ranges::find(partition.directories, directory) != partition.directories.end();
    };
    update_partitions(context, {.leaving = broker.id, .entering = kNoBroker, .unclean = kNoBroker}, is_there,
                      records);
  }
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.log_dirs = std::move(online);
  records.emplace_back(std::move(record));
}

void append_cordoned_directories(const BrokerRegistration& broker, const std::vector<Uuid>& cordoned,
                                 MetadataRecords& records) {
  std::set<Uuid> now;
  for (const DirectoryId directory : broker.cordoned_directories.value_or(std::vector<DirectoryId>()))
    now.insert(directory.value());
  if (broker.cordoned_directories && now == std::set<Uuid>(cordoned.begin(), cordoned.end())) return;
  protocol::BrokerRegistrationChangeRecord record = change_of(broker);
  record.cordoned_log_dirs = cordoned;
  records.emplace_back(std::move(record));
}

void append_offline_replicas(const ControlContext& context, BrokerId broker,
                             const std::vector<TopicPartitionIndex>& partitions, MetadataRecords& records) {
  const std::set<TopicPartitionIndex> concerned(partitions.begin(), partitions.end());
  const auto is_concerned = [&](const TopicImage& topic, PartitionIndex index, const PartitionRegistration&) {
    return concerned.contains({topic.id, index});
  };
  update_partitions(context, {.leaving = broker, .entering = kNoBroker, .unclean = kNoBroker}, is_concerned,
                    records);
}

bool leads_something(const MetadataImage& image, BrokerId broker) {
  return std::ranges::any_of(image.topics->by_name, [broker](const auto& entry) {
    return std::ranges::any_of(entry.second->partitions,
                               [broker](const auto& partition) { return partition.leader == broker; });
  });
}

}  // namespace barnabas::kraft
