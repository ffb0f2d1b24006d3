#include "kraft/controller/partition_change.hpp"

#include <charconv>
#include <set>

#include "base/check.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::int32_t kLeaderStays = -2;          // PartitionChangeRecord.Leader
constexpr std::int16_t kNoBumpOnShrinkLevel = 12;  // 3.6-IV0: followers notice a shrunken ISR themselves
constexpr std::int16_t kDirectoriesLevel = 17;     // 3.7-IV2

/// What the partition shall be, step by step.
class Change {
 public:
  explicit Change(const PartitionChangeInput& input)
      : input_(input),
        now_(*input.partition),
        isr_(input.isr.value_or(now_.isr)),
        replicas_(input.replicas.value_or(now_.replicas)),
        adding_(input.adding.value_or(now_.adding_replicas)),
        removing_(input.removing.value_or(now_.removing_replicas)),
        elr_(now_.eligible_leader_replicas) {
    record_.partition_id = input.index.value();
    record_.topic_id = input.topic_id.value();
  }

  std::optional<protocol::PartitionChangeRecord> make() {
    complete_reassignment();
    fill_elr();
    elect();
    bump_epoch_of_moved_replicas();
    put_elr();
    put_isr();
    put_last_known_leader();
    put_assignment();
    if (input_.leader_recovery_state && *input_.leader_recovery_state != now_.leader_recovery_state)
      record_.leader_recovery_state = *input_.leader_recovery_state;
    return changes_anything() ? std::optional(std::move(record_)) : std::nullopt;
  }

 private:
  struct Elected {
    BrokerId node = kNoBroker;
    bool unclean = false;
  };

  /// Done when all replicas that stay are in sync, and at least one does.
  void complete_reassignment() {
    if (adding_.empty() && removing_.empty()) return;
    BrokerIds isr = without(isr_, removing_);
    BrokerIds replicas = without(replicas_, removing_);
    if (isr.empty() || replicas.empty() || !contains_all(isr, replicas)) return;
    isr_ = std::move(isr);
    replicas_ = std::move(replicas);
    adding_.clear();
    removing_.clear();
  }

  /// Everything committed is on each member of an ISR that shrinks below min.insync.replicas.
  void fill_elr() {
    if (!input_.elr_enabled) return;
    std::set<BrokerId> candidates(elr_.begin(), elr_.end());
    candidates.insert(now_.isr.begin(), now_.isr.end());
    elr_.clear();
    if (isr_.size() >= static_cast<std::size_t>(std::max(input_.min_isr, 0))) return;
    for (const BrokerId id : candidates)
      if (!contains(isr_, id) && id != input_.unclean_shutdown) elr_.push_back(id);
  }

  [[nodiscard]] bool is_acceptable(BrokerId id) const {
    if (!input_.is_active(id)) return false;
    const BrokerRegistration* broker = input_.image->broker(id);
    const auto at = std::ranges::find(now_.replicas, id);
    if (broker == nullptr || at == now_.replicas.end()) return broker != nullptr;
    return has_online_directory(*broker,
                                now_.directories[static_cast<std::size_t>(at - now_.replicas.begin())]);
  }
  [[nodiscard]] bool is_valid_leader(BrokerId id) const {
    const bool complete = contains(isr_, id) || (isr_.empty() && contains(elr_, id));
    return complete && is_acceptable(id);
  }

  [[nodiscard]] Elected choose() const {
    if (input_.election == Election::kPreferred && !replicas_.empty() && is_valid_leader(replicas_.front()))
      return {replicas_.front()};
    if (is_valid_leader(now_.leader)) return {now_.leader};
    for (const BrokerId id : replicas_)
      if (is_valid_leader(id)) return {id};
    const bool nobody_is_complete = isr_.empty() && elr_.empty();
    // A reassignment may have taken the replica away from who led last.
    if (input_.elr_enabled && nobody_is_complete && now_.last_known_elr.size() == 1 &&
        contains(replicas_, now_.last_known_elr[0]) && is_acceptable(now_.last_known_elr[0]))
      return {now_.last_known_elr[0], true};
    if (input_.election == Election::kUnclean)
      for (const BrokerId id : replicas_)
        if (is_acceptable(id)) return {id, true};
    return {};
  }

  void elect() {
    const Elected elected = choose();
    if (elected.node == now_.leader) return;
    record_.leader = elected.node.value();
    if (contains(elr_, elected.node)) {
      isr_ = {elected.node};
      std::erase(elr_, elected.node);
    }
    if (!elected.unclean) return;
    record_.isr = std::vector{elected.node.value()};
    if (now_.leader_recovery_state != kRecovering) record_.leader_recovery_state = kRecovering;
  }

  /// A replica that is no longer one must not go on as a follower of this epoch.
  void bump_epoch_of_moved_replicas() {
    if (record_.leader == kLeaderStays && !contains_all(replicas_, now_.replicas))
      record_.leader = now_.leader.value();
  }

  void put_elr() {
    const bool is_clean = !record_.isr;
    if (!is_clean || !input_.elr_enabled) elr_.clear();
    if (elr_ != now_.eligible_leader_replicas) record_.eligible_leader_replicas = to_numbers(elr_);
  }

