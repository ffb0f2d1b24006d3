// Metadata 0-13: topics, partitions, their leaders, and the brokers.
//
//   v1 controller, racks, null means every topic   v2 cluster id   v4 auto creation may be refused
//   v5 offline replicas   v7 leader epochs   v8 authorized operations   v9 flexible   v10 topic ids
//   v11 cluster operations moved to DescribeCluster   v12 asked for by topic id   v13 top-level error
//
// A topic that is not there is created when the client and the node allow it; the first answer is still
// UNKNOWN_TOPIC_OR_PARTITION, as Kafka 4.3.1's (measured), and the client asks again.
#include <algorithm>
#include <set>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/forwarding.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "kraft/controller/topic_control.hpp"
#include "protocol/messages/api_metadata.hpp"

namespace barnabas::broker {

using protocol::MetadataRequest;
using protocol::MetadataResponse;
using TopicAnswer = MetadataResponse::MetadataResponseTopic;

namespace {

constexpr std::int16_t kFirstVersionWithListenerNotFound = 6;
constexpr std::int16_t kFirstVersionWithUnavailableReplicas = 1;
constexpr std::int16_t kFirstVersionByTopicId = 12;

MetadataResponse::MetadataResponsePartition describe_partition(const RequestContext& context,
                                                               const kraft::MetadataImage& image,
                                                               const kraft::PartitionRegistration& partition,
                                                               std::int32_t index) {
  MetadataResponse::MetadataResponsePartition answer;
  const std::string& listener = context.connection->listener;
  answer.partition_index = index;
  answer.leader_id = partition.leader.value();
  answer.leader_epoch = partition.leader_epoch.value();
  answer.replica_nodes = values_of(partition.replicas);
  answer.isr_nodes = values_of(partition.isr);
  for (std::size_t at = 0; at < partition.replicas.size(); ++at)
    if (!is_replica_online(image, partition, at, listener))
      answer.offline_replicas.push_back(partition.replicas[at].value());
  ErrorCode error = ErrorCode::kNone;
  if (partition.leader == kNoBroker || !image.broker(partition.leader)) {
    error = ErrorCode::kLeaderNotAvailable;
    answer.leader_id = -1;
  } else if (!endpoint_of(image, partition.leader, listener)) {
    error = context.api_version >= kFirstVersionWithListenerNotFound ? ErrorCode::kListenerNotFound
                                                                     : ErrorCode::kLeaderNotAvailable;
    answer.leader_id = -1;
  } else if (context.api_version < kFirstVersionWithUnavailableReplicas && !answer.offline_replicas.empty()) {
    error = ErrorCode::kReplicaNotAvailable;
  }
  answer.error_code = static_cast<std::int16_t>(error);
  return answer;
}

class MetadataQuery {
 public:
  MetadataQuery(Services& services, const RequestContext& context, const MetadataRequest& request,
                MetadataResponse& response)
      : services_(services),
        context_(context),
        request_(request),
        response_(response),
        image_(services.metadata.image()) {}

  void answer_cluster() {
    const std::string& listener = context_.connection->listener;
    for (const auto& [id, broker] : image_->cluster->brokers) {
      const Endpoint* endpoint = endpoint_of(*image_, id, listener);
      if (broker.fenced || !endpoint) continue;
      response_.brokers.push_back({id.value(), endpoint->host, endpoint->port, broker.rack});
    }
    response_.cluster_id = services_.metadata.cluster_id();
    response_.controller_id = services_.metadata.self().value();
    if (request_.include_cluster_authorized_operations) {
      response_.cluster_authorized_operations =
          allowed_on_cluster(services_, context_, Operation::kDescribe)
              ? authorized_operations(services_, context_, ResourceKind::kCluster, kClusterResource)
              : 0;
    }
  }

  void answer_topics() {
    const bool all = context_.api_version == 0 ? request_.topics->empty() : !request_.topics;
    if (all) {
      for (const auto& [name, topic] : image_->topics->by_name) {
        if (allowed(services_, context_, Operation::kDescribe, ResourceKind::kTopic, name)) add_known(*topic);
      }
      return;
    }
    std::set<std::string> asked;
    // Where topics are asked for by id, names are not looked at (measured on Kafka 4.3.1).
    const bool by_id =
        std::ranges::any_of(*request_.topics, [](const auto& t) { return !t.topic_id.is_zero(); });
    for (const auto& topic : *request_.topics) {
      if (by_id && context_.api_version < kFirstVersionByTopicId) {
        add_refused(topic.name.value_or(""), TopicId(topic.topic_id), ErrorCode::kInvalidRequest);
      } else if (by_id) {
        if (!topic.topic_id.is_zero()) answer_id(TopicId(topic.topic_id));
      } else if (topic.name && asked.insert(*topic.name).second) {
        answer_name(*topic.name);
      }
    }
    if (!to_create_.topics.empty()) create();
  }

