// Consumer: reads the records of partitions that it is told, or that its group gives it.
//
// Owned by a command. Thread safety: none; there is no thread behind it, so a member of a group must call
// poll() within the session timeout. Invariants
//  1. The position of a partition is the offset after the last record that was visited; what was fetched and
//     not visited is fetched again.
//  2. Each broker has at most one fetch on its way, which is asked for before the last one is visited.
// Views of records live as long as the visit. Units: bytes, milliseconds. Errors: those that Kafka's consumer
// throws; what another try can mend is tried again. Source: KIP-74, -98, -227 (without sessions), what Kafka
// 4.3.1's consumer does.
#pragma once

#include <set>

#include "protocol/messages/api_fetch.hpp"
#include "protocol/records.hpp"
#include "tools/client/group_member.hpp"
#include "tools/client/topic_view.hpp"

namespace re2 {
class RE2;
}

namespace barnabas::tools {

struct ConsumedRecord {
  const TopicPartition& partition;
  const protocol::RecordView& record;
  protocol::TimestampType timestamp_type;
  LeaderEpoch leader_epoch;
};

/// Where a partition that is assigned by hand begins.
struct StartAt {
  enum class Kind { kOffset, kBeginning, kEnd };
  Kind kind = Kind::kEnd;
  Offset offset{0};
};

class Consumer {
 public:
  /// False ends the poll after this record.
  using Visit = std::function<bool(const ConsumedRecord&)>;
  using OnPartitions = std::function<void(const std::vector<TopicPartition>&)>;

  Consumer(std::vector<Address> bootstrap, ConsumerConfig config);
  ~Consumer();

  /// One of the three, once. INVALID_REGULAR_EXPRESSION for a pattern that is none.
  void subscribe(std::vector<std::string> topics);
  Result<void> subscribe_pattern(const std::string& pattern);
  void assign(const std::map<TopicPartition, StartAt>& partitions);
  void on_rebalance(OnPartitions assigned, OnPartitions revoked);

  /// Visits what has come, waits for something until `until` or an interruption. The number of visits.
  Result<std::size_t> poll(Deadline until, const Visit& visit);
  /// Of all partitions that are assigned.
  [[nodiscard]] Offsets positions() const;
  Result<void> commit();
  /// Commits where that goes by itself, and leaves the group.
  void close();

  [[nodiscard]] const ConsumerConfig& config() const { return config_; }
  [[nodiscard]] Cluster& cluster() { return cluster_; }

 private:
  struct Assigned;
  struct Link;
  using Partitions = std::map<TopicPartition, Assigned>;

  // Topics and the group (consumer.cpp).
  Result<void> refresh_topics();
  [[nodiscard]] std::vector<std::string> wanted_topics() const;
  Result<PartitionCounts> partition_counts(const std::vector<std::string>& topics);
  void take_assignment(const std::vector<TopicPartition>& more);
  void revoke(const std::vector<TopicPartition>& partitions);
  void give_up(const std::vector<TopicPartition>& partitions);
  [[nodiscard]] std::string topic_name(const Uuid& topic);
  void commit_by_itself();
  Result<void> step();
  void wait(Deadline until);
  void commit_if_due();

  // Positions (consumer_positions.cpp).
  Result<void> find_positions();
  Result<void> take_committed();
  Result<void> reset(Assigned& partition);
  Result<void> list_offsets();
  Result<void> list_offsets_of(BrokerId leader, const std::vector<Assigned*>& partitions);

  // Fetching (consumer_fetching.cpp).
  Result<void> send_fetches();
  Result<void> send_fetch(BrokerId leader, const std::vector<Assigned*>& partitions);
  Result<std::size_t> take_answers(const Visit& visit);
  Result<std::size_t> visit_answer(const protocol::FetchResponse& answer, const Visit& visit);
  Result<void> take_error(Assigned& partition, ErrorCode error);
  Result<std::size_t> visit_partition(Assigned& partition, const protocol::FetchResponse::PartitionData& data,
                                      const Visit& visit);
  [[nodiscard]] const PartitionView* view_of(const TopicPartition& partition) const;
  Assigned* find(const std::string& topic, const Uuid& id, std::int32_t partition);
  void metadata_are_stale();

  ConsumerConfig config_;
  Cluster cluster_;
  std::unique_ptr<GroupMember> member_;
  std::vector<std::string> topics_;         // subscribed to by name
  std::unique_ptr<re2::RE2> pattern_;       // subscribed to by a pattern
  std::map<std::string, TopicView> views_;  // of topics that exist
  std::map<Uuid, std::string> names_;
  Deadline refresh_at_{};
  std::chrono::milliseconds refresh_backoff_{0};
  Partitions partitions_;
  std::map<BrokerId, std::unique_ptr<Link>> links_;
  OnPartitions on_assigned_;
  OnPartitions on_revoked_;
  Deadline next_commit_{};
  protocol::RecordScratch scratch_;
  bool stopped_ = false;  // by the visitor
};

}  // namespace barnabas::tools
