// ConsumerGroups: the consumer protocol (KIP-848) - heartbeats, assignments, reconciliation, members that go
// - for the groups of one shard.
//
// Owned by GroupShard. Thread safety: none, the shard's thread. A pure state machine: input, Step (time,
// records, replies), the timers' queue and what GroupSurroundings says of topics and configurations; no I/O.
// State changes in replay alone: an operation works on copies, adds the records of what is to change, and
// answers when they were replayed. When the log refuses them nothing has happened and the error is the
// answer; a member whose time was up is tried again. A group is consumer's or classic's, never both: what
// turns one into the other is one batch of records. Requests and contexts live until the step is finished.
// Units: milliseconds. Source: KIP-848, -1101 (metadata hash), -1263 (assignment interval), KIP-848's
// migration; measured on Kafka 4.3.1.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.hpp"
#include "base/result.hpp"
#include "broker/coordinator/classic_groups.hpp"
#include "broker/coordinator/consumer_group.hpp"
#include "broker/coordinator/group_records.hpp"
#include "broker/coordinator/step.hpp"
#include "kraft/metadata_image.hpp"
#include "protocol/messages/api_consumer_group_describe.hpp"
#include "protocol/messages/api_consumer_group_heartbeat.hpp"

namespace barnabas::broker {

/// Which way a group with members may go from one protocol to the other (group.consumer.migration.policy).
enum class MigrationPolicy : std::uint8_t { kDisabled, kUpgrade, kDowngrade, kBidirectional };
[[nodiscard]] inline bool allows_upgrade(MigrationPolicy policy) {
  return policy == MigrationPolicy::kUpgrade || policy == MigrationPolicy::kBidirectional;
}
[[nodiscard]] inline bool allows_downgrade(MigrationPolicy policy) {
  return policy == MigrationPolicy::kDowngrade || policy == MigrationPolicy::kBidirectional;
}

struct ConsumerGroupOptions {
  /// group.consumer.assignors; the first is that of groups whose members name none. Never empty.
  std::vector<AssignorKind> assignors = {AssignorKind::kUniform, AssignorKind::kRange};
  std::int32_t max_size = INT32_MAX;          // group.consumer.max.size
  std::int32_t classic_max_size = INT32_MAX;  // group.max.size
  MigrationPolicy migration = MigrationPolicy::kBidirectional;
  std::int32_t pattern_refresh_interval_ms = 600000;  // group.consumer.regex.refresh.interval.ms
};

/// Of one group: its own configuration above the broker's.
struct ConsumerGroupSettings {
  std::int32_t session_timeout_ms = 45000;
  std::int32_t heartbeat_interval_ms = 5000;
  std::int32_t assignment_interval_ms = 1000;
};

/// What the coordinator looks at and does not own. Outlives the shard; called on the shard's thread.
class GroupSurroundings {
 public:
  virtual ~GroupSurroundings() = default;
  /// The newest there is; never null.
  [[nodiscard]] virtual kraft::MetadataImagePtr image() const = 0;
  [[nodiscard]] virtual ConsumerGroupSettings settings(std::string_view group) const = 0;
};

/// What of a heartbeat is not in its request.
struct HeartbeatContext {
  std::int16_t version = 1;
  std::string client_id;
  std::string client_host;  // "/127.0.0.1"
  /// Whether the client may know of a topic; patterns match no other.
  std::function<bool(std::string_view)> may_describe;
};

class ConsumerGroups {
 public:
  using HeartbeatRequest = protocol::ConsumerGroupHeartbeatRequest;
  using HeartbeatResponse = protocol::ConsumerGroupHeartbeatResponse;
  using DescribedGroup = protocol::ConsumerGroupDescribeResponse::DescribedGroup;

  ConsumerGroups(ConsumerGroupOptions options, const GroupSurroundings& surroundings, ClassicGroups& classic,
                 Random& random, TimerQueue& timers)
      : options_(std::move(options)),
        surroundings_(surroundings),
        classic_(classic),
        random_(random),
        timers_(timers) {}

  // Operations.
  void heartbeat(const HeartbeatRequest& request, const HeartbeatContext& context,
                 Answer<HeartbeatResponse> answer, Step& step);
  /// GROUP_ID_NOT_FOUND when the group is not there or not a consumer group.
  [[nodiscard]] DescribedGroup describe(const std::string& group) const;

