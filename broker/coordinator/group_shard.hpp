// GroupShard: the groups and committed offsets of one partition of __consumer_offsets.
//
// Owned by the group driver beside its CoordinatorRuntime, which runs every operation. Thread safety: none,
// the shard's thread. A pure state machine (DESIGN: state changes in replay). Operations come in two kinds,
// told to the runtime by the caller: heartbeats of the classic protocol, commits and fetches of offsets
// commute; all others are exclusive. Requests of exclusive operations live until the step is finished. Errors
// are in the responses, as Kafka 4.3.1 gives them. Source: measured on Kafka 4.3.1; KIP-211, -447, -496.
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "broker/coordinator/classic_groups.hpp"
#include "broker/coordinator/consumer_groups.hpp"
#include "broker/coordinator/offset_store.hpp"
#include "broker/coordinator/runtime.hpp"
#include "protocol/messages/api_delete_groups.hpp"
#include "protocol/messages/api_describe_groups.hpp"
#include "protocol/messages/api_list_groups.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_offset_delete.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "protocol/messages/api_txn_offset_commit.hpp"

namespace barnabas::broker {

struct GroupShardOptions {
  ClassicGroupOptions classic;
  ConsumerGroupOptions consumer;
  std::int32_t offset_metadata_max_bytes = 4096;  // offset.metadata.max.bytes; UTF-16 units, as in Kafka
  std::int64_t offsets_retention_ms = 604800000;  // offsets.retention.minutes
  std::int64_t cleanup_interval_ms = 600000;      // offsets.retention.check.interval.ms
  GroupCounters counters;
};

struct DeletedTopic {
  std::string name;
  TopicId id;
};

class GroupShard final : public CoordinatorShard {
 public:
  using FetchedGroup = protocol::OffsetFetchResponse::OffsetFetchResponseGroup;
  using DescribedGroup = protocol::DescribeGroupsResponse::DescribedGroup;
  using DeletedGroup = protocol::DeleteGroupsResponse::DeletableGroupResult;

  GroupShard(const GroupShardOptions& options, const GroupSurroundings& surroundings, Random& random)
      : options_(options),
        classic_(options.classic, random, timers_),
        consumer_(options.consumer, surroundings, classic_, random, timers_) {}

  [[nodiscard]] const ClassicGroups& classic() const { return classic_; }
  [[nodiscard]] ConsumerGroups& consumer() { return consumer_; }
  [[nodiscard]] const ConsumerGroups& consumer() const { return consumer_; }
  [[nodiscard]] const OffsetStore& offsets() const { return offsets_; }

  // Offsets (group_offsets.cpp).
  /// Topics carry name and id both; they exist.
  void commit_offsets(const protocol::OffsetCommitRequest& request, std::int16_t version,
                      Answer<protocol::OffsetCommitResponse> answer, Step& step);
  /// Offsets that count when the producer's transaction is committed (KIP-447). Topics exist.
  void commit_in_transaction(const protocol::TxnOffsetCommitRequest& request, std::uint64_t guard,
                             Answer<protocol::TxnOffsetCommitResponse> answer, Step& step);
  /// Topics carry names (and ids, where a version has them); null means all.
  void fetch_offsets(const protocol::OffsetFetchRequest::OffsetFetchRequestGroup& request,
                     bool require_stable, Answer<FetchedGroup> answer, Step& step);
  void delete_offsets(const protocol::OffsetDeleteRequest& request,
                      Answer<protocol::OffsetDeleteResponse> answer, Step& step);
  /// Forgets what was committed for topics that are gone; not for others that have got the name since.
  void forget_topics(const std::vector<DeletedTopic>& topics, Step& step);

  // The classic protocol, to groups of either kind.
  void join(const protocol::JoinGroupRequest& request, const JoinContext& context, JoinAnswer answer,
            Step& step);
  void sync(const protocol::SyncGroupRequest& request, SyncAnswer answer, Step& step);
  void heartbeat(const protocol::HeartbeatRequest& request, Answer<protocol::HeartbeatResponse> answer,
                 Step& step);
  void leave(const protocol::LeaveGroupRequest& request, Answer<protocol::LeaveGroupResponse> answer,
             Step& step);

  // Groups (group_shard.cpp).
  /// Dead and NONE for an unknown group below version 6, GROUP_ID_NOT_FOUND from then on (KIP-1043).
  void describe(const std::string& group, std::int16_t version, Answer<DescribedGroup> answer, Step& step);
  /// Filters as in the request: empty means everything; states compare without case.
  void list(const protocol::ListGroupsRequest& request, Answer<protocol::ListGroupsResponse> answer,
            Step& step);
  void remove(const std::string& group, Answer<DeletedGroup> answer, Step& step);

  // CoordinatorShard.
  Result<void> replay(ByteView key, std::optional<ByteView> value) override;
  Result<void> replay_transactional(ProducerId producer, ByteView key,
                                    std::optional<ByteView> value) override;
  Result<void> replay_end_of_transaction(ProducerId producer, bool committed) override;
  void loaded(Step& step) override;
  void unloaded(ErrorCode error) override;
  [[nodiscard]] std::int64_t next_deadline_ms() const override { return timers_.next_ms(); }
  bool fire_timer(Step& step) override;
  void check_invariants() const override;
  void tally(std::span<std::int64_t> counts) const override;

 private:
  /// Of the log's records only those count that came after the load.
  [[nodiscard]] const GroupCounters& counters() const;
  Result<void> replay_offset(const OffsetKey& key, std::optional<ByteView> value);
  [[nodiscard]] ErrorCode validate_commit(const protocol::OffsetCommitRequest& request, std::int16_t version,
                                          const Step& step);
  template <class Partition>
  ErrorCode add_commit(const std::string& group, const std::string& topic, const Partition& asked,
                       CommittedOffset& committed, Step& step) const;
  [[nodiscard]] ErrorCode validate_transactional_commit(const protocol::TxnOffsetCommitRequest& request);
  void remove_expired(Step& step);
  /// Adds tombstones for expired offsets; true when none would be left.
  bool expire_offsets(const ClassicGroup& group, Step& step) const;
  bool expire_offsets(const ConsumerGroup& group, Step& step) const;
  [[nodiscard]] bool is_expired(const CommittedOffset& committed, std::int64_t base_ms,
                                const Step& step) const;
  [[nodiscard]] ErrorCode validate_consumer_commit(const protocol::OffsetCommitRequest& request,
                                                   const ConsumerGroup& group, std::int16_t version) const;
  void make_group_of_offsets(const std::string& group);

  const GroupShardOptions options_;
  TimerQueue timers_;
  ClassicGroups classic_;
  ConsumerGroups consumer_;
  OffsetStore offsets_;
  Deadline cleanup_;
  bool is_loaded_ = false;
};

}  // namespace barnabas::broker
