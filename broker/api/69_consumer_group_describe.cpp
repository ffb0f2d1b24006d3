// ConsumerGroupDescribe 0-1: state, epochs, members and assignments of groups of the consumer protocol
// (KIP-848).
//
//   v1 which protocol a member came by
//
// A group with a topic that the client may not describe is refused as a whole. Where the protocol is not to
// be used (group.version, group.coordinator.rebalance.protocols) each group is UNSUPPORTED_VERSION.
#include <algorithm>
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "protocol/messages/api_consumer_group_describe.hpp"

namespace barnabas::broker {

using protocol::ConsumerGroupDescribeRequest;
using protocol::ConsumerGroupDescribeResponse;
using DescribedConsumers = ConsumerGroupDescribeResponse::DescribedGroup;

namespace {

/// Collects the groups' answers, which come from several threads, and sends them when all are there. Those
/// that were refused come first, as Kafka answers.
class Gathering {
 public:
  Gathering(Reply<ConsumerGroupDescribeResponse> reply, std::vector<DescribedConsumers> refused,
            std::size_t count)
      : reply_(std::move(reply)), refused_(refused.size()), missing_(count) {
    response_.groups = std::move(refused);
    response_.groups.resize(refused_ + count);
  }

  void put(std::size_t index, DescribedConsumers group) {
    std::lock_guard lock(mutex_);
    response_.groups[refused_ + index] = std::move(group);
    if (--missing_ == 0) reply_.send(response_);
  }

 private:
  std::mutex mutex_;
  Reply<ConsumerGroupDescribeResponse> reply_;  // guarded by mutex_, as all below
  const std::size_t refused_;
  std::size_t missing_;
  ConsumerGroupDescribeResponse response_;
};

DescribedConsumers refusal(const std::string& id, ErrorCode error) {
  DescribedConsumers group;
  group.group_id = id;
  group.error_code = static_cast<std::int16_t>(error);
  return group;
}

/// The group as the client may see it.
DescribedConsumers visible(const Services& services, const RequestContext& context,
                           DescribedConsumers group) {
  const auto may_know = [&](const auto& topic) {
    return allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic.topic_name);
  };
  const auto may_see = [&](const auto& member) {
    return std::ranges::all_of(member.assignment.topic_partitions, may_know) &&
           std::ranges::all_of(member.target_assignment.topic_partitions, may_know);
  };
  if (std::ranges::all_of(group.members, may_see)) return group;
  DescribedConsumers hidden = refusal(group.group_id, ErrorCode::kTopicAuthorizationFailed);
  hidden.error_message = "The group has described topic(s) that the client is not authorized to describe.";
  return hidden;
}

void handle_consumer_group_describe(Services& services, const RequestContext& context,
                                    ConsumerGroupDescribeRequest& request,
                                    Reply<ConsumerGroupDescribeResponse> reply) {
  std::vector<DescribedConsumers> refused;
  const ErrorCode protocol = services.groups.consumer_protocol();
  std::erase_if(request.group_ids, [&](const std::string& id) {
    const ErrorCode error = protocol != ErrorCode::kNone ? protocol
                            : !allowed(services, context, Operation::kDescribe, ResourceKind::kGroup, id)
                                ? ErrorCode::kGroupAuthorizationFailed
                            : id.empty() ? ErrorCode::kInvalidGroupId
                                         : ErrorCode::kNone;
    if (error != ErrorCode::kNone) refused.push_back(refusal(id, error));
    return error != ErrorCode::kNone;
  });
  if (request.group_ids.empty()) {
    ConsumerGroupDescribeResponse response;
    response.groups = std::move(refused);
    return reply.send(response);
  }
  auto gathering =
      std::make_shared<Gathering>(std::move(reply), std::move(refused), request.group_ids.size());
  for (std::size_t i = 0; i < request.group_ids.size(); ++i) {
    const std::string& id = request.group_ids[i];
    const std::int32_t operations = request.include_authorized_operations
                                        ? authorized_operations(services, context, ResourceKind::kGroup, id)
                                        : kOperationsNotAsked;
    const auto put = [gathering, i, operations, &services, context](const DescribedConsumers& group) {
      DescribedConsumers described = visible(services, context, group);
      if (described.error_code == 0) described.authorized_operations = operations;
      gathering->put(i, std::move(described));
    };
    services.groups.run(id, GroupDriver::Kind::kExclusive,
                        [id, put](ErrorCode error, GroupShard* shard, Step* step) {
                          if (error != ErrorCode::kNone) return put(refusal(id, error));
                          Answer<DescribedConsumers> answer = put;
                          step->reply(answer, shard->consumer().describe(id));
                        });
  }
}

}  // namespace

bool serve_consumer_group_describe(Services& services, const RequestContext& context,
                                   protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse,
                           handle_consumer_group_describe>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
