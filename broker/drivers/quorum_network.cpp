#include "broker/drivers/quorum_network.hpp"

#include <fmt/format.h>

#include <utility>

#include "base/logging.hpp"
#include "broker/peers/peer_channel.hpp"

namespace barnabas::broker {

namespace {

constexpr const char* kComponent = "org.apache.kafka.raft.KafkaNetworkChannel";
constexpr std::int16_t kFirstPreVote = 2;
/// Of Fetch: from here on a replica says its id in one place. Kafka 3.9 has it.
constexpr std::int16_t kFirstReplicaState = 15;
constexpr std::int16_t kFirstZeroMinimum = 4;  // of ApiVersions: features whose lowest level is 0
constexpr std::chrono::milliseconds kReconnect{50};
constexpr std::chrono::milliseconds kReconnectMax{500};

template <class RequestType, class ResponseType>
struct Messages {
  using Request = RequestType;
  using Response = ResponseType;
};
/// What is sent, by which versions, and the answer that it has.
template <class Message>
struct Wire;
template <>
struct Wire<kraft::VoteRequest> : Messages<protocol::VoteRequest, protocol::VoteResponse> {};
template <>
struct Wire<kraft::BeginQuorumEpochRequest>
    : Messages<protocol::BeginQuorumEpochRequest, protocol::BeginQuorumEpochResponse> {};
template <>
struct Wire<kraft::EndQuorumEpochRequest>
    : Messages<protocol::EndQuorumEpochRequest, protocol::EndQuorumEpochResponse> {};
template <>
struct Wire<kraft::FetchRequest> : Messages<protocol::FetchRequest, protocol::FetchResponse> {};
template <>
struct Wire<kraft::FetchSnapshotRequest>
    : Messages<protocol::FetchSnapshotRequest, protocol::FetchSnapshotResponse> {};
template <>
struct Wire<kraft::AddRaftVoterRequest>
    : Messages<protocol::AddRaftVoterRequest, protocol::AddRaftVoterResponse> {};
template <>
struct Wire<kraft::RemoveRaftVoterRequest>
    : Messages<protocol::RemoveRaftVoterRequest, protocol::RemoveRaftVoterResponse> {};
template <>
struct Wire<kraft::UpdateRaftVoterRequest>
    : Messages<protocol::UpdateRaftVoterRequest, protocol::UpdateRaftVoterResponse> {};
template <>
struct Wire<kraft::KraftVersionsRequest>
    : Messages<protocol::ApiVersionsRequest, protocol::ApiVersionsResponse> {};

template <class Message>
concept QuorumRequestMessage = requires { typename Wire<Message>::Request; };

template <class Message>
auto to_request(const Message& message, const kraft::WireContext& context) {
  return kraft::to_wire(message, context, Wire<Message>::Request::kMaxVersion);
}
protocol::ApiVersionsRequest to_request(const kraft::KraftVersionsRequest&, const kraft::WireContext&) {
  protocol::ApiVersionsRequest request;
  request.client_software_name = "barnabas";
  request.client_software_version = "0.1.0";
  return request;
}

/// The lowest version that can say it.
template <class Message>
std::int16_t lowest_version(const Message&) {
  return Wire<Message>::Request::kMinVersion;
}
std::int16_t lowest_version(const kraft::VoteRequest& request) {
  return request.pre_vote ? kFirstPreVote : protocol::VoteRequest::kMinVersion;
}
std::int16_t lowest_version(const kraft::FetchRequest&) {
  return kFirstReplicaState;
}
std::int16_t lowest_version(const kraft::KraftVersionsRequest&) {
  return kFirstZeroMinimum;
}

/// Copies what the answer's frame holds of records.
template <class Response>
Bytes attached_bytes(const Response&) {
  return {};
}
Bytes attached_bytes(const protocol::FetchResponse& response) {
  for (const auto& topic : response.responses)
    for (const auto& partition : topic.partitions)
      if (partition.records) return to_bytes(partition.records->bytes);
  return {};
}
Bytes attached_bytes(const protocol::FetchSnapshotResponse& response) {
  for (const auto& topic : response.topics)
    for (const auto& partition : topic.partitions) return to_bytes(partition.unaligned_records.bytes);
  return {};
}

}  // namespace

QuorumNetwork::QuorumNetwork(Reactor& reactor, Clock& clock, Random& random, Received received,
                             QuorumNetworkOptions options)
    : reactor_(reactor),
      clock_(clock),
      random_(random),
      received_(std::move(received)),
      options_(std::move(options)) {}

QuorumNetwork::~QuorumNetwork() = default;

void QuorumNetwork::ask(kraft::QuorumRequest request) {
  reactor_.post([this, request = std::move(request)]() mutable { send(std::move(request)); });
}

const Endpoint* QuorumNetwork::endpoint_of(const kraft::QuorumRequest& request) const {
  if (request.peer < kNoBroker) {
    const auto index = static_cast<std::size_t>(kraft::bootstrap_peer(0).value() - request.peer.value());
    return index < options_.bootstrap_servers.size() ? &options_.bootstrap_servers[index] : nullptr;
  }
  for (const kraft::VoterEndpoint& endpoint : request.endpoints)
    if (endpoint.listener == options_.controller_listener) return &endpoint.endpoint;
  return request.endpoints.empty() ? nullptr : &request.endpoints.front().endpoint;
}

PeerChannel& QuorumNetwork::channel_to(BrokerId peer, const Endpoint& endpoint) {
  std::unique_ptr<PeerChannel>& channel = channels_[peer];
  if (channel && channel->peer() == endpoint) return *channel;
  PeerChannelOptions options;
  options.peer = endpoint;
  options.client_id = options_.client_id;
  options.request_timeout = options_.request_timeout;
  options.connection_setup_timeout = options_.request_timeout;
  options.reconnect_backoff = kReconnect;
  options.reconnect_backoff_max = kReconnectMax;
  options.waits_for_connection = false;
  channel = std::make_unique<PeerChannel>(reactor_, clock_, random_, std::move(options));
  return *channel;
}

void QuorumNetwork::send(kraft::QuorumRequest request) {
  const Endpoint* endpoint = endpoint_of(request);
  if (endpoint == nullptr)
    return received_(request.peer, request.correlation, std::unexpected(kraft::QuorumFailure::kLost));
  PeerChannel& channel = channel_to(request.peer, *endpoint);
  std::visit(
      [&]<class Message>([[maybe_unused]] const Message& message) {
        if constexpr (QuorumRequestMessage<Message>)
          call<typename Wire<Message>::Response>(channel, request, message);
      },
      request.message);
}

template <class Response, class Request>
void QuorumNetwork::call(PeerChannel& channel, const kraft::QuorumRequest& request, const Request& message) {
  auto wire = to_request(message, options_.wire);
  bool is_pre_vote = false;
  if constexpr (std::is_same_v<Request, kraft::VoteRequest>) is_pre_vote = message.pre_vote;
  const PeerChannel::Versions within{lowest_version(message), decltype(wire)::kMaxVersion};
  channel.call<Response>(
      std::move(wire), within,
      [this, peer = request.peer, correlation = request.correlation,
       is_pre_vote](Result<PeerAnswer<Response>> answer) {
        if (answer) {
          unreachable_.erase(peer);
          return received_(peer, correlation,
                           kraft::QuorumAnswer{kraft::from_wire(answer->body), attached_bytes(answer->body)});
        }
        if (is_pre_vote && answer.error().code == ErrorCode::kUnsupportedVersion) {
          kraft::VoteResponse unsupported;
          unsupported.error = ErrorCode::kUnsupportedVersion;
          return received_(peer, correlation, kraft::QuorumAnswer{unsupported, {}});
        }
        tell_failure(peer, answer.error());
        const auto asked = channels_.find(peer);
        const bool is_refused = asked != channels_.end() && asked->second->was_refused();
        received_(peer, correlation,
                  std::unexpected(is_refused ? kraft::QuorumFailure::kRefused : kraft::QuorumFailure::kLost));
      });
}

/// One line until it answers again.
void QuorumNetwork::tell_failure(BrokerId peer, const Error& error) {
  if (!unreachable_.insert(peer).second) return;
  log_warn(kComponent, "{} cannot be asked about the metadata quorum and is tried again: {}",
           peer < kNoBroker ? std::string("A server of controller.quorum.bootstrap.servers")
                            : fmt::format("Node {}", peer.value()),
           error.detail);
}

}  // namespace barnabas::broker
