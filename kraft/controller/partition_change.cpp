#include "kraft/controller/partition_change.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace barnabas::kraft {

namespace {

bool contains(const std::vector<BrokerId>& ids, BrokerId id) {
  return std::ranges::find(ids, id) != ids.end();
}

std::vector<std::int32_t> numbers(const std::vector<BrokerId>& ids) {
  std::vector<std::int32_t> result;
  for (BrokerId id : ids) result.push_back(id.value());
  return result;
}

/// What the partition shall be, step by step.
struct Target {
  std::vector<BrokerId> isr;
  std::vector<BrokerId> elr;
  std::vector<BrokerId> last_known_elr;
  BrokerId leader = kNoBroker;
  bool unclean = false;
};

/// The ELR holds who left an ISR below min.insync.replicas with everything committed (KIP-966).
void fill_elr(const PartitionChangeInput& input, Target& target) {
  const PartitionRegistration& now = *input.partition;
  target.elr.clear();
  const auto enough =
      std::min<std::size_t>(static_cast<std::size_t>(std::max(input.min_isr, 0)), now.replicas.size());
  if (target.isr.size() >= enough) {
    target.last_known_elr.clear();
    return;
  }
  std::set<BrokerId> candidates(now.eligible_leader_replicas.begin(), now.eligible_leader_replicas.end());
  candidates.insert(now.isr.begin(), now.isr.end());
  for (BrokerId id : candidates)
    if (!contains(target.isr, id) && id != input.unclean_shutdown) target.elr.push_back(id);
}

void elect(const PartitionChangeInput& input, Target& target) {
  const PartitionRegistration& now = *input.partition;
  const auto is_valid = [&](BrokerId id) {
    return id != kNoBroker && (contains(target.isr, id) || contains(target.elr, id)) && input.may_lead(id);
  };
  target.leader = kNoBroker;
  if (is_valid(now.leader)) {
    target.leader = now.leader;
    return;
  }
  for (BrokerId id : now.replicas) {
    if (!is_valid(id)) continue;
    target.leader = id;
    return;
  }
  const bool last_known = input.elr_enabled && target.isr.empty() && target.elr.empty() &&
                          now.last_known_elr.size() == 1 && input.may_lead(now.last_known_elr[0]);
  if (last_known) {
    target.leader = now.last_known_elr[0];
    target.unclean = true;
    return;
  }
  if (!input.unclean_election) return;
  auto alive = std::ranges::find_if(now.replicas, input.may_lead);
  if (alive == now.replicas.end()) return;
  target.leader = *alive;
  target.unclean = true;
}

std::int32_t min_isr_of(const ControlContext& context, const std::string& topic) {
  const std::string text = effective_config(context, topic, "min.insync.replicas", "1");
  std::int32_t value = 1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::optional<protocol::PartitionChangeRecord> change_partition(const PartitionChangeInput& input) {
  constexpr std::int8_t kRecovering = 1;
  const PartitionRegistration& now = *input.partition;
  Target target{input.target_isr, now.eligible_leader_replicas, now.last_known_elr, now.leader, false};
  if (input.elr_enabled) fill_elr(input, target);
  elect(input, target);

  protocol::PartitionChangeRecord record;
  record.partition_id = input.index.value();
  record.topic_id = input.topic_id.value();
  bool changed = false;
  if (target.leader != now.leader) {
    record.leader = target.leader.value();
    changed = true;
    if (target.unclean && now.leader_recovery_state != kRecovering)
      record.leader_recovery_state = kRecovering;
    // A leader from outside the ISR begins a new one.
    if (target.leader != kNoBroker && !contains(target.isr, target.leader)) {
      target.isr = {target.leader};
      if (input.elr_enabled) fill_elr(input, target);
    }
  }
  // Without ELR the last ISR is kept, or the partition could never be led again.
  if ((!target.isr.empty() || input.elr_enabled) && target.isr != now.isr) {
    record.isr = numbers(target.isr);
    changed = true;
  }
  if (input.elr_enabled && record.isr && record.isr->empty() && now.leader != kNoBroker &&
      now.last_known_elr != std::vector{now.leader})
    target.last_known_elr = {now.leader};
  if (target.elr != now.eligible_leader_replicas) {
    record.eligible_leader_replicas = numbers(target.elr);
    changed = true;
  }
  if (target.last_known_elr != now.last_known_elr) {
    record.last_known_elr = numbers(target.last_known_elr);
    changed = true;
  }
  return changed ? std::optional(std::move(record)) : std::nullopt;
}

void append_partition_changes(const ControlContext& context, BrokerId broker, BrokerTransition transition,
                              MetadataRecords& records) {
  const bool leaves = transition != BrokerTransition::kUnfenced;
  const bool elr_enabled = context.image.feature("eligible.leader.replicas.version") > 0;
  PartitionChangeInput input;
  input.elr_enabled = elr_enabled;
  if (transition == BrokerTransition::kUncleanRestart && elr_enabled) input.unclean_shutdown = broker;
  input.may_lead = [&](BrokerId id) {
    if (id == broker) return !leaves;
    const BrokerRegistration* other = context.image.broker(id);
    return other != nullptr && !other->fenced && !other->in_controlled_shutdown;
  };
  for (const auto& [name, topic] : context.image.topics->by_name) {
    std::optional<std::int32_t> min_isr;
    for (std::size_t i = 0; i < topic->partitions.size(); ++i) {
      const PartitionRegistration& partition = topic->partitions[i];
      const bool concerned =
          leaves ? contains(partition.isr, broker) ||
                       (input.unclean_shutdown && contains(partition.eligible_leader_replicas, broker))
                 : partition.leader == kNoBroker && contains(partition.replicas, broker);
      if (!concerned) continue;
      if (!min_isr) {
        min_isr = min_isr_of(context, name);
        input.unclean_election =
            effective_config(context, name, "unclean.leader.election.enable", "false") == "true";
      }
      input.topic_id = topic->id;
      input.index = PartitionIndex(static_cast<std::int32_t>(i));
      input.partition = &partition;
      input.min_isr = *min_isr;
      input.target_isr = partition.isr;
      if (leaves) std::erase(input.target_isr, broker);
      if (auto record = change_partition(input)) records.emplace_back(std::move(*record));
    }
  }
}

}  // namespace barnabas::kraft
