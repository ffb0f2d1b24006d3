// ReplicaFetcher: copies replicas from one leader over a connection of its own, one request at a time.
//
// Owned by Replication, one for each source broker and each of num.replica.fetchers. Lives on one reactor:
// every call is made there. What to ask and what to do with the answer is FetcherState's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "broker/peers/peer_channel.hpp"
#include "broker/replica/fetcher_state.hpp"

namespace barnabas::broker {

struct ReplicaFetcherDependencies {
  Reactor& reactor;
  Clock& clock;
  Random& random;
  ReplicationQuota& quota;
  std::atomic<std::int64_t>& failed_count;     // of all that share it: replicas that are set aside
  std::function<std::int64_t()> broker_epoch;  // of this broker
};

class ReplicaFetcher {
 public:
  ReplicaFetcher(ReplicaFetcherDependencies dependencies, PeerChannelOptions peer, FetcherOptions options);
  ~ReplicaFetcher();
  ReplicaFetcher(const ReplicaFetcher&) = delete;
  ReplicaFetcher& operator=(const ReplicaFetcher&) = delete;

  void follow(std::shared_ptr<Partition> partition, LeaderEpoch epoch);
  void forget(const Partition& partition);

  [[nodiscard]] const FetcherState& state() const { return state_; }
  [[nodiscard]] const Endpoint& peer() const { return channel_.peer(); }

 private:
  void tell_failed(std::size_t count);
  void arrange_step();
  void step();
  template <class Response, class Take>
  void on_answer(Result<PeerAnswer<Response>> answer, Take take);

  ReplicaFetcherDependencies dependencies_;
  FetcherState state_;
  PeerChannel channel_;
  std::size_t told_failed_ = 0;
  bool in_flight_ = false;
  bool step_posted_ = false;
  TimerId timer_ = 0;
  std::shared_ptr<ReplicaFetcher*> self_ =
      std::make_shared<ReplicaFetcher*>(this);  // of tasks that outlive it
};

}  // namespace barnabas::broker
