// DescribeUserScramCredentials 0: mechanisms and iterations of users, never their keys (KIP-554).
//
// Kafka 4.3.1 never answers an unauthorised client that asks for all users; here it is refused like any
// other.
#include <map>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_describe_user_scram_credentials.hpp"

namespace barnabas::broker {

using protocol::DescribeUserScramCredentialsRequest;
using protocol::DescribeUserScramCredentialsResponse;
using Answer = DescribeUserScramCredentialsResponse::DescribeUserScramCredentialsResult;

namespace {

using Credentials = std::map<std::string_view, decltype(Answer::credential_infos)>;

Credentials credentials_of(const kraft::ScramImage& scram) {
  Credentials found;
  for (const auto& [user, credential] : scram)
    found[user.name].push_back({user.mechanism, credential.iterations});
  return found;
}

Answer describe(const std::string& name, int times_named, const Credentials& credentials) {
  Answer answer;
  answer.user = name;
  answer.error_message = "";
  const auto known = credentials.find(name);
  if (times_named > 1) {
    answer.error_code = static_cast<std::int16_t>(ErrorCode::kDuplicateResource);
    answer.error_message =
        "Cannot describe SCRAM credentials for the same user twice in a single request: " + name;
  } else if (known == credentials.end()) {
    answer.error_code = static_cast<std::int16_t>(ErrorCode::kResourceNotFound);
    answer.error_message = "Attempt to describe a user credential that does not exist: " + name;
  } else {
    answer.credential_infos = known->second;
  }
  return answer;
}

void handle_describe_scram(Services& services, const RequestContext& context,
                           DescribeUserScramCredentialsRequest& request,
                           Reply<DescribeUserScramCredentialsResponse> reply) {
  DescribeUserScramCredentialsResponse response;
  response.error_message = "";
  if (!allowed_on_cluster(services, context, Operation::kDescribe)) {
    response.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    response.error_message = "Cluster authorization failed.";
    return reply.send(response);
  }
  const kraft::MetadataImagePtr image = services.metadata.image();
  const Credentials credentials = credentials_of(*image->scram);
  std::map<std::string, int> asked;
  if (request.users) {
    for (const auto& user : *request.users) ++asked[user.name];
  }
  if (asked.empty()) {
    for (const auto& [name, infos] : credentials) asked[std::string(name)] = 1;
  }
  for (const auto& [name, times] : asked) response.results.push_back(describe(name, times, credentials));
  reply.send(response);
}

}  // namespace

bool serve_describe_user_scram_credentials(Services& services, const RequestContext& context,
                                           protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
                           handle_describe_scram>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
