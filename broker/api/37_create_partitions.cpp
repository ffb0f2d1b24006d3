// CreatePartitions 0-3: more partitions for existing topics (KIP-195).
//
//   v2 flexible   v3 may answer THROTTLING_QUOTA_EXCEEDED
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/controller_request.hpp"
#include "protocol/messages/api_create_partitions.hpp"

namespace barnabas::broker {

using protocol::CreatePartitionsRequest;
using protocol::CreatePartitionsResponse;

namespace {

void handle_create_partitions(Services& services, const RequestContext& context,
                              CreatePartitionsRequest& request, Reply<CreatePartitionsResponse> reply) {
  std::vector<CreatePartitionsResponse::CreatePartitionsTopicResult> refused;
  std::erase_if(request.topics, [&](const CreatePartitionsRequest::CreatePartitionsTopic& topic) {
    if (allowed(services, context, Operation::kAlter, ResourceKind::kTopic, topic.name)) return false;
    refused.push_back(
        {topic.name, static_cast<std::int16_t>(ErrorCode::kTopicAuthorizationFailed), std::nullopt});
    return true;
  });
  auto answer = [refused = std::move(refused),
                 reply = std::move(reply)](CreatePartitionsResponse response) mutable {
    std::ranges::move(refused, std::back_inserter(response.results));
    reply.send(response);
  };
  ask_controller(services, std::move(request), std::move(answer));
}

}  // namespace

bool serve_create_partitions(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<CreatePartitionsRequest, CreatePartitionsResponse, handle_create_partitions>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
