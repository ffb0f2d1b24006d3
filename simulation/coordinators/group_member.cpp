#include "simulation/coordinators/group_member.hpp"

#include <fmt/format.h>

#include "simulation/coordinators/classic_member.hpp"
#include "simulation/coordinators/consumer_member.hpp"

namespace barnabas::simulation {

std::uint64_t GroupMember::tenure(const TopicPartition& partition) const {
  const auto found = owned_.find(partition);
  return found == owned_.end() ? 0 : found->second;
}

std::int32_t GroupMember::partitions() const {
  const auto& topics = client_.surroundings().topics;
  const auto topic = topics.find(options_.topic);
  return topic == topics.end() || !topic->second.created ? 0 : topic->second.partitions;
}

void GroupMember::joined(std::string id, std::int32_t epoch) {
  if (id_ != id || epoch_ != epoch)
    client_.surroundings().note(
        fmt::format("{} is member {} of {} in epoch {}", client_.host(), id, options_.group, epoch));
  id_ = std::move(id);
  epoch_ = epoch;
}

void GroupMember::own(const std::set<TopicPartition>& partitions) {
  const auto before = owned_;
  std::erase_if(owned_, [&](const auto& entry) { return !partitions.contains(entry.first); });
  // A static member's successor gets what it had, in the same epoch.
  const std::string owner = options_.instance.value_or(id_);
  for (const TopicPartition& partition : partitions) {
    checks_.owns({options_.group, partition}, epoch_, owner);
    if (owned_.try_emplace(partition, tenures_ + 1).second) ++tenures_;
  }
  if (owned_ == before) return;
  std::string has;
  for (const TopicPartition& partition : partitions) has += " " + to_string(partition);
  client_.surroundings().note(fmt::format("{} has{} in epoch {}", client_.host(), has, epoch_));
}

void GroupMember::end() {
  client_.surroundings().note(fmt::format("{} is fenced in {}", client_.host(), options_.group));
  lose_all();
  is_over_ = true;
}

std::unique_ptr<GroupMember> make_group_member(CoordinatedClient& client, GroupChecks& checks,
                                               MembershipOptions options) {
  if (options.protocol == GroupProtocol::kClassic)
    return std::make_unique<ClassicMember>(client, checks, std::move(options));
  return std::make_unique<ConsumerMember>(client, checks, std::move(options));
}

}  // namespace barnabas::simulation
