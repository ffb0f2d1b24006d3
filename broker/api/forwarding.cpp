#include "broker/api/forwarding.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "broker/api/api_table.hpp"
#include "broker/drivers/controller_answer.hpp"
#include "protocol/message_codec.hpp"
#include "protocol/messages/api_add_raft_voter.hpp"
#include "protocol/messages/api_alter_user_scram_credentials.hpp"
#include "protocol/messages/api_create_delegation_token.hpp"
#include "protocol/messages/api_expire_delegation_token.hpp"
#include "protocol/messages/api_list_partition_reassignments.hpp"
#include "protocol/messages/api_remove_raft_voter.hpp"
#include "protocol/messages/api_renew_delegation_token.hpp"
#include "protocol/messages/data_default_principal_data.hpp"

namespace barnabas::broker {

using namespace protocol;

namespace {

template <class Response, class Request>
Response refused(const Request& request, ErrorCode error) {
  if constexpr (std::same_as<Request, AlterUserScramCredentialsRequest>) {
    return kraft::refuse(kraft::to_alterations(request), error);
  } else if constexpr (requires { kraft::refuse(request, error); }) {
    return kraft::refuse(request, error);
  } else {
    Response response;
    response.error_code = static_cast<std::int16_t>(error);
    return response;
  }
}

EncodedResponse closing() {
  EncodedResponse response;
  response.kind = EncodedResponse::Kind::kClose;
  return response;
}

template <class Request, class Response>
EncodedResponse refuse_encoded(const RequestContext& context, Reader& body, ErrorCode error) {
  Request request;
  request.read(body, context.api_version);
  if (!body.ok()) return closing();
  return encode_response(refused<Response>(request, error), context.api_version, context.correlation_id,
                         response_header_version(context.api_key, context.api_version));
}

/// Raft has a code of its own for it. Kafka's brokers hold on to the controller that they know until it says
/// that it is none: one that came back before they noticed its end would be asked in vain for ever.
bool tells_not_leader(const DescribeQuorumResponse& response) {
  return std::ranges::any_of(response.topics, [](const auto& topic) {
    return std::ranges::any_of(topic.partitions, [](const auto& partition) {
      return partition.error_code == static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower);
    });
  });
}
bool tells_not_leader(const AddRaftVoterResponse& response) {
  return response.error_code == static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower);
}
bool tells_not_leader(const RemoveRaftVoterResponse& response) {
  return response.error_code == static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower);
}

template <class Response>
bool decoded_tells_not_controller(Reader& body, std::int16_t version) {
  Response response;
  response.read(body, version);
  if (!body.ok()) return false;
  if constexpr (requires { tells_not_leader(response); })
    if (tells_not_leader(response)) return true;
  return tells_not_controller(response);
}

template <class Request, class Response>
constexpr ForwardableApi api(bool as_it_came) {
  static_assert(Request::kApiKey == Response::kApiKey);
  return {Request::kApiKey, as_it_came, refuse_encoded<Request, Response>,
          decoded_tells_not_controller<Response>};
}

// Sorted by key: those that Kafka 4.3.1 marks as forwardable.
constexpr std::array kForwardable = {
    api<CreateTopicsRequest, CreateTopicsResponse>(true),
    api<DeleteTopicsRequest, DeleteTopicsResponse>(true),
    api<CreateAclsRequest, CreateAclsResponse>(true),
    api<DeleteAclsRequest, DeleteAclsResponse>(true),
    api<AlterConfigsRequest, AlterConfigsResponse>(false),
    api<CreatePartitionsRequest, CreatePartitionsResponse>(true),
    api<CreateDelegationTokenRequest, CreateDelegationTokenResponse>(false),
    api<RenewDelegationTokenRequest, RenewDelegationTokenResponse>(false),
    api<ExpireDelegationTokenRequest, ExpireDelegationTokenResponse>(false),
    api<ElectLeadersRequest, ElectLeadersResponse>(true),
    api<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>(false),
    api<AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse>(true),
    api<ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse>(true),
    api<AlterClientQuotasRequest, AlterClientQuotasResponse>(true),
    api<AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse>(true),
    api<DescribeQuorumRequest, DescribeQuorumResponse>(true),
    api<UpdateFeaturesRequest, UpdateFeaturesResponse>(true),
    api<UnregisterBrokerRequest, UnregisterBrokerResponse>(true),
    api<AllocateProducerIdsRequest, AllocateProducerIdsResponse>(false),
    api<AddRaftVoterRequest, AddRaftVoterResponse>(true),
    api<RemoveRaftVoterRequest, RemoveRaftVoterResponse>(true),
};

