// OffsetFetch 0-10: what groups have committed.
//
//   v0 was kept in ZooKeeper: UNSUPPORTED_VERSION, as without one in Kafka 3.9.1   v2 null topics mean all;
//   an error of the whole   v3 throttle time   v5 leader epochs   v6 flexible v7 require stable offsets
//   (KIP-447)   v8 several groups in one request   v9 member id and epoch (KIP-848)   v10 topic ids
#include <algorithm>
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_offset_fetch.hpp"

namespace barnabas::broker {

using protocol::OffsetFetchRequest;
using protocol::OffsetFetchResponse;
using GroupRequest = OffsetFetchRequest::OffsetFetchRequestGroup;
using GroupAnswer = OffsetFetchResponse::OffsetFetchResponseGroup;

namespace {

constexpr std::int16_t kFirstVersionWithGlobalError = 2;
constexpr std::int16_t kFirstVersionOfGroups = 8;
constexpr std::int16_t kFirstVersionByTopicId = 10;

using Answers = std::vector<OffsetFetchResponse::OffsetFetchResponseTopics>;

template <class Topic>
void add_failed(const Topic& asked, ErrorCode error, Answers& topics) {
  auto& topic = topics.emplace_back();
  topic.name = asked.name;
  if constexpr (requires { asked.topic_id; }) topic.topic_id = asked.topic_id;
  for (const std::int32_t index : asked.partition_indexes) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = index;
    partition.committed_offset = -1;
    partition.metadata = "";
    partition.error_code = static_cast<std::int16_t>(error);
  }
}

/// Puts a group's answers where they stand in versions about one group.
void put_flat(Answers topics, OffsetFetchResponse& response) {
  for (auto& from : topics) {
    auto& topic = response.topics.emplace_back();
    topic.name = std::move(from.name);
    for (auto& partition : from.partitions) {
      topic.partitions.push_back({partition.partition_index, partition.committed_offset,
                                  partition.committed_leader_epoch, std::move(partition.metadata),
                                  partition.error_code});
    }
  }
}

/// Collects the groups' answers, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(Reply<OffsetFetchResponse> reply, OffsetFetchRequest request, std::int16_t version)
      : reply_(std::move(reply)),
        request_(std::move(request)),
        version_(version),
        missing_(request_.groups.size()) {
    response_.groups.resize(missing_);
  }

  void put(std::size_t index, GroupAnswer answer) {
    std::lock_guard lock(mutex_);
    response_.groups[index] = std::move(answer);
    if (--missing_ > 0) return;
    if (version_ < kFirstVersionOfGroups) flatten();
    reply_.send(response_);
  }

 private:
  /// Before version 8 a response is about one group.
  void flatten() {
    GroupAnswer group = std::move(response_.groups.front());
    response_.groups.clear();
    response_.error_code = group.error_code;
    if (group.error_code != 0 && version_ < kFirstVersionWithGlobalError && request_.topics) {
      for (const auto& topic : *request_.topics)
        add_failed(topic, static_cast<ErrorCode>(group.error_code), group.topics);
    }
    put_flat(std::move(group.topics), response_);
  }

  std::mutex mutex_;
  Reply<OffsetFetchResponse> reply_;  // guarded by mutex_, as all below
  OffsetFetchRequest request_;
  std::int16_t version_;
  std::size_t missing_;
  OffsetFetchResponse response_;
};

/// One group's part: what may be asked goes to the shard, what may not is answered here.
class GroupFetch {
 public:
  GroupFetch(Services& services, const RequestContext& context, GroupRequest request)
      : services_(services),
        context_(context),
        image_(services.metadata.image()),
        request_(std::move(request)) {
    if (!request_.topics) return;
    std::erase_if(*request_.topics, [&](auto& topic) {
      const ErrorCode error = resolve(topic);
      if (error != ErrorCode::kNone) add_failed(topic, error, failed_);
      return error != ErrorCode::kNone;
    });
  }

