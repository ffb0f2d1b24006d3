#include "broker/drivers/replica_fetcher.hpp"

namespace barnabas::broker {

using protocol::FetchResponse;
using protocol::ListOffsetsResponse;

namespace {

constexpr std::int16_t kFirstListOffsetsWithEpochs = 4;

}  // namespace

ReplicaFetcher::ReplicaFetcher(ReplicaFetcherDependencies dependencies, PeerChannelOptions peer,
                               FetcherOptions options)
    : dependencies_(std::move(dependencies)),
      state_(options, dependencies_.quota),
      channel_(dependencies_.reactor, dependencies_.clock, dependencies_.random, std::move(peer)) {}

ReplicaFetcher::~ReplicaFetcher() {
  if (timer_ != 0) dependencies_.reactor.cancel(timer_);
  tell_failed(0);
}

void ReplicaFetcher::tell_failed(std::size_t count) {
  dependencies_.failed_count += static_cast<std::int64_t>(count) - static_cast<std::int64_t>(told_failed_);
  told_failed_ = count;
}

/// The leader is told with the next request.
void ReplicaFetcher::forget(const Partition& partition) {
  state_.forget(partition);
  arrange_step();
}

void ReplicaFetcher::follow(std::shared_ptr<Partition> partition, LeaderEpoch epoch) {
  state_.follow(std::move(partition), epoch, dependencies_.clock.monotonic());
  arrange_step();
}

/// Later, so that all that is followed by one image shares a request.
void ReplicaFetcher::arrange_step() {
  if (in_flight_ || std::exchange(step_posted_, true)) return;
  dependencies_.reactor.post([weak = std::weak_ptr(self_)] {
    if (const auto self = weak.lock()) (*self)->step();
  });
}

void ReplicaFetcher::step() {
  step_posted_ = false;
  if (in_flight_) return;
  if (timer_ != 0) dependencies_.reactor.cancel(std::exchange(timer_, 0));
  tell_failed(state_.failed_count());
  FetcherState::Next next = state_.next(dependencies_.clock.monotonic(), dependencies_.broker_epoch());
  in_flight_ = next.ask != FetcherState::Ask::kNothing;
  switch (next.ask) {
    case FetcherState::Ask::kFetch:
      return channel_.call<FetchResponse>(std::move(next.fetch),
                                          {kFirstReplicaFetch, protocol::FetchRequest::kMaxVersion},
                                          [this](Result<PeerAnswer<FetchResponse>> answer) {
                                            on_answer(std::move(answer), &FetcherState::on_fetched);
                                          });
    case FetcherState::Ask::kOffsets:
      return channel_.call<ListOffsetsResponse>(
          std::move(next.offsets), {kFirstListOffsetsWithEpochs, protocol::ListOffsetsRequest::kMaxVersion},
          [this](Result<PeerAnswer<ListOffsetsResponse>> answer) {
            on_answer(std::move(answer), &FetcherState::on_offsets);
          });
    case FetcherState::Ask::kNothing:
      break;
  }
  if (!next.until) return;
  timer_ = dependencies_.reactor.schedule_at(*next.until, [this] {
    timer_ = 0;
    step();
  });
}

template <class Response, class Take>
void ReplicaFetcher::on_answer(Result<PeerAnswer<Response>> answer, Take take) {
  in_flight_ = false;
  const auto now = dependencies_.clock.monotonic();
  if (answer)
    (state_.*take)(answer->body, now);
  else
    state_.on_failure(answer.error(), now);
  step();
}

}  // namespace barnabas::broker
