#include "broker/drivers/wanted_at_start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/logging.hpp"
#include "kraft/metadata_node.hpp"
#include "kraft/scram.hpp"
#include "protocol/acl_terms.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int32_t kTimeoutMs = 30'000;

protocol::CreateTopicsRequest request_for(const std::vector<WantedTopic>& topics) {
  protocol::CreateTopicsRequest request;
  request.timeout_ms = kTimeoutMs;
  for (const auto& wanted : topics) {
    auto& topic = request.topics.emplace_back();
    topic.name = wanted.name;
    topic.num_partitions = wanted.partitions;
    topic.replication_factor = wanted.replication_factor;
    for (const auto& [key, value] : wanted.configs) topic.configs.push_back({key, value});
  }
  return request;
}

kraft::ScramAlterations missing_users(const std::vector<kraft::ScramUserSpec>& users,
                                      const kraft::ScramImage& there) {
  kraft::ScramAlterations missing;
  for (const auto& user : users) {
    kraft::ScramUser key{user.mechanism, user.name};
    if (there.contains(key)) continue;
    missing.upsertions.push_back({std::move(key), user.iterations, user.salt, kraft::scram_keys(user)});
  }
  return missing;
}

protocol::CreateAclsRequest missing_acls(const std::vector<kraft::AclEntry>& acls,
                                         const kraft::AclsImage& there) {
  protocol::CreateAclsRequest request;
  for (const auto& acl : acls) {
    const auto is_same = [&acl](const auto& known) { return known.second == acl; };
    if (std::ranges::any_of(there, is_same)) continue;
    auto& creation = request.creations.emplace_back();
    creation.resource_type = acl.resource_type;
    creation.resource_name = acl.resource_name;
    creation.resource_pattern_type = acl.pattern_type;
    creation.principal = acl.principal;
    creation.host = acl.host;
    creation.operation = acl.operation;
    creation.permission_type = acl.permission_type;
  }
  return request;
}

template <class Response>
Result<Response> wait_for(std::string_view key, std::future<Result<Response>> future) {
  try {
    return future.get();
  } catch (const std::future_error&) {
    return fail(ErrorCode::kNotController, fmt::format("{}: the node stopped before it could be asked", key));
  }
}

/// Asks the active controller, waits for the answer.
template <class Response, class Request>
Result<Response> ask(ControllerChannel& controller, std::string_view key, Request request) {
  auto promise = std::make_shared<std::promise<Result<Response>>>();
  auto future = promise->get_future();
  controller.ask<Response>(
      std::move(request), std::chrono::milliseconds(kTimeoutMs),
      [promise = std::move(promise)](Result<Response> told) { promise->set_value(std::move(told)); });
  return wait_for(key, std::move(future));
}

std::unexpected<Error> refused(std::string_view key, const auto& name, const auto& result) {
  return fail(static_cast<ErrorCode>(result.error_code),
              fmt::format("{}: {}: {}", key, name,
                          result.error_message.value_or(fmt::format("error {}", result.error_code))));
}

}  // namespace

Result<void> create_wanted_topics(ControllerChannel& controller, const std::vector<WantedTopic>& topics) {
  constexpr std::string_view kKey = "barnabas.create.topics";
  if (topics.empty()) return {};
  const auto response = TRY(ask<protocol::CreateTopicsResponse>(controller, kKey, request_for(topics)));
  for (const auto& result : response.topics) {
    const auto error = static_cast<ErrorCode>(result.error_code);
    if (error == ErrorCode::kNone)
      log_info("kafka.server.BrokerServer", "Created the topic {}", result.name);
    else if (error != ErrorCode::kTopicAlreadyExists)
      return refused(kKey, result.name, result);
  }
  return {};
}

Result<void> create_wanted_users(MetadataDriver& driver, Random& random,
                                 const std::vector<kraft::ScramUserSpec>& users) {
  constexpr std::string_view kKey = "barnabas.create.users";
  if (users.empty()) return {};
  std::vector<kraft::ScramUserSpec> salted = users;
  for (auto& user : salted) kraft::add_salt(user, random);
  using Response = protocol::AlterUserScramCredentialsResponse;
  auto promise = std::make_shared<std::promise<Result<Response>>>();
  auto future = promise->get_future();
  driver.submit([&salted, promise = std::move(promise)](kraft::MetadataNode& node, std::int64_t) {
    if (!node.is_active_controller()) return promise->set_value(Response());
    node.submit(missing_users(salted, *node.image()->scram),
                [promise](Response response) { promise->set_value(std::move(response)); });
  });
  const auto response = TRY(wait_for(kKey, std::move(future)));
  for (const auto& result : response.results) {
    if (static_cast<ErrorCode>(result.error_code) != ErrorCode::kNone)
      return refused(kKey, result.user, result);
    log_info("kafka.server.BrokerServer", "Created the user {}", result.user);
  }
  return {};
}

Result<void> create_wanted_acls(ControllerChannel& controller, const kraft::AclsImage& there,
                                const std::vector<kraft::AclEntry>& acls) {
  constexpr std::string_view kKey = "barnabas.create.acls";
  if (acls.empty()) return {};
  const protocol::CreateAclsRequest asked = missing_acls(acls, there);
  if (asked.creations.empty()) return {};
  const auto response = TRY(ask<protocol::CreateAclsResponse>(controller, kKey, asked));
  for (std::size_t i = 0; i < response.results.size(); ++i) {
    const auto& creation = asked.creations[i];
    if (static_cast<ErrorCode>(response.results[i].error_code) != ErrorCode::kNone)
      return refused(kKey, creation.resource_name, response.results[i]);
    log_info(
        "kafka.server.BrokerServer", "Created the ACL: {} {} {} {} {}",
        static_cast<protocol::PermissionType>(creation.permission_type) == protocol::PermissionType::kDeny
            ? "deny"
            : "allow",
        creation.principal, name_of(static_cast<protocol::AclOperation>(creation.operation)),
        name_of(static_cast<protocol::ResourceType>(creation.resource_type)), creation.resource_name);
  }
  return {};
}

}  // namespace barnabas::broker
