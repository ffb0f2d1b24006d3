#include "tools/client/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "protocol/error_table.hpp"
#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_find_coordinator.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr std::chrono::milliseconds kMaxBackoff{1000};
constexpr std::int8_t kControllerEndpoints = 2;

std::unexpected<Error> refused(std::int16_t code, const std::optional<std::string>& message) {
  const auto error = static_cast<ErrorCode>(code);
  const bool has_message = message && !message->empty();
  return fail(error, has_message ? *message : protocol::error_message(error));
}

std::vector<Node> nodes_of(const auto& brokers, auto id_of) {
  std::vector<Node> nodes;
  for (const auto& broker : brokers) {
    nodes.push_back({BrokerId(broker.*id_of),
                     {broker.host, static_cast<std::uint16_t>(broker.port)},
                     broker.rack.value_or("")});
  }
  std::ranges::sort(nodes, {}, &Node::id);
  return nodes;
}

}  // namespace

Cluster::Cluster(std::vector<Address> bootstrap, ClientConfig config, Bootstrap kind)
    : bootstrap_(std::move(bootstrap)), config_(std::move(config)), kind_(kind) {}

Result<Connection*> Cluster::connection_to(const Address& address) {
  const std::string name = to_string(address);
  const auto found = connections_.find(name);
  if (found != connections_.end()) {
    if (found->second.is_open()) return &found->second;
    connections_.erase(found);
  }
  Connection opened = TRY(Connection::open(address, config_, deadline_after(config_.request_timeout)));
  return &connections_.emplace(name, std::move(opened)).first->second;
}

Result<Connection*> Cluster::any() {
  for (auto& [name, connection] : connections_) {
    if (connection.is_open()) return &connection;
  }
  Error last{ErrorCode::kNetworkException, "No bootstrap address is given"};
  for (const Address& address : bootstrap_) {
    Result<Connection*> connection = connection_to(address);
    if (connection) return connection;
    last = std::move(connection).error();
    if (config_.asker.empty()) continue;
    tool_warn("org.apache.kafka.clients.NetworkClient",
              "[{}] Connection to node -1 ({}) could not be established. Node may not be available.",
              config_.asker, to_string(address));
  }
  for (const Node& node : nodes_) {
    Result<Connection*> connection = connection_to(node.address);
    if (connection) return connection;
  }
  return std::unexpected(std::move(last));
}

Result<Connection*> Cluster::node(BrokerId id) {
  for (const bool refresh : {false, true}) {
    const std::vector<Node> known = TRY(nodes(refresh));
    const auto found = std::ranges::find(known, id, &Node::id);
    if (found != known.end()) return connection_to(found->address);
  }
  // As one that cannot be reached: it may come back, and a call waits for it as long as it waits at all.
  return fail(ErrorCode::kNetworkException, fmt::format("Node {} is not available", id.value()));
}

Result<Connection*> Cluster::controller() {
  (void)TRY(nodes(true));
  if (!controller_ || controller_->value() < 0) {
    return fail(ErrorCode::kBrokerNotAvailable, "There is no active controller");
  }
  return node(*controller_);
}

Result<Connection*> Cluster::coordinator(CoordinatorType type, const std::string& key) {
  const auto known = coordinators_.find({type, key});
  if (known != coordinators_.end()) {
    Result<Connection*> connection = connection_to(known->second);
    if (connection) return connection;
    coordinators_.erase(known);
  }
  const Address address =
      TRY(retrying<Address>([&]() -> Result<Address> { return find_coordinator(type, key); }));
  Connection* connection = TRY(connection_to(address));
  coordinators_[{type, key}] = address;
  return connection;
}

Result<Address> Cluster::find_coordinator(CoordinatorType type, const std::string& key) {
  using protocol::FindCoordinatorRequest;
  Connection* connection = TRY(any());
  FindCoordinatorRequest request;
  request.key_type = static_cast<std::int8_t>(type);
  constexpr std::int16_t kFirstWithSeveralKeys = 4;
  const auto version = connection->version_of<FindCoordinatorRequest>();
  if (version && *version >= kFirstWithSeveralKeys) {
    request.coordinator_keys = {key};
  } else {
    request.key = key;
  }
  const auto answer = TRY(call<protocol::FindCoordinatorResponse>(*connection, request));
  if (answer.version < kFirstWithSeveralKeys) {
    if (answer->error_code != 0) return refused(answer->error_code, answer->error_message);
    return Address{answer->host, static_cast<std::uint16_t>(answer->port)};
  }
  if (answer->coordinators.empty()) return fail(ErrorCode::kCoordinatorNotAvailable);
  const auto& found = answer->coordinators.front();
  if (found.error_code != 0) return refused(found.error_code, found.error_message);
  return Address{found.host, static_cast<std::uint16_t>(found.port)};
}

void Cluster::forget_coordinator(CoordinatorType type, const std::string& key) {
  coordinators_.erase({type, key});
}

Result<Answer<protocol::MetadataResponse>> Cluster::metadata(
    const std::optional<std::vector<std::string>>& topics, bool allow_auto_creation) {
  Connection* connection = TRY(any());
  protocol::MetadataRequest request;
  request.allow_auto_topic_creation = allow_auto_creation;
  if (topics) {
    for (const std::string& topic : *topics) request.topics->push_back({.topic_id = {}, .name = topic});
  } else {
    request.topics.reset();
  }
  auto answer = TRY(call<protocol::MetadataResponse>(*connection, request));
  if (answer->error_code != 0) return refused(answer->error_code, std::nullopt);
  nodes_ = nodes_of(answer->brokers, &protocol::MetadataResponse::MetadataResponseBroker::node_id);
  controller_ = BrokerId(answer->controller_id);
  return answer;
}

Result<void> Cluster::ask_metadata() {
  (void)TRY(metadata(std::vector<std::string>{}));
  return {};
}

Result<void> Cluster::ask_controllers() {
  Connection* connection = TRY(any());
  protocol::DescribeClusterRequest request;
  request.endpoint_type = kControllerEndpoints;
  const auto answer = TRY(call<protocol::DescribeClusterResponse>(*connection, request));
  if (answer->error_code != 0) return refused(answer->error_code, answer->error_message);
  nodes_ = nodes_of(answer->brokers, &protocol::DescribeClusterResponse::DescribeClusterBroker::broker_id);
  controller_ = BrokerId(answer->controller_id);
  return {};
}

Result<std::vector<Node>> Cluster::nodes(bool refresh) {
  if (refresh || nodes_.empty()) {
    TRY(kind_ == Bootstrap::kControllers ? ask_controllers() : ask_metadata());
  }
  return nodes_;
}

Result<void> Cluster::wait_for_retry(const Error& error, int retries, Deadline deadline) {
  const bool may_retry = protocol::error_info(error.code).retriable;
  if (!may_retry) return std::unexpected(error);
  const auto backoff = std::min<std::chrono::milliseconds>(
      config_.retry_backoff * (std::int64_t{1} << std::min(retries, 10)), kMaxBackoff);
  if (std::chrono::steady_clock::now() + backoff >= deadline) {
    return fail(ErrorCode::kRequestTimedOut, error.detail);
  }
  std::this_thread::sleep_for(backoff);
  return {};
}

}  // namespace barnabas::tools
