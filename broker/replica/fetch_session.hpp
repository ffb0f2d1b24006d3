// Fetch sessions: what a client asks for is remembered, so that a fetch names only what changed (KIP-227).
//
// FetchSessionCache owns the sessions. Thread safety: the cache is thread-safe; a FetchSession is used by one
// request at a time: the one that begin() gave it to, until finish().
//
// A session's partitions keep the order in which they were named; one that was answered with data moves
// behind the others, so that none starves when a response is full.
#pragma once

#include <chrono>
#include <cstdint>
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
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker {

inline constexpr std::int32_t kNoFetchSession = 0;
inline constexpr std::int32_t kInitialFetchEpoch = 0;
inline constexpr std::int32_t kFinalFetchEpoch = -1;

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
  // What the client was told last; an incremental answer leaves out what did not change.
  std::int64_t told_high_watermark = -1;
  std::int64_t told_log_start_offset = -1;
};
using FetchedPartitions = std::list<FetchedPartition>;

class FetchSession {
 public:
  FetchSession(std::int32_t id, bool by_topic_id) : id_(id), by_topic_id_(by_topic_id) {}

  [[nodiscard]] std::int32_t id() const { return id_; }
  [[nodiscard]] bool by_topic_id() const { return by_topic_id_; }
  [[nodiscard]] FetchedPartitions& partitions() { return partitions_; }
  /// Takes over additions, changes and removals of a request.
  void update(const protocol::FetchRequest& request);
  void move_to_back(FetchedPartitions::iterator partition) {
    partitions_.splice(partitions_.end(), partitions_, partition);
  }

 private:
  friend class FetchSessionCache;
  [[nodiscard]] std::string key(const std::string& topic, const Uuid& topic_id, std::int32_t partition) const;

  std::int32_t id_;
  bool by_topic_id_;
  std::int32_t next_epoch_ = 1;
  FetchedPartitions partitions_;
  std::unordered_map<std::string, FetchedPartitions::iterator> by_key_;
  // Guarded by the cache's mutex.
  std::chrono::nanoseconds last_used_{};
  std::chrono::nanoseconds created_{};
  bool in_use_ = false;
};

/// What one request fetches: from a session, or by itself.
struct FetchPlan {
  ErrorCode error = ErrorCode::kNone;  // of the session: 70, 71 or 106
  std::shared_ptr<FetchSession> session;
  FetchedPartitions partitions;  // without a session
  bool incremental = false;      // leave out what did not change
  [[nodiscard]] std::int32_t session_id() const { return session ? session->id() : kNoFetchSession; }
  [[nodiscard]] FetchedPartitions& to_fetch() { return session ? session->partitions() : partitions; }
};

class FetchSessionCache {
 public:
  /// `slots` is max.incremental.fetch.session.cache.slots; 0 makes every fetch a full one.
  FetchSessionCache(const Clock& clock, Random& random, std::size_t slots)
      : clock_(clock), random_(random), slots_(slots) {}

  /// Finds, makes or closes the session of a request. A plan with a session must be given to finish().
  FetchPlan begin(const protocol::FetchRequest& request, std::int16_t version);
  void finish(const FetchPlan& plan);
  [[nodiscard]] std::size_t size() const;

 private:
  std::shared_ptr<FetchSession> make_session(bool by_topic_id);
  FetchPlan resume(const protocol::FetchRequest& request, bool by_topic_id);
  bool make_room();

  const Clock& clock_;
  Random& random_;
  std::size_t slots_;
  mutable std::mutex mutex_;
  std::unordered_map<std::int32_t, std::shared_ptr<FetchSession>> sessions_;  // guarded by mutex_
};

}  // namespace barnabas::broker
