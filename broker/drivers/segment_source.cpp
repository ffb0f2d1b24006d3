#include "broker/drivers/segment_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>

#include "broker/drivers/metadata_cache.hpp"
#include "broker/peers/peer_channel.hpp"
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int32_t kPieceBytes = std::int32_t{1} << 20;
constexpr std::int16_t kFirstFromFollowers = 11;  // KIP-392
constexpr std::chrono::milliseconds kLook{50};    // for give_up()

Result<Bytes> records_of(const protocol::FetchResponse& response) {
  if (response.error_code != 0)
    return fail(static_cast<ErrorCode>(response.error_code), "the other replica refuses the fetch");
  for (const auto& topic : response.responses) {
    for (const auto& partition : topic.partitions) {
      if (partition.error_code != 0)
        return fail(static_cast<ErrorCode>(partition.error_code), "the other replica refuses the partition");
      return partition.records ? to_bytes(partition.records->bytes) : Bytes();
    }
  }
  return fail(ErrorCode::kUnknownServerError, "the other replica's answer has no partition");
}

}  // namespace

/// One question. Its connection lives on the reactor, and goes there.
struct PeerSegmentSource::Call {
  std::promise<Result<Bytes>> answered;
  std::unique_ptr<PeerChannel> channel;
};

PeerSegmentSource::PeerSegmentSource(Reactor& reactor, Clock& clock, Random& random,
                                     const MetadataCache& cache, std::string listener)
    : reactor_(reactor), clock_(clock), random_(random), cache_(cache), listener_(std::move(listener)) {}

/// Who leads, or else the first other replica that is in sync and not fenced.
Result<Endpoint> PeerSegmentSource::peer_of(const TopicPartition& partition) const {
  const kraft::MetadataImagePtr image = cache_.image();
  const auto* registered = image->partition(partition.topic, partition.partition);
  if (registered == nullptr) return fail(ErrorCode::kUnknownTopicOrPartition, "the partition is gone");
  std::vector<BrokerId> candidates = registered->isr;
  const auto leader = std::ranges::find(candidates, registered->leader);
  if (leader != candidates.end()) std::rotate(candidates.begin(), leader, leader + 1);
  for (const BrokerId candidate : candidates) {
    const kraft::BrokerRegistration* broker = image->broker(candidate);
    if (candidate == cache_.self() || broker == nullptr || broker->fenced) continue;
    const auto found = std::ranges::find(broker->endpoints, listener_, &kraft::NamedEndpoint::listener);
    if (found != broker->endpoints.end()) return found->endpoint;
  }
  return fail(ErrorCode::kReplicaNotAvailable, "no other replica is in sync");
}

Result<Bytes> PeerSegmentSource::batches(const TopicPartition& partition, TopicId topic, Offset from) {
  PeerChannelOptions peer;
  peer.peer = TRY(peer_of(partition));
  peer.client_id = fmt::format("broker-{}-repair", cache_.self().value());
  peer.request_timeout = kPatience;
  peer.connection_setup_timeout = kPatience;
  peer.waits_for_connection = false;
  protocol::FetchRequest request;
  request.replica_id = -1;
  request.max_bytes = kPieceBytes;
  auto& asked_topic = request.topics.emplace_back();
  asked_topic.topic = partition.topic;
  asked_topic.topic_id = topic.value();
  auto& asked = asked_topic.partitions.emplace_back();
  asked.partition = partition.partition.value();
  asked.fetch_offset = from.value();
  asked.partition_max_bytes = kPieceBytes;

  const auto call = std::make_shared<Call>();
  auto answered = call->answered.get_future();
  reactor_.post([this, call, peer = std::move(peer), request = std::move(request)]() mutable {
    call->channel = std::make_unique<PeerChannel>(reactor_, clock_, random_, std::move(peer));
    call->channel->call<protocol::FetchResponse>(
        std::move(request), {kFirstFromFollowers, protocol::FetchRequest::kMaxVersion},
        [call](Result<PeerAnswer<protocol::FetchResponse>> answer) {
          call->answered.set_value(answer ? records_of(answer->body) : std::unexpected(answer.error()));
        });
  });
  bool is_there = false;
  const auto until = clock_.monotonic() + kPatience + kLook;
  while (!is_there && !given_up_ && clock_.monotonic() < until)
    is_there = answered.wait_for(kLook) == std::future_status::ready;
  reactor_.post([call] { call->channel.reset(); });
  if (!is_there) return fail(ErrorCode::kRequestTimedOut, "the other replica does not answer");
  return answered.get();
}

}  // namespace barnabas::broker
