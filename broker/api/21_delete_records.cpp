// DeleteRecords 0-2: moves a partition's log start (KIP-107). Offset -1 means the high watermark.
//
//   v1 throttled after the answer   v2 flexible
//
// It answers when all replicas that are alive have moved their starts, as their fetches tell, or the time is
// over. Errors, measured on Kafka 4.3.1: 3 unknown, 1 above the high watermark, 44 POLICY_VIOLATION for a
// topic whose cleanup.policy does not contain delete.
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_delete_records.hpp"

namespace barnabas::broker {

using protocol::DeleteRecordsRequest;
using protocol::DeleteRecordsResponse;

namespace {

constexpr std::int64_t kToHighWatermark = -1;

using Answer = DeleteRecordsResponse::DeleteRecordsPartitionResult;

/// The leader's new start.
Result<Offset> delete_on_leader(Partition& partition, std::int64_t offset) {
  if (const ErrorCode refused = partition.check_leader(kNoLeaderEpoch); refused != ErrorCode::kNone)
    return fail(refused);
  return partition.with_log([offset](log::PartitionLog& log) -> Result<Offset> {
    if (!log.config().cleanup_delete) return fail(ErrorCode::kPolicyViolation);
    if (offset < kToHighWatermark) return fail(ErrorCode::kOffsetOutOfRange);
    const Offset before = offset == kToHighWatermark ? log.high_watermark() : Offset(offset);
    (void)TRY(log.delete_records_before(before));
    return before;
  });
}

/// One request, until the followers are where it wants them. Lives on its connection's reactor.
class PendingDeletion : public std::enable_shared_from_this<PendingDeletion> {
 public:
  PendingDeletion(Services& services, const RequestContext& context, Reply<DeleteRecordsResponse> reply)
      : services_(services), reactor_(*context.reactor), reply_(std::move(reply)) {}

  void start(const RequestContext& context, const DeleteRecordsRequest& request) {
    for (const auto& topic : request.topics) {
      response_.topics.emplace_back().name = topic.name;
      const bool may_delete =
          allowed(services_, context, Operation::kDelete, ResourceKind::kTopic, topic.name);
      for (const auto& asked : topic.partitions)
        remove(topic.name, asked, may_delete ? ErrorCode::kNone : ErrorCode::kTopicAuthorizationFailed);
    }
    deadline_ = services_.clock.monotonic() + std::chrono::milliseconds(std::max(request.timeout_ms, 0));
    look();
  }

 private:
  struct Waiting {
    std::shared_ptr<Partition> partition;
    std::size_t topic;
    std::size_t answer;
    Offset wanted;
  };

  void remove(const std::string& topic, const DeleteRecordsRequest::DeleteRecordsPartition& asked,
              ErrorCode refused) {
    auto& answers = response_.topics.back().partitions;
    Answer& answer = answers.emplace_back();
    answer.partition_index = asked.partition_index;
    answer.low_watermark = -1;
    const PartitionIndex index(asked.partition_index);
    auto partition = refused == ErrorCode::kNone ? services_.replicas.find(topic, index) : nullptr;
    if (refused == ErrorCode::kNone && partition == nullptr)
      refused = error_without_replica(*services_.metadata.image(), topic, index);
    Result<Offset> wanted = fail(refused);
    if (partition != nullptr) wanted = delete_on_leader(*partition, asked.offset);
    if (wanted)
      waiting_.push_back({std::move(partition), response_.topics.size() - 1, answers.size() - 1, *wanted});
    else
      answer.error_code = static_cast<std::int16_t>(wanted.error().code);
  }

  /// Takes those out that have what they want.
  void settle(bool is_late) {
    std::erase_if(waiting_, [&](const Waiting& one) {
      Answer& answer = response_.topics[one.topic].partitions[one.answer];
      const ErrorCode refused = one.partition->check_leader(kNoLeaderEpoch);
      const Offset low = one.partition->low_watermark();
      if (refused != ErrorCode::kNone) {
        answer.error_code = static_cast<std::int16_t>(refused);
        return true;
      }
      if (low < one.wanted && !is_late) return false;
      answer.low_watermark = low.value();
      if (low < one.wanted) answer.error_code = static_cast<std::int16_t>(ErrorCode::kRequestTimedOut);
      return true;
    });
  }

  void look() {
    if (is_answered_) return;
    const bool is_late = services_.clock.monotonic() >= deadline_;
    settle(is_late);
    if (!waiting_.empty()) {
      wait();
      settle(is_late);  // what moved before the registration woke nobody
    }
    if (!waiting_.empty()) return;
    is_answered_ = true;
    wakeup_.reset();
    if (timer_ != 0) reactor_.cancel(timer_);
    reply_.send(response_);
  }

  void wait() {
    const auto woken = std::make_shared<std::atomic<bool>>(false);
    wakeup_ = std::make_shared<Wakeup>([weak = weak_from_this(), woken, &reactor = reactor_] {
      if (woken->exchange(true)) return;
      reactor.post([weak] {
        if (auto self = weak.lock()) self->look();
      });
    });
    for (const Waiting& one : waiting_) one.partition->wait_for_change(wakeup_);
    if (timer_ != 0) return;
    timer_ = reactor_.schedule_at(deadline_, [self = shared_from_this()] {
      self->timer_ = 0;
      self->look();
    });
  }

  Services& services_;
  Reactor& reactor_;
  Reply<DeleteRecordsResponse> reply_;
  DeleteRecordsResponse response_;
  std::vector<Waiting> waiting_;
  std::chrono::nanoseconds deadline_{};
  TimerId timer_ = 0;
  std::shared_ptr<Wakeup> wakeup_;
  bool is_answered_ = false;
};

void handle_delete_records(Services& services, const RequestContext& context, DeleteRecordsRequest& request,
                           Reply<DeleteRecordsResponse> reply) {
  std::make_shared<PendingDeletion>(services, context, std::move(reply))->start(context, request);
}

}  // namespace

bool serve_delete_records(Services& services, const RequestContext& context, protocol::Reader& reader,
                          ResponseSink sink) {
  return decode_and_handle<DeleteRecordsRequest, DeleteRecordsResponse, handle_delete_records>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
