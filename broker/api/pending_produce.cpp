#include "broker/api/pending_produce.hpp"

#include <algorithm>
#include <utility>

#include "broker/drivers/log_flusher.hpp"

namespace barnabas::broker {
namespace {

bool any_failed(const protocol::ProduceResponse& response) {
  return std::ranges::any_of(response.responses, [](const auto& topic) {
    return std::ranges::any_of(topic.partition_responses,
                               [](const auto& answer) { return answer.error_code != 0; });
  });
}

}  // namespace

void answer_produce(ProduceReply& reply, const protocol::ProduceResponse& response, std::int16_t acks) {
  if (acks != 0) return reply.send(response);
  any_failed(response) ? reply.close_connection() : reply.send_nothing();
}

PendingProduce::PendingProduce(Reactor& reactor, std::int16_t acks, protocol::ProduceResponse response,
                               ProduceReply reply, std::vector<Unfinished> unfinished)
    : reactor_(reactor),
      acks_(acks),
      reply_(std::move(reply)),
      unfinished_(std::move(unfinished)),
      response_(std::move(response)),
      finished_(unfinished_.size()),
      left_(unfinished_.size()) {}

void PendingProduce::start(LogFlusher& flusher, std::chrono::nanoseconds deadline) {
  if (std::ranges::any_of(unfinished_, &Unfinished::waits_for_replicas))
    timer_ = reactor_.schedule_at(deadline, [self = shared_from_this()] { self->on_timeout(); });
  for (std::size_t at = 0; at < unfinished_.size(); ++at) {
    if (!unfinished_[at].waits_for_disk) {
      await_replicas(at);
      continue;
    }
    flusher.flush(unfinished_[at].partition, [self = shared_from_this(), at](const Result<void>& synced) {
      if (!synced) return self->finish(at, ErrorCode::kKafkaStorageError);
      self->unfinished_[at].waits_for_replicas ? self->await_replicas(at)
                                               : self->finish(at, ErrorCode::kNone);
    });
  }
}

void PendingProduce::await_replicas(std::size_t at) {
  const Unfinished& one = unfinished_[at];
  one.partition->when_committed(
      one.end, [self = shared_from_this(), at](ErrorCode outcome) { self->finish(at, outcome); });
}

void PendingProduce::finish(std::size_t at, ErrorCode outcome) {
  std::unique_lock lock(mutex_);
  if (is_answered_) return;
  tell(at, outcome);
  if (--left_ > 0) return;
  is_answered_ = true;
  lock.unlock();
  if (timer_ == 0) return answer_produce(reply_, response_, acks_);
  reactor_.post([self = shared_from_this()] {
    self->reactor_.cancel(self->timer_);
    answer_produce(self->reply_, self->response_, self->acks_);
  });
}

void PendingProduce::on_timeout() {
  std::unique_lock lock(mutex_);
  if (std::exchange(is_answered_, true)) return;
  for (std::size_t at = 0; at < unfinished_.size(); ++at)
    if (!finished_[at]) tell(at, ErrorCode::kRequestTimedOut);
  lock.unlock();
  answer_produce(reply_, response_, acks_);
}

/// Requires mutex_.
void PendingProduce::tell(std::size_t at, ErrorCode outcome) {
  finished_[at] = true;
  const Unfinished& one = unfinished_[at];
  auto& answer = response_.responses[one.topic].partition_responses[one.answer];
  if (outcome == ErrorCode::kKafkaStorageError) {
    const std::int32_t index = answer.index;
    answer = {};
    answer.index = index;
    answer.base_offset = -1;
  }
  answer.error_code = static_cast<std::int16_t>(outcome);
}

}  // namespace barnabas::broker