/// A request on its way; whichever way it goes, its sink is answered once.
struct Forwarded {
  Services& services;
  RequestContext context;
  ByteView request;
  ResponseSink sink;

  [[nodiscard]] Reader body() const {
    Reader reader(request);
    (void)read_request_header(reader);
    return reader;
  }
  void serve_here() {
    Reader reader = body();
    const ApiRow* row = find_api(context.api_key);
    auto shared = std::make_shared<ResponseSink>(std::move(sink));
    const bool decoded = row->handler(services, context, reader,
                                      [shared](EncodedResponse response) { (*shared)(std::move(response)); });
    if (!decoded) (*shared)(closing());
  }
  void answer(Result<Bytes> told) {
    if (!told) return sink(refusal(told.error().code));
    EncodedResponse response;
    Writer frame(4 + told->size());
    frame.int32(static_cast<std::int32_t>(told->size()));
    frame.raw(*told);
    response.bytes = frame.take();
    sink(std::move(response));
  }
  [[nodiscard]] EncodedResponse refusal(ErrorCode error) const {
    if (error == ErrorCode::kUnsupportedVersion) return closing();
    Reader reader = body();
    return find_forwardable(context.api_key)
        ->refuse(context, reader,
                 error == ErrorCode::kRequestTimedOut ? error : ErrorCode::kUnknownServerError);
  }
};

}  // namespace

const ForwardableApi* find_forwardable(std::int16_t key) {
  const auto found = std::ranges::lower_bound(kForwardable, key, {}, &ForwardableApi::key);
  return found != kForwardable.end() && found->key == key ? &*found : nullptr;
}

bool is_to_be_forwarded(Services& services, const RequestContext& context) {
  if (context.connection->controller_listener) return false;
  const ForwardableApi* api = find_forwardable(context.api_key);
  return api != nullptr && api->as_it_came && !services.to_controller.is_local();
}

void forward(Services& services, const RequestContext& context, ByteView request, ResponseSink sink) {
  auto held = std::make_shared<Forwarded>(services, context, request, std::move(sink));
  auto if_local = [held] { held->context.reactor->post([held] { held->serve_here(); }); };
  auto answer = [held](Result<Bytes> told) { held->answer(std::move(told)); };
  services.to_controller.forward(make_forwarded(context, to_bytes(request)), kForwardTimeout,
                                 std::move(if_local), std::move(answer));
}

ForwardedRequest make_forwarded(const RequestContext& context, Bytes request) {
  return {std::move(request), serialize_principal(context.connection->principal),
          serialize_address(context.connection->peer.host)};
}

Bytes serialize_principal(const Principal& principal) {
  DefaultPrincipalData data;
  data.type = principal.type;
  data.name = principal.name;
  Writer writer;
  writer.int16(DefaultPrincipalData::kMaxVersion);
  data.write(writer, DefaultPrincipalData::kMaxVersion);
  return writer.take();
}

Result<Principal> parse_principal(ByteView bytes) {
  Reader reader(bytes);
  const std::int16_t version = reader.int16();
  DefaultPrincipalData data;
  if (reader.ok() && version >= 0) data.read(reader, std::min(version, DefaultPrincipalData::kMaxVersion));
  if (!reader.ok() || version < 0 || version > DefaultPrincipalData::kMaxVersion)
    return fail(ErrorCode::kPrincipalDeserializationFailure,
                "Failed to deserialize client principal from envelope");
  return Principal{std::move(data.type), std::move(data.name)};
}

Bytes serialize_address(const std::string& host) {
  Bytes bytes(16);
  if (inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) return bytes;
  bytes.assign(4, 0);  // also what stands for a client whose address is none
  (void)inet_pton(AF_INET, host.c_str(), bytes.data());
  return bytes;
}

Result<std::string> parse_address(ByteView bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if ((bytes.size() != 4 && bytes.size() != 16) ||
      inet_ntop(family, bytes.data(), text.data(), text.size()) == nullptr)
    return fail(ErrorCode::kInvalidRequest, "Failed to parse client address from envelope");
  return std::string(text.data());
}

}  // namespace barnabas::broker
