#include "simulation/nodes/cluster_admin.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "protocol/messages/api_alter_partition_reassignments.hpp"
#include "protocol/messages/api_create_partitions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_delete_topics.hpp"
#include "protocol/messages/api_elect_leaders.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"

namespace barnabas::simulation {

using std::chrono::nanoseconds;

namespace {

constexpr std::int32_t kTimeoutMs = 10000;
constexpr std::int8_t kTopicResource = 2;

/// Whether the controller has decided.
bool is_known(std::int16_t error) {
  switch (static_cast<ErrorCode>(error)) {
    case ErrorCode::kRequestTimedOut:
    case ErrorCode::kNotController:
    case ErrorCode::kNetworkException:
    case ErrorCode::kUnknownServerError:
    case ErrorCode::kKafkaStorageError:
      return false;
    default:
      return true;
  }
}

}  // namespace

ClusterAdmin::ClusterAdmin(ClientSurroundings surroundings, AdminOptions options)
    : ClusterClient(std::move(surroundings), "admin"), options_(options) {}

void ClusterAdmin::start() {
  options_.lasting.empty() ? create_topic() : create_lasting(0);
  if (options_.interval.count() > 0) arrange_next();
}

void ClusterAdmin::arrange_next() {
  const auto mean = static_cast<std::uint64_t>(nanoseconds(options_.interval).count());
  after(nanoseconds(1 + below(2 * mean)), [this] {
    if (!stopped_ && !busy_) do_something();
    arrange_next();
  });
}

std::vector<std::string> ClusterAdmin::live_topics() const {
  std::vector<std::string> names;
  for (const auto& [name, topic] : surroundings().topics)
    if (is_live(name)) names.push_back(name);
  return names;
}

bool ClusterAdmin::is_lasting(const std::string& topic) const {
  return std::ranges::find(options_.lasting, topic, &LastingTopic::name) != options_.lasting.end();
}

/// Of the topic; now and then of an internal one.
TopicPartition ClusterAdmin::any_partition(const std::string& topic) {
  if (!options_.internal.empty() && below(2) == 0) {
    auto chosen = options_.internal.begin();
    std::advance(chosen, below(options_.internal.size()));
    return {chosen->first,
            PartitionIndex(static_cast<std::int32_t>(below(static_cast<std::uint64_t>(chosen->second))))};
  }
  const auto partitions = static_cast<std::uint64_t>(surroundings().topics.at(topic).partitions);
  return {topic, PartitionIndex(static_cast<std::int32_t>(below(partitions)))};
}

void ClusterAdmin::do_something() {
  const auto topics = live_topics();
  if (topics.empty()) return create_topic();
  const std::string& topic = topics[below(topics.size())];
  switch (below(10)) {
    case 0:
      if (topics.size() < options_.most_topics) create_topic();
      return;
    case 1:
      if (topics.size() > 1 && !is_lasting(topic)) delete_topic(topic);
      return;
    case 2:
      return alter_config(topic);
    case 3:
      if (surroundings().topics.at(topic).partitions < options_.most_partitions) add_partitions(topic);
      return;
    case 4:
    case 5:
    case 6:
      return elect_preferred(any_partition(topic));
    default:
      return reassign(any_partition(topic));
  }
}

void ClusterAdmin::begin(std::string what) {
  busy_ = true;
  ++operations_;
  surroundings().note(what);
  doing_ = std::move(what);
}

void ClusterAdmin::end() {
  busy_ = false;
  doing_.clear();
  for (std::size_t at = 0; at < options_.lasting.size(); ++at)
    if (!surroundings().topics.contains(options_.lasting[at].name)) return create_lasting(at);
}

template <class Response, class Request>
void ClusterAdmin::ask(Request request, std::function<bool(const Response&)> done) {
  any_channel().call<Response>(
      Request(request), [this, request, done](Result<broker::PeerAnswer<Response>> answer) mutable {
        if (answer && done(answer->body)) return end();
        after(kBackoff, [this, request = std::move(request), done = std::move(done)]() mutable {
          ask<Response>(std::move(request), std::move(done));
        });
      });
}

void ClusterAdmin::create_topic() {
  create({fmt::format("topic-{}", created_++),
          static_cast<std::int32_t>(1 + below(static_cast<std::uint64_t>(options_.most_partitions)))});
}

void ClusterAdmin::create_lasting(std::size_t at) {
  const LastingTopic& topic = options_.lasting[at];
  create({.name = topic.name, .partitions = topic.partitions, .is_output = topic.is_output});
}

void ClusterAdmin::create(const SimulatedTopic& wanted) {
  protocol::CreateTopicsRequest request;
  request.timeout_ms = kTimeoutMs;
  auto& topic = request.topics.emplace_back();
  topic.name = wanted.name;
  topic.num_partitions = wanted.partitions;
  topic.replication_factor = options_.replication_factor;
  topic.configs.push_back({"min.insync.replicas", std::to_string(options_.min_insync_replicas)});
  begin(fmt::format("create {} with {} partitions", wanted.name, wanted.partitions));
  ask<protocol::CreateTopicsResponse>(
      std::move(request), [this, wanted](const protocol::CreateTopicsResponse& response) {
        const std::int16_t error = response.topics.at(0).error_code;
        const bool exists = error == 0 || error == static_cast<std::int16_t>(ErrorCode::kTopicAlreadyExists);
        if (!exists) return false;  // too few brokers are there as yet
        SimulatedTopic& made = surroundings().topics[wanted.name] = wanted;
        made.created = true;
        return true;
      });
}

void ClusterAdmin::delete_topic(const std::string& name) {
  surroundings().topics.at(name).deleting = true;
  checks().forget(name);
  protocol::DeleteTopicsRequest request;
  request.timeout_ms = kTimeoutMs;
  request.topics.push_back({name, Uuid{}});
  request.topic_names = {name};
  begin("delete " + name);
  ask<protocol::DeleteTopicsResponse>(
      std::move(request), [this, name](const protocol::DeleteTopicsResponse& response) {
        const std::int16_t error = response.responses.at(0).error_code;
        const bool is_gone =
            error == 0 || error == static_cast<std::int16_t>(ErrorCode::kUnknownTopicOrPartition);
        if (is_gone) surroundings().topics.at(name).deleted = true;
        return is_gone;
      });
}

void ClusterAdmin::reassign(const TopicPartition& partition) {
  std::vector<std::int32_t> brokers = surroundings().brokers;
  for (std::size_t i = brokers.size(); i > 1; --i) std::swap(brokers[i - 1], brokers[below(i)]);
  brokers.resize(std::min(brokers.size(), static_cast<std::size_t>(options_.replication_factor)));
  protocol::AlterPartitionReassignmentsRequest request;
  request.timeout_ms = kTimeoutMs;
  auto& topic = request.topics.emplace_back();
  topic.name = partition.topic;
  topic.partitions.push_back({partition.partition.value(), brokers});
  begin(fmt::format("reassign {} to {}", to_string(partition), fmt::join(brokers, ",")));
  ask<protocol::AlterPartitionReassignmentsResponse>(
      std::move(request), [](const protocol::AlterPartitionReassignmentsResponse& response) {
        return is_known(response.error_code) &&
               (response.responses.empty() || is_known(response.responses.at(0).partitions.at(0).error_code));
      });
}

void ClusterAdmin::elect_preferred(const TopicPartition& partition) {
  protocol::ElectLeadersRequest request;
  request.timeout_ms = kTimeoutMs;
  request.topic_partitions->push_back({partition.topic, {partition.partition.value()}});
  begin("elect the preferred leader of " + to_string(partition));
  ask<protocol::ElectLeadersResponse>(std::move(request), [](const protocol::ElectLeadersResponse& response) {
    return is_known(response.error_code);
  });
}

void ClusterAdmin::alter_config(const std::string& topic) {
  protocol::IncrementalAlterConfigsRequest request;
  auto& resource = request.resources.emplace_back();
  resource.resource_type = kTopicResource;
  resource.resource_name = topic;
  resource.configs.push_back({"segment.bytes", 0, std::to_string(1'100'000 + below(1'000'000))});
  begin("alter segment.bytes of " + topic);
  ask<protocol::IncrementalAlterConfigsResponse>(
      std::move(request), [](const protocol::IncrementalAlterConfigsResponse& response) {
        return is_known(response.responses.at(0).error_code);
      });
}

void ClusterAdmin::add_partitions(const std::string& topic) {
  const std::int32_t wanted = surroundings().topics.at(topic).partitions + 1;
  protocol::CreatePartitionsRequest request;
  request.timeout_ms = kTimeoutMs;
  auto& more = request.topics.emplace_back();
  more.name = topic;
  more.count = wanted;
  more.assignments = std::nullopt;
  begin(fmt::format("{} partitions for {}", wanted, topic));
  ask<protocol::CreatePartitionsResponse>(
      std::move(request), [this, topic, wanted](const protocol::CreatePartitionsResponse& response) {
        const std::int16_t error = response.results.at(0).error_code;
        // A repetition finds that it has them already.
        const bool has = error == 0 || error == static_cast<std::int16_t>(ErrorCode::kInvalidPartitions);
        if (has) surroundings().topics.at(topic).partitions = wanted;
        return has;
      });
}

}  // namespace barnabas::simulation
