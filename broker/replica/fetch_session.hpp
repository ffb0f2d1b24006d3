// Fetch sessions: what a client asks for is remembered, so that a fetch names only what changed (KIP-227),
// and looks only at what changed.
//
// FetchSessionCache owns the sessions. Thread safety: the cache is thread-safe; a FetchSession is used by one
// request at a time: the one that begin() gave it to, until finish().
//
// The cache's slots are divided among eight shards, which get new sessions in turn. Where a shard is full,
// one of its sessions gives way to the new one (KIP-227; measured on Kafka 4.3.1), the first of
//   - the one that was used least lately, when that is more than two minutes ago;
//   - for a follower's: the smallest of the consumers';
//   - the smallest of those of the same kind that were two minutes old when they were last used, if the new
//     one has more partitions.
// Where none does, the new fetch has no session, and names everything next time too. A session that has no
// partition, or forgets its last one, is over with its next request.
//
// A session's partitions keep the order in which they were named; one that was answered with data moves
// behind the others, so that none starves when a response is full.
//
// A fetch looks at the partitions that are *due*. One is due from when the client names it until it has
// nothing to tell: the client was told all there is, and the Partition will say when there is more (watch()).
// What decides about an answer and is no partition's own, a FetchView, makes all of them due when it changes.
// So an answer is the same as if every partition had been looked at.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/error_code.hpp"
#include "base/ids.hpp"
#include "base/random.hpp"
#include "broker/replica/partition.hpp"
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker {

inline constexpr std::int32_t kNoFetchSession = 0;
inline constexpr std::int32_t kInitialFetchEpoch = 0;
inline constexpr std::int32_t kFinalFetchEpoch = -1;

class FetchInbox;
class FetchWatch;

/// One partition that a client fetches. Topics are told apart by name up to version 12, by id from 13 on.
struct FetchedPartition {
  std::string topic;  // empty while the id is unknown here
  TopicId topic_id;
  PartitionIndex partition;
  std::int32_t current_leader_epoch = -1;
  std::int64_t fetch_offset = 0;
  std::int32_t last_fetched_epoch = -1;
  std::int64_t log_start_offset = -1;  // a follower's
  std::int32_t max_bytes = 0;
  // What the client was told last in this leader epoch; an incremental answer leaves out what did not change.
  std::int64_t told_high_watermark = -1;
  std::int64_t told_log_start_offset = -1;

 private:
  friend class FetchSession;
  std::uint64_t place_ = 0;  // in the session's order
  bool is_due_ = false;
  bool is_listed_ = false;              // in the session's due_
  std::shared_ptr<FetchWatch> watch_;   // tells of changes since the last look
  std::shared_ptr<FollowerRest> rest_;  // of a follower; ends when it is due
};

/// Who asks, and what else there is that decides what a fetch is answered.
struct FetchView {
  BrokerId follower = kNoBroker;
  std::int64_t follower_epoch = -1;
  bool is_of_former_life = false;  // the follower is known to have begun another life
  bool committed_only = false;
  bool may_read_followers = false;
  std::string rack;
  std::string listener;
  std::string principal_type;
  std::string principal_name;
  std::string host;
  std::uint64_t permissions = 0;                       // Authorizer::version()
  std::shared_ptr<const kraft::ClusterImage> brokers;  // where consumers may be sent
  bool operator==(const FetchView&) const = default;
};

class FetchSession {
 public:
  FetchSession(std::int32_t id, bool by_topic_id);
  ~FetchSession();
  FetchSession(const FetchSession&) = delete;
  FetchSession& operator=(const FetchSession&) = delete;

  /// kNoFetchSession: of one request alone.
  [[nodiscard]] std::int32_t id() const { return id_; }
  [[nodiscard]] bool by_topic_id() const { return by_topic_id_; }
  [[nodiscard]] std::size_t size() const { return partitions_.size(); }
  /// Takes over additions, changes and removals of a request.
  void update(const protocol::FetchRequest& request);
  /// A request of this view begins at `now`.
  void look_from(const FetchView& view, std::chrono::nanoseconds now);

  /// What is due, in the session's order; or all, which then is. Until the next call of it, or of update().
  const std::vector<FetchedPartition*>& due();
  const std::vector<FetchedPartition*>& all();
  /// It is told by `partition` when it changes after `seen`. With `is_settled` there is nothing to tell of it
  /// until then, so it is not due any more.
  void watch(FetchedPartition& asked, Partition& partition, const PartitionChanges& seen, bool is_settled);
  /// Has `call` called, once and from any thread, when a partition that is watched changes so, or has done so
  /// since due(). No call: nobody waits any more.
  void await(PartitionChange change, std::function<void()> call);

  void move_to_back(FetchedPartition& asked);

 private:
  using Partitions = std::list<FetchedPartition>;

  FetchedPartition& add(const protocol::FetchRequest::FetchTopic& topic,
                        const protocol::FetchRequest::FetchPartition& partition);
  void make_due(FetchedPartition& partition);
  void drop_settled();
  [[nodiscard]] std::string key(const std::string& topic, const Uuid& topic_id, std::int32_t partition) const;

  const std::int32_t id_;
  const bool by_topic_id_;
  Partitions partitions_;  // in no order: place_ has it
  std::unordered_map<std::string, Partitions::iterator> by_key_;
  std::uint64_t last_place_ = 0;
  std::vector<FetchedPartition*> due_;  // and some that are not any more
  std::shared_ptr<FetchInbox> inbox_;
  FetchView view_;
  std::shared_ptr<FetchPulse> pulse_;  // of a follower with this view: its requests that were looked at
  std::chrono::nanoseconds now_{};     // when the request that is looked at began
};

/// What one request fetches.
struct FetchPlan {
  ErrorCode error = ErrorCode::kNone;     // of the session: 70, 71 or 106
  std::shared_ptr<FetchSession> session;  // null after an error
  bool incremental = false;               // leave out what did not change
  [[nodiscard]] std::int32_t session_id() const { return session ? session->id() : kNoFetchSession; }
};

class FetchSessionShard;

class FetchSessionCache {
 public:
  /// `slots` is max.incremental.fetch.session.cache.slots; fewer than there are shards make every fetch a
  /// full one.
  FetchSessionCache(const Clock& clock, Random& random, std::size_t slots);
  ~FetchSessionCache();
  FetchSessionCache(const FetchSessionCache&) = delete;
  FetchSessionCache& operator=(const FetchSessionCache&) = delete;

  /// Finds, makes or closes the session of a request. A plan without an error must be given to finish().
  FetchPlan begin(const protocol::FetchRequest& request, std::int16_t version);
  void finish(const FetchPlan& plan);
  [[nodiscard]] std::size_t size() const;

 private:
  static constexpr std::size_t kShards = 8;

  std::shared_ptr<FetchSession> make_session(const protocol::FetchRequest& request, bool by_topic_id);
  FetchPlan resume(const protocol::FetchRequest& request, bool by_topic_id);
  void close(FetchPlan& plan);
  FetchSessionShard& shard_of(std::int32_t session_id);

  const Clock& clock_;
  Random& random_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<FetchSessionShard> shards_;  // a session's id has the number of its shard as the remainder
  std::size_t next_shard_ = 0;
};

}  // namespace barnabas::broker