  // Members that came by the classic protocol (consumer_group_classic.cpp). Require the group.
  void join(const protocol::JoinGroupRequest& request, const JoinContext& context, JoinAnswer answer,
            Step& step);
  void sync(const protocol::SyncGroupRequest& request, SyncAnswer answer, Step& step);
  void classic_heartbeat(const protocol::HeartbeatRequest& request,
                         Answer<protocol::HeartbeatResponse> answer, Step& step);
  void leave(const protocol::LeaveGroupRequest& request, Answer<protocol::LeaveGroupResponse> answer,
             Step& step);

  [[nodiscard]] const std::map<std::string, ConsumerGroup, std::less<>>& groups() const { return groups_; }
  [[nodiscard]] const ConsumerGroup* find(std::string_view group) const;

  /// UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH (ILLEGAL_GENERATION of a classic member) or NONE.
  [[nodiscard]] static ErrorCode validate_fetch(const ConsumerGroup& group,
                                                const std::optional<std::string>& member, std::int32_t epoch);
  /// What a commit names of its sender.
  struct Committer {
    std::string_view member;
    const std::optional<std::string>& instance;
    std::int32_t epoch;
    std::int16_t version;
    bool transactional;
  };
  /// As validate_fetch(), and UNSUPPORTED_VERSION. NONE with `by_partition`: the epoch is an old one, and
  /// each partition tells (validate_partition()) whether the member has had it since.
  struct CommitVerdict {
    ErrorCode error = ErrorCode::kNone;
    const ConsumerMember* by_partition = nullptr;
  };
  [[nodiscard]] static CommitVerdict validate_commit(const ConsumerGroup& group, const Committer& committer);
  /// By the name that a topic has now; nothing when there is none.
  [[nodiscard]] std::optional<TopicId> topic_id(std::string_view topic) const;
  [[nodiscard]] static ErrorCode validate_partition(const ConsumerMember& member, std::int32_t epoch,
                                                    TopicId topic, std::int32_t partition);

  /// Topics were created, changed or removed.
  void on_topics_changed(const std::set<std::string, std::less<>>& names, bool any_created);

  // Replay. A record of a classic group in the same place has been there before: it is over.
  Result<void> replay(const GroupRecordKey& key, std::optional<ByteView> value);
  void erase(std::string_view group);

  /// Starts the sessions of the members that the log had.
  void loaded(Step& step);
  void unloaded() { groups_.clear(); }
  /// A due entry of the queue; false when it is not of a consumer group.
  bool fire(const TimerQueue::Entry& entry, Step& step);
  void check_invariants() const;

 private:
  /// A group to work on: one that is there, or one that the records make.
  struct Found {
    const ConsumerGroup* group = nullptr;
    std::unique_ptr<ConsumerGroup> made;
  };
  /// What an operation on one member comes to.
  struct Outcome {
    RecordList records;
    std::string member;
    ConsumerMember before;
    ConsumerMember after;
    std::int32_t group_epoch = 0;
    bool subscription_changed = false;
    std::optional<std::int32_t> session_timeout_ms;  // set: the session begins anew
    std::optional<bool> rebalance_timer;             // set: start or cancel it
    std::optional<std::int32_t> sync_timeout_ms;     // set: it has joined, and is to ask for its assignment
    bool was_classic = false;                        // the group: sessions of its members begin
    std::set<std::string, std::less<>> refresh_patterns;
    bool becomes_classic = false;
    bool classic_rebalances = false;
  };
  enum class PatternChange : std::uint8_t { kNone, kChanged, kChangedAndResolved };

  ConsumerGroup* find_mutable(std::string_view group);
  static Result<void> replay_member(ConsumerGroup& group, const GroupRecordKey& key,
                                    std::optional<ByteView> value);
  [[nodiscard]] Result<const ConsumerGroup*> existing(std::string_view group) const;

