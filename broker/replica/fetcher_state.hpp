// FetcherState: what one fetcher does next for the replicas that it copies from one leader.
//
// Owned by a ReplicaFetcher (drivers/replica_fetcher.hpp), which carries the requests. No network, no clock,
// no thread of its own: next() gives a request, its answer or failure comes back before the next is asked
// for. What is fetched goes to the Partitions, which know whether it still fits. Not thread-safe.
//
// The life of a replica here: follow() -> fetched from where its log ends (without leader epochs in the log:
// from its high watermark) -> truncated where the leader says that the logs part (KIP-595's diverging epoch,
// as often as it takes) -> its range asked for after OFFSET_OUT_OF_RANGE. What passes is tried again, by
// replica, after a time that doubles up to replica.fetch.backoff.ms; what does not (a leader epoch that is
// over, a dead disk) makes the replica wait for the next follow(). Left out: OffsetsForLeaderEpoch. Leaders
// that speak Fetch 12 tell diverging epochs in their answers. Source: KIP-227, KIP-279, KIP-320, KIP-595;
// Kafka's AbstractFetcherThread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/replica/fetch_session_client.hpp"
#include "broker/replica/partition.hpp"
#include "broker/replica/replication_quota.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_list_offsets.hpp"

namespace barnabas::broker {

inline constexpr std::int16_t kFirstReplicaFetch = 15;  // topic ids and broker epochs

struct FetcherOptions {
  BrokerId self;
  BrokerId leader;
  std::int32_t max_bytes = 1 << 20;            // replica.fetch.max.bytes
  std::int32_t response_max_bytes = 10 << 20;  // replica.fetch.response.max.bytes
  std::int32_t min_bytes = 1;                  // replica.fetch.min.bytes
  std::int32_t wait_max_ms = 500;              // replica.fetch.wait.max.ms
  std::chrono::nanoseconds backoff = std::chrono::seconds(1);
};

class FetcherState {
 public:
  enum class Ask : std::uint8_t { kNothing, kFetch, kOffsets };
  struct Next {
    Ask ask = Ask::kNothing;
    protocol::FetchRequest fetch;
    protocol::ListOffsetsRequest offsets;
    /// With kNothing: look again then; nothing: when something is followed.
    std::optional<std::chrono::nanoseconds> until;
  };

  FetcherState(FetcherOptions options, ReplicationQuota& quota) : options_(options), quota_(quota) {}

  void follow(std::shared_ptr<Partition> partition, LeaderEpoch epoch, std::chrono::nanoseconds now);
  void forget(const Partition& partition);

  [[nodiscard]] bool empty() const { return replicas_.empty(); }
  [[nodiscard]] std::size_t failed_count() const { return failed_count_; }
  /// Records that the replica furthest behind lacks.
  [[nodiscard]] std::int64_t max_lag() const;
  /// Who is followed, and in which epoch: for another fetcher to go on.
  [[nodiscard]] std::vector<std::pair<std::shared_ptr<Partition>, LeaderEpoch>> followed() const;

  Next next(std::chrono::nanoseconds now, std::int64_t broker_epoch);
  void on_fetched(const protocol::FetchResponse& response, std::chrono::nanoseconds now);
  void on_offsets(const protocol::ListOffsetsResponse& response, std::chrono::nanoseconds now);
  /// What was asked last has no answer.
  void on_failure(const Error& error, std::chrono::nanoseconds now);

 private:
  using Time = std::chrono::nanoseconds;
  enum class Stage : std::uint8_t { kFetching, kDelayed, kOutOfRange, kFailed };
  struct Replica {
    std::shared_ptr<Partition> partition;
    LeaderEpoch epoch;
    FollowerPosition position;
    Stage stage = Stage::kFetching;
    Time resume_at{};
    int failures = 0;                                 // since something was fetched
    std::optional<std::int64_t> lag = std::nullopt;   // nothing: not known yet
    std::optional<Offset> leader_end = std::nullopt;  // while its range is asked for
  };
  using Replicas = std::map<ReplicaKey, Replica>;
  using Data = protocol::FetchResponse::PartitionData;

  void begin(const ReplicaKey& key, Replica& replica, Time now);
  void fetch_from(const ReplicaKey& key, Replica& replica, const FollowerPosition& position);
  void delay(const ReplicaKey& key, Replica& replica, Time now);
  void delay_until(const ReplicaKey& key, Replica& replica, Time when);
  void set_aside(const ReplicaKey& key, Replica& replica, const std::string& why);
  void leave_stage(const ReplicaKey& key, Replica& replica);
  void resume_due(Time now);
  void hold_throttled(Time now);
  void on_data(const ReplicaKey& key, Replica& replica, const Data& data, Time now);
  void append(const ReplicaKey& key, Replica& replica, const Data& data, Time now);
  void on_refusal(const ReplicaKey& key, Replica& replica, ErrorCode error, LeaderEpoch asked_in, Time now);
  void on_log_error(const ReplicaKey& key, Replica& replica, const Error& error, Time now);
  void on_offset(const ReplicaKey& key, Replica& replica, Offset offset, Time now);
  [[nodiscard]] protocol::ListOffsetsRequest ask_for_ranges();
  [[nodiscard]] protocol::FetchRequest ask_for_records(std::int64_t broker_epoch);

  FetcherOptions options_;
  ReplicationQuota& quota_;
  Replicas replicas_;
  FetchSessionClient session_;
  std::set<std::pair<Time, ReplicaKey>> delayed_;
  std::set<ReplicaKey> out_of_range_;
  bool asks_for_ends_ = true;  // of the range request: the leader's log ends, then its starts
  std::size_t failed_count_ = 0;
  Ask asked_ = Ask::kNothing;
  std::map<ReplicaKey, LeaderEpoch> asked_ranges_;
};

}  // namespace barnabas::broker
