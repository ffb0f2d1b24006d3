// FetchSessionClient: the follower's end of a fetch session (KIP-227): a request names only what changed
// since the one before.
//
// Owned by a FetcherState. Pure; not thread-safe. Invariant: while a session is open, what the leader
// remembers equals what was written to requests so far; after an error, or a request whose answer never came,
// the next one names everything and replaces the session. Partitions are known by topic id (Fetch 13 and up).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "base/ids.hpp"
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker {

using ReplicaKey = std::pair<TopicId, PartitionIndex>;

/// What a follower asks of one partition.
struct FetchedFrom {
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  Offset from;
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  Offset log_start;
  std::int32_t max_bytes = 0;
  bool operator==(const FetchedFrom&) const = default;
};

class FetchSessionClient {
 public:
  /// To be fetched from the next request on.
  void set(const ReplicaKey& key, const FetchedFrom& wanted);
  /// Not to be fetched any more.
  void remove(const ReplicaKey& key);
  [[nodiscard]] bool is_wanted(const ReplicaKey& key) const { return wanted_.contains(key); }

  /// Whether there is anything to say to the leader.
  [[nodiscard]] bool has_request() const { return !wanted_.empty() || (epoch_ != 0 && !forgotten_.empty()); }
  void write(protocol::FetchRequest& request);
  /// As the last request asked, null where it did not.
  [[nodiscard]] const FetchedFrom* asked(const ReplicaKey& key) const;
  /// False: its partitions say nothing, the next request begins a session anew.
  bool on_response(const protocol::FetchResponse& response);
  /// The request has no answer.
  void on_failure() { epoch_ = 0; }

 private:
  struct Entry {
    FetchedFrom wanted;
    FetchedFrom sent;
    bool is_sent = false;
  };
  using Entries = std::map<ReplicaKey, Entry>;

  static void add(protocol::FetchRequest& request, const ReplicaKey& key, Entry& entry);

  Entries wanted_;
  std::set<ReplicaKey> changed_;    // of wanted_
  std::set<ReplicaKey> held_;       // by the leader, after the last request
  std::set<ReplicaKey> forgotten_;  // of held_
  std::int32_t session_id_ = 0;
  std::int32_t epoch_ = 0;  // 0: the next request is a full one
};

}  // namespace barnabas::broker