  // The heartbeat (consumer_group_heartbeat.cpp).
  [[nodiscard]] Result<void> validate(const HeartbeatRequest& request, std::int16_t version) const;
  Result<Found> find_or_make(const std::string& group, bool joins, Outcome& outcome, Step& step);
  Result<HeartbeatResponse> beat(const HeartbeatRequest& request, const HeartbeatContext& context,
                                 Outcome& outcome, Step& step);
  Result<HeartbeatResponse> leave_group(const HeartbeatRequest& request, Outcome& outcome,
                                        const Step& step) const;
  [[nodiscard]] Result<void> check_room(const ConsumerGroup& group, const std::string& member,
                                        const std::optional<std::string>& instance) const;
  /// How a member presents itself.
  struct Presence {
    const std::string& member;
    std::int32_t epoch;
    const std::optional<std::string>& instance;
    ReportedPartitions reported;
    bool joins;
    bool by_classic_protocol;
  };
  Result<ConsumerMember> find_or_join(const ConsumerGroup& group, const Presence& presence,
                                      RecordList& records) const;
  // Patterns (consumer_group_patterns.cpp).
  Result<PatternChange> compare_patterns(const ConsumerGroup& group, Outcome& outcome,
                                         const Step& step) const;
  [[nodiscard]] bool patterns_need_refresh(const ConsumerGroup& group, const Counts& patterns, bool required,
                                           std::int64_t wall_ms) const;
  void update_epoch(const ConsumerGroup& group, bool bump, Outcome& outcome, const Step& step);
  struct Target {
    std::int32_t epoch = 0;
    Assignment partitions;
  };
  [[nodiscard]] Target update_target(const ConsumerGroup& group, Outcome& outcome, const Step& step) const;
  [[nodiscard]] Target assign_all(const ConsumerGroup& group, Outcome& outcome, const Step& step) const;
  Result<void> reconcile_member(const ConsumerGroup& group, const Target& target,
                                const ReportedPartitions& reported, Outcome& outcome) const;
  /// Runs `then` when the records are replayed, with what the outcome asks for done.
  void finish(const std::string& group, Outcome outcome, const HeartbeatContext& context, Step& step,
              std::move_only_function<void(ErrorCode, Step&)> then);
  void settle(const std::string& group, const Outcome& outcome, const HeartbeatContext& context, Step& step);
  void resolve_patterns(const std::string& group, const std::set<std::string, std::less<>>& patterns,
                        const HeartbeatContext& context, Step& step);

  // Members that go, and groups that change their protocol (consumer_group_classic.cpp).
  void fence(const ConsumerGroup& group, const std::vector<const ConsumerMember*>& members, Outcome& outcome,
             const Step& step) const;
  void fence_by_timer(const ConsumerGroup& group, const ConsumerMember& member, std::string_view why,
                      Step& step);
  Result<std::unique_ptr<ConsumerGroup>> upgrade(ClassicGroup& classic, RecordList& records,
                                                 Step& step) const;
  [[nodiscard]] bool may_downgrade(const ConsumerGroup& group,
                                   const std::vector<const ConsumerMember*>& leaving,
                                   std::size_t remaining) const;
  /// Adds the records of the classic group that takes over, with `joining` in place of whom it replaces.
  void downgrade(const ConsumerGroup& group, const std::vector<const ConsumerMember*>& leaving,
                 const ConsumerMember* joining, Outcome& outcome, const Step& step) const;
  Result<protocol::JoinGroupResponse> join_by_classic_protocol(const protocol::JoinGroupRequest& request,
                                                               const JoinContext& context, Outcome& outcome,
                                                               const Step& step);
  [[nodiscard]] Result<const ConsumerMember*> find_classic_member(const ConsumerGroup& group,
                                                                  const std::string& member,
                                                                  const std::optional<std::string>& instance,
                                                                  std::int32_t generation) const;
  /// What the members subscribe to, hashed.
  [[nodiscard]] std::int64_t hash_of(const Subscriptions& subscriptions) const;
  void expect_join(ConsumerGroup& group, const ConsumerMember& member, const Step& step);

  const ConsumerGroupOptions options_;
  const GroupSurroundings& surroundings_;
  ClassicGroups& classic_;
  Random& random_;
  TimerQueue& timers_;
  std::map<std::string, ConsumerGroup, std::less<>> groups_;
  std::int64_t new_topics_version_ = -1;  // of the image that last brought new topics; -1: not known yet
};

}  // namespace barnabas::broker