  /// Asks the group's shard; its answer goes to place `index`.
  void run(bool require_stable, std::shared_ptr<Gathering> gathering, std::size_t index) {
    GroupAnswer refused;
    refused.group_id = request_.group_id;
    if (!allowed(services_, context_, Operation::kDescribe, ResourceKind::kGroup, request_.group_id)) {
      refused.error_code = static_cast<std::int16_t>(ErrorCode::kGroupAuthorizationFailed);
      return gathering->put(index, std::move(refused));
    }
    Answer<GroupAnswer> answer;
    if (request_.topics) {
      answer = [gathering, index, failed = std::move(failed_)](const GroupAnswer& fetched) {
        GroupAnswer complete = fetched;
        if (complete.error_code == 0) {
          complete.topics.insert(complete.topics.end(), failed.begin(), failed.end());
        }
        gathering->put(index, std::move(complete));
      };
    } else {
      answer = [gathering, index, &services = services_, context = context_](const GroupAnswer& fetched) {
        gathering->put(index, visible(services, context, fetched));
      };
    }
    const std::string group = request_.group_id;
    services_.groups.run(group, GroupDriver::Kind::kCommuting,
                         [request = std::move(request_), require_stable, answer = std::move(answer)](
                             ErrorCode error, GroupShard* shard, Step* step) mutable {
                           if (error == ErrorCode::kNone) {
                             return shard->fetch_offsets(request, require_stable, std::move(answer), *step);
                           }
                           GroupAnswer failed;
                           failed.group_id = request.group_id;
                           failed.error_code = static_cast<std::int16_t>(error);
                           answer(failed);
                         });
  }

 private:
  /// Finds the name of an id; what is wrong with the topic.
  ErrorCode resolve(OffsetFetchRequest::OffsetFetchRequestTopics& topic) const {
    if (context_.api_version >= kFirstVersionByTopicId) {
      const kraft::TopicImage* known = image_->topic(TopicId(topic.topic_id));
      if (known == nullptr) return ErrorCode::kUnknownTopicId;
      topic.name = known->name;
    }
    return allowed(services_, context_, Operation::kDescribe, ResourceKind::kTopic, topic.name)
               ? ErrorCode::kNone
               : ErrorCode::kTopicAuthorizationFailed;
  }

  /// Of all topics only those that the client may know; in versions by id only those that have one.
  static GroupAnswer visible(const Services& services, const RequestContext& context, GroupAnswer fetched) {
    const kraft::MetadataImagePtr image = services.metadata.image();
    std::erase_if(fetched.topics, [&](auto& topic) {
      const kraft::TopicImage* known = image->topic(topic.name);
      if (known != nullptr) topic.topic_id = known->id.value();
      return (known == nullptr && context.api_version >= kFirstVersionByTopicId) ||
             !allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic.name);
    });
    return fetched;
  }

  Services& services_;
  const RequestContext& context_;
  kraft::MetadataImagePtr image_;
  GroupRequest request_;
  std::vector<OffsetFetchResponse::OffsetFetchResponseTopics> failed_;
};

void handle_offset_fetch(Services& services, const RequestContext& context, OffsetFetchRequest& request,
                         Reply<OffsetFetchResponse> reply) {
  if (context.api_version == 0) {
    OffsetFetchResponse response;
    Answers refused;
    for (const auto& topic : *request.topics) add_failed(topic, ErrorCode::kUnsupportedVersion, refused);
    put_flat(std::move(refused), response);
    return reply.send(response);
  }
  if (context.api_version < kFirstVersionOfGroups) {
    GroupRequest group;
    group.group_id = request.group_id;
    group.topics.reset();
    if (request.topics) {
      group.topics.emplace();
      for (const auto& topic : *request.topics)
        group.topics->push_back({topic.name, {}, topic.partition_indexes});
    }
    request.groups = {std::move(group)};
  }
  if (request.groups.empty()) return reply.send({});
  std::vector<GroupRequest> groups = request.groups;
  const bool require_stable = request.require_stable;
  auto gathering = std::make_shared<Gathering>(std::move(reply), std::move(request), context.api_version);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    GroupFetch fetch(services, context, std::move(groups[i]));
    fetch.run(require_stable, gathering, i);
  }
}

}  // namespace

bool serve_offset_fetch(Services& services, const RequestContext& context, protocol::Reader& reader,
                        ResponseSink sink) {
  return decode_and_handle<OffsetFetchRequest, OffsetFetchResponse, handle_offset_fetch>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