 private:
  TopicAnswer& add_refused(const std::optional<std::string>& name, TopicId id, ErrorCode error) {
    TopicAnswer& answer = response_.topics.emplace_back();
    answer.error_code = static_cast<std::int16_t>(error);
    answer.name = name;
    answer.topic_id = id.value();
    return answer;
  }

  void add_known(const kraft::TopicImage& topic) {
    TopicAnswer& answer = add_refused(topic.name, topic.id, ErrorCode::kNone);
    answer.is_internal = is_internal_topic(topic.name);
    if (request_.include_topic_authorized_operations) {
      answer.topic_authorized_operations =
          authorized_operations(services_, context_, ResourceKind::kTopic, topic.name);
    }
    for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
      answer.partitions.push_back(
          describe_partition(context_, *image_, topic.partitions[i], static_cast<std::int32_t>(i)));
    }
  }

  void answer_id(TopicId id) {
    const kraft::TopicImage* topic = image_->topic(id);
    if (!topic) {
      add_refused(std::nullopt, id, ErrorCode::kUnknownTopicId);
    } else if (!allowed(services_, context_, Operation::kDescribe, ResourceKind::kTopic, topic->name)) {
      // Its name is the secret, not its id.
      add_refused(std::nullopt, id, ErrorCode::kTopicAuthorizationFailed);
    } else {
      add_known(*topic);
    }
  }

  void answer_name(const std::string& name) {
    if (!allowed(services_, context_, Operation::kDescribe, ResourceKind::kTopic, name)) {
      add_refused(name, TopicId{}, ErrorCode::kTopicAuthorizationFailed);
      return;
    }
    if (const kraft::TopicImage* topic = image_->topic(name)) return add_known(*topic);
    ErrorCode error = ErrorCode::kUnknownTopicOrPartition;
    const bool wants_creation = (context_.api_version < 4 || request_.allow_auto_topic_creation) &&
                                services_.config.settings()->auto_create_topics_enable;
    if (wants_creation && !may_create(name)) {
      error = ErrorCode::kTopicAuthorizationFailed;
    } else if (!kraft::validate_topic_name(name)) {
      error = ErrorCode::kInvalidTopicException;
    } else if (wants_creation) {
      to_create_.topics.push_back(auto_created_topic(*services_.config.settings(), name));
    }
    add_refused(name, TopicId{}, error).is_internal = is_internal_topic(name);
  }

  [[nodiscard]] bool may_create(const std::string& name) const {
    return allowed_on_cluster(services_, context_, Operation::kCreate) ||
           allowed(services_, context_, Operation::kCreate, ResourceKind::kTopic, name);
  }

  void create() {
    // Whoever asked finds the topic, or its absence, with the next request.
    using protocol::CreateTopicsRequest;
    using protocol::CreateTopicsResponse;
    ask_controller_for<CreateTopicsResponse>(services_, context_, CreateTopicsRequest::kMaxVersion,
                                             std::move(to_create_), [](const CreateTopicsResponse&) {});
  }

  Services& services_;
  const RequestContext& context_;
  const MetadataRequest& request_;
  MetadataResponse& response_;
  kraft::MetadataImagePtr image_;
  protocol::CreateTopicsRequest to_create_;
};

void handle_metadata(Services& services, const RequestContext& context, MetadataRequest& request,
                     Reply<MetadataResponse> reply) {
  MetadataResponse response;
  MetadataQuery query(services, context, request, response);
  query.answer_cluster();
  query.answer_topics();
  reply.send(response);
}

}  // namespace

bool serve_metadata(Services& services, const RequestContext& context, protocol::Reader& reader,
                    ResponseSink sink) {
  return decode_and_handle<MetadataRequest, MetadataResponse, handle_metadata>(services, context, reader,
                                                                               std::move(sink));
}

}  // namespace barnabas::broker
