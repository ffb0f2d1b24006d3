// PendingProduce: a produce whose batches are appended and whose answer waits: for the disk, for the
// replicas.
//
// Kept alive by what it waits for. Thread safety: it begins on its connection's reactor, and is finished from
// any thread. It answers once: when the last of its batches is where it must be, or cannot be, or when the
// replicas have had the request's time (REQUEST_TIMED_OUT for those that miss). What is appended stays so,
// and its offset is told, whether or not it is acknowledged.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "broker/api/request_context.hpp"
#include "broker/replica/partition.hpp"
#include "protocol/messages/api_produce.hpp"

namespace barnabas::broker {

class LogFlusher;

using ProduceReply = Reply<protocol::ProduceResponse>;

/// With acks=0 nothing is said, but by the end of the connection when something failed.
void answer_produce(ProduceReply& reply, const protocol::ProduceResponse& response, std::int16_t acks);

/// An appended batch that is not to be acknowledged yet, and where its answer stands.
struct Unfinished {
  std::shared_ptr<Partition> partition;
  std::size_t topic;
  std::size_t answer;
  Offset end;  // behind the batch
  bool waits_for_disk;
  bool waits_for_replicas;
};

class PendingProduce : public std::enable_shared_from_this<PendingProduce> {
 public:
  PendingProduce(Reactor& reactor, std::int16_t acks, protocol::ProduceResponse response, ProduceReply reply,
                 std::vector<Unfinished> unfinished);

  /// On the connection's reactor. The replicas have until `deadline`.
  void start(LogFlusher& flusher, std::chrono::nanoseconds deadline);

 private:
  void await_replicas(std::size_t at);
  void finish(std::size_t at, ErrorCode outcome);
  void on_timeout();
  void tell(std::size_t at, ErrorCode outcome);

  Reactor& reactor_;
  const std::int16_t acks_;
  ProduceReply reply_;
  TimerId timer_ = 0;  // set before anybody else can finish
  const std::vector<Unfinished> unfinished_;
  std::mutex mutex_;
  protocol::ProduceResponse response_;  // guarded by mutex_
  std::vector<bool> finished_;          // guarded by mutex_
  std::size_t left_;                    // guarded by mutex_
  bool is_answered_ = false;            // guarded by mutex_
};

}  // namespace barnabas::broker