  /// Without ELR the last ISR is kept, or the partition could never be led again.
  void put_isr() {
    if (!record_.isr && (!isr_.empty() || input_.elr_enabled) && isr_ != now_.isr)
      record_.isr = to_numbers(isr_);
    const bool bumps_on_shrink = input_.image->features->metadata_version < kNoBumpOnShrinkLevel;
    if (bumps_on_shrink && record_.leader == kLeaderStays && record_.isr &&
        !contains_all(to_broker_ids(*record_.isr), now_.isr))
      record_.leader = now_.leader.value();
  }

  /// Who led last is remembered while nobody does.
  void put_last_known_leader() {
    if (!input_.elr_enabled) return;
    if (record_.leader == kNoBroker.value() && now_.leader != kNoBroker && now_.last_known_elr.empty())
      record_.last_known_elr = std::vector{now_.leader.value()};
    else if (record_.leader >= 0 && !now_.last_known_elr.empty())
      record_.last_known_elr = std::vector<std::int32_t>();
  }

  [[nodiscard]] DirectoryId directory_of(BrokerId id) const {
    if (const auto told = input_.directories.find(id); told != input_.directories.end()) return told->second;
    const auto at = std::ranges::find(now_.replicas, id);
    if (at == now_.replicas.end()) return default_directory(*input_.image, id);
    return now_.directories[static_cast<std::size_t>(at - now_.replicas.begin())];
  }

  void put_assignment() {
    if (input_.image->features->metadata_version >= kDirectoriesLevel) {
      std::vector<Uuid> directories;
      for (const BrokerId id : replicas_) directories.push_back(directory_of(id).value());
      const bool same = std::ranges::equal(directories, now_.directories, {}, {}, &DirectoryId::value);
      if (!same) record_.directories = std::move(directories);
    }
    if (replicas_ != now_.replicas) record_.replicas = to_numbers(replicas_);
    if (removing_ != now_.removing_replicas) record_.removing_replicas = to_numbers(removing_);
    if (adding_ != now_.adding_replicas) record_.adding_replicas = to_numbers(adding_);
  }

  [[nodiscard]] bool changes_anything() const {
    return record_.isr || record_.eligible_leader_replicas || record_.last_known_elr ||
           record_.leader != kLeaderStays || record_.replicas || record_.removing_replicas ||
           record_.adding_replicas || record_.leader_recovery_state >= 0 || record_.directories;
  }

  const PartitionChangeInput& input_;
  const PartitionRegistration& now_;
  BrokerIds isr_;
  BrokerIds replicas_;
  BrokerIds adding_;
  BrokerIds removing_;
  BrokerIds elr_;
  protocol::PartitionChangeRecord record_;
};

std::int32_t min_isr_of(const ControlContext& context, const TopicImage& topic) {
  const std::string text = effective_config(context, topic.name, "min.insync.replicas", "1");
  std::int32_t value = 1;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (topic.partitions.empty()) return value;
  return std::min(value, static_cast<std::int32_t>(topic.partitions[0].replicas.size()));
}

}  // namespace

PartitionChangeInput partition_change_of(const ControlContext& context, const TopicImage& topic,
                                         PartitionIndex index) {
  PartitionChangeInput input;
  input.image = &context.image;
  input.topic_id = topic.id;
  input.index = index;
  input.partition = &topic.partitions[static_cast<std::size_t>(index.value())];
  input.min_isr = min_isr_of(context, topic);
  input.elr_enabled = is_elr_enabled(context.image);
  input.is_active = [&image = context.image](BrokerId id) { return is_active(image, id); };
  return input;
}

std::optional<protocol::PartitionChangeRecord> change_partition(const PartitionChangeInput& input) {
  CHECK(input.partition->directories.size() == input.partition->replicas.size());
  return Change(input).make();
}

bool is_active(const MetadataImage& image, BrokerId id) {
  const BrokerRegistration* broker = image.broker(id);
  return broker != nullptr && !broker->fenced && !broker->in_controlled_shutdown;
}

DirectoryId default_directory(const MetadataImage& image, BrokerId id) {
  const BrokerRegistration* broker = image.broker(id);
  if (broker == nullptr) return kUnassignedDirectory;
  if (broker->directories.empty()) return kMigratingDirectory;
  return broker->directories.size() == 1 ? broker->directories[0] : kUnassignedDirectory;
}

bool has_online_directory(const BrokerRegistration& broker, DirectoryId directory) {
  if (directory == kMigratingDirectory || directory == kUnassignedDirectory) return true;
  if (directory == kLostDirectory) return false;
  // A registration from before directories were known says nothing about them.
  return broker.directories.empty() ||
         std::ranges::find(broker.directories, directory) != broker.directories.end();
}

bool is_elr_enabled(const MetadataImage& image) {
  return image.feature("eligible.leader.replicas.version") > 0;
}

bool allows_unclean_election(const ControlContext& context, const std::string& topic) {
  return effective_config(context, topic, "unclean.leader.election.enable", "false") == "true";
}

const PartitionRegistration* find_partition(const TopicImage& topic, std::int32_t index) {
  if (index < 0 || index >= static_cast<std::int32_t>(topic.partitions.size())) return nullptr;
  return &topic.partitions[static_cast<std::size_t>(index)];
}

}  // namespace barnabas::kraft
