// Produce 0-13.
//
//   v0-2 message sets (converted by the log)   v1 throttle time   v2 LogAppendTime in the answer   v3 record
//   batches, transactional id   v5 log start offset   v7 zstd   v8 record errors   v9 flexible v10 current
//   leader and node endpoints (KIP-951)   v12 implicit partitions of a transaction (KIP-890) v13 topic ids
//   (KIP-516)
//
// The ordered stage (validate, append) is done when the handler returns, so the connection goes on with its
// next request. With acks=all the answer waits until the in-sync replicas have the batch, for timeout.ms at
// most; with one replica the append is enough. Where flush.messages is reached the answer waits for the disk,
// whatever the acks (LogFlusher). A batch that opens a transaction in its
// partition is appended once the transaction's coordinator has said that the partition is part of it, or has
// made it so (from v12 on); meanwhile the connection's next request waits. Measured on Kafka 4.3.1: a
// partition named twice is appended once, from its last occurrence; null records are INVALID_RECORD here
// where Kafka never answers; a failure with acks=0 closes the connection.
#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/api/pending_produce.hpp"
#include "broker/api/transactional_produce.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::broker {

using protocol::ProduceRequest;
using protocol::ProduceResponse;
using PartitionAnswer = ProduceResponse::PartitionProduceResponse;

namespace {

constexpr std::string_view kAdminClientId = "__admin_client";
constexpr std::int16_t kAllReplicas = -1;  // acks

PartitionAnswer refusal(std::int32_t index, ErrorCode code, std::string message = {}) {
  PartitionAnswer answer;
  answer.index = index;
  answer.error_code = static_cast<std::int16_t>(code);
  answer.base_offset = -1;
  if (!message.empty()) answer.error_message = std::move(message);
  return answer;
}

/// Kafka looks at these before it asks the log, and for the codes below it forgets what the log said: its
/// answer has no log start offset then (measured on Kafka 4.3.1).
bool refused_before_the_log(ByteView records, ErrorCode code) {
  switch (code) {
    case ErrorCode::kCorruptMessage:
    case ErrorCode::kMessageTooLarge:
    case ErrorCode::kRecordListTooLarge:
    case ErrorCode::kKafkaStorageError:
    case ErrorCode::kUnsupportedForMessageFormat:
    case ErrorCode::kUnsupportedCompressionType:
      return true;
    default:
      break;
  }
  if (records.size() < protocol::kBatchHeaderBytes || protocol::LogEntry(records).is_legacy()) return true;
  const std::int64_t first = protocol::RecordBatchHeader(records.data()).size_bytes();
  const auto total = static_cast<std::int64_t>(records.size());
  return first > total || total - first >= static_cast<std::int64_t>(protocol::kBatchHeaderBytes);
}

PartitionAnswer refusal(std::int32_t index, ByteView records, Offset log_start, log::AppendError error) {
  // The message is for what single records did wrong; Kafka sends none with any other error of a batch.
  PartitionAnswer answer =
      refusal(index, error.error.code, error.record_errors.empty() ? "" : std::move(error.error.detail));
  if (!refused_before_the_log(records, error.error.code)) answer.log_start_offset = log_start.value();
  for (log::RecordError& record : error.record_errors) {
    answer.record_errors.push_back({record.batch_index, std::move(record.message)});
  }
  return answer;
}

/// The records lie in the session's read buffer, which nobody else uses during the handler: the log patches
/// offsets and epochs there instead of copying (both are outside the CRC).
MutableByteView patchable(const protocol::Records& records) {
  return {const_cast<std::uint8_t*>(records.bytes.data()), records.bytes.size()};
}

struct ProduceStep {
  Services& services;
  const RequestContext& context;
  const ProduceRequest& request;
  kraft::MetadataImagePtr image;
  ProduceResponse& response;
  std::vector<const ProduceRequest::PartitionProduceData*> named_again;  // sorted; not to be looked at
  const VerifiedBatches& verified;
  std::vector<Unfinished>& unfinished;
};

ErrorCode check_topic(const Services& services, const RequestContext& context, const std::string& name) {
  if (!allowed(services, context, Operation::kWrite, ResourceKind::kTopic, name))
    return ErrorCode::kTopicAuthorizationFailed;
  if (is_internal_topic(name) && context.client_id != kAdminClientId)
    return ErrorCode::kInvalidTopicException;
  return ErrorCode::kNone;
}

/// Null when the id is not known.
const std::string* name_of(const kraft::MetadataImage& image, const RequestContext& context,
                           const ProduceRequest::TopicProduceData& topic) {
  constexpr std::int16_t kFirstVersionByTopicId = 13;
  if (context.api_version < kFirstVersionByTopicId) return &topic.name;
  const kraft::TopicImage* known = image.topic(TopicId(topic.topic_id));
  return known != nullptr ? &known->name : nullptr;
}

PartitionAnswer append_to(const ProduceStep& step, std::string_view topic,
                          const ProduceRequest::PartitionProduceData& data) {
  auto partition = step.services.replicas.find(topic, PartitionIndex(data.index));
  if (!partition) {
    return refusal(data.index, error_without_replica(*step.image, topic, PartitionIndex(data.index)));
  }
  if (!data.records) return refusal(data.index, ErrorCode::kInvalidRecord, "Records may not be null.");
  log::AppendOptions options;
  options.produce_version = step.context.api_version;
  options.syncs_later = true;
  if (const auto asked = step.verified.find(&data); asked != step.verified.end()) {
    if (asked->second.error != ErrorCode::kNone) {
      RefusedBatch told = refused_batch(asked->second.error, step.context.api_version);
      return refusal(data.index, told.error, std::move(told.message));
    }
    options.guard = asked->second.guard;
  }
  const bool wants_all = step.request.acks == kAllReplicas;
  auto appended = partition->append(patchable(*data.records), options,
                                    wants_all ? RequiredAcks::kAll : RequiredAcks::kLeader);
  if (!appended) {
    const Offset log_start =
        partition->with_log([](log::PartitionLog& log) { return log.log_start_offset(); });
    return refusal(data.index, data.records->bytes, log_start, std::move(appended).error());
  }
  PartitionAnswer answer;
  answer.index = data.index;
  answer.base_offset = appended->base_offset.value();
  answer.log_append_time_ms = appended->log_append_time_ms;
  answer.log_start_offset = appended->log_start_offset.value();
  const bool waits_for_replicas = wants_all && !appended->is_committed;
  if (appended->sync_due || waits_for_replicas) {
    const auto& topics = step.response.responses;
    step.unfinished.push_back({std::move(partition), topics.size() - 1,
                               topics.back().partition_responses.size(), appended->last_offset + 1,
                               appended->sync_due, waits_for_replicas});
  }
  return answer;
}

using Data = ProduceRequest::PartitionProduceData;

/// The entries whose partition the request names again later: sorted addresses, none in a usual request.
std::vector<const Data*> find_named_again(const ProduceRequest& request) {
  struct Named {
    std::string_view topic;  // name, or the id's bytes
    const Data* data;
  };
  std::vector<const Data*> again;
  if (request.topic_data.size() == 1 && request.topic_data[0].partition_data.size() == 1) return again;
  std::vector<Named> named;
  for (const auto& topic : request.topic_data) {
    const std::string_view key = topic.name.empty() ? as_text(topic.topic_id.bytes) : topic.name;
    for (const Data& data : topic.partition_data) named.push_back({key, &data});
  }
  std::ranges::stable_sort(named, [](const Named& a, const Named& b) {
    return std::tie(a.topic, a.data->index) < std::tie(b.topic, b.data->index);
  });
  for (std::size_t i = 0; i + 1 < named.size(); ++i) {
    const bool same =
        named[i].topic == named[i + 1].topic && named[i].data->index == named[i + 1].data->index;
    if (same) again.push_back(named[i].data);
  }
  std::ranges::sort(again);
  return again;
}

void produce_topic(const ProduceStep& step, const ProduceRequest::TopicProduceData& topic) {
  ProduceResponse::TopicProduceResponse& answers = step.response.responses.emplace_back();
  answers.topic_id = topic.topic_id;
  const std::string* name = name_of(*step.image, step.context, topic);
  ErrorCode refused = ErrorCode::kUnknownTopicId;
  if (name != nullptr) refused = check_topic(step.services, step.context, *name);
  answers.name = name != nullptr ? *name : topic.name;
  for (const Data& data : topic.partition_data) {
    if (std::ranges::binary_search(step.named_again, &data)) continue;
    PartitionAnswer answer =
        refused == ErrorCode::kNone ? append_to(step, *name, data) : refusal(data.index, refused);
    constexpr std::int16_t kFirstVersionWithLeaders = 10;
    if (step.context.api_version >= kFirstVersionWithLeaders &&
        answer.error_code == static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower)) {
      describe_leader(*step.image, step.context, *name, PartitionIndex(answer.index), answer.current_leader,
                      step.response.node_endpoints);
    }
    answers.partition_responses.push_back(std::move(answer));
  }
}

void refuse_everything(const ProduceRequest& request, ErrorCode code, ProduceResponse& response) {
  for (const auto& topic : request.topic_data) {
    auto& answers = response.responses.emplace_back();
    answers.name = topic.name;
    answers.topic_id = topic.topic_id;
    for (const auto& data : topic.partition_data)
      answers.partition_responses.push_back(refusal(data.index, code));
  }
}

/// One transactional batch makes the whole request one of a transactional id.
bool has_transactional_batch(const ProduceRequest& request) {
  return std::ranges::any_of(request.topic_data, [](const auto& topic) {
    return std::ranges::any_of(topic.partition_data, [](const auto& data) {
      return data.records && is_transactional(data.records->bytes);
    });
  });
}

void append_all(Services& services, const RequestContext& context, const ProduceRequest& request,
                const VerifiedBatches& verified, ProduceReply reply) {
  ProduceResponse response;
  std::vector<Unfinished> unfinished;
  const ProduceStep step{
      services, context,   request, services.metadata.image(), response, find_named_again(request),
      verified, unfinished};
  for (const auto& topic : request.topic_data) {
    produce_topic(step, topic);
    if (response.responses.back().partition_responses.empty()) response.responses.pop_back();
  }
  if (unfinished.empty()) return answer_produce(reply, response, request.acks);
  const auto patience = std::chrono::milliseconds(std::max(request.timeout_ms, 0));
  std::make_shared<PendingProduce>(*context.reactor, request.acks, std::move(response), std::move(reply),
                                   std::move(unfinished))
      ->start(services.flusher, services.clock.monotonic() + patience);
}

/// A request that waits for a coordinator. Its batches stay in the session's buffer, which `context` keeps.
struct WaitingProduce {
  Services& services;
  RequestContext context;
  ProduceRequest request;
  ProduceQuestion asked;
  ProduceReply reply;
};

void produce_in_transaction(Services& services, const RequestContext& context, ProduceRequest& request,
                            ProduceReply reply) {
  const kraft::MetadataImagePtr image = services.metadata.image();
  ProduceQuestion asked = find_question(
      services, context, request, [&](const ProduceRequest::TopicProduceData& topic) -> std::string_view {
        const std::string* name = name_of(*image, context, topic);
        const bool may_ask = name != nullptr && check_topic(services, context, *name) == ErrorCode::kNone;
        return may_ask ? std::string_view(*name) : std::string_view();
      });
  if (asked.refused != ErrorCode::kNone) {
    if (request.acks == 0) return reply.close_connection();
    ProduceResponse response;
    refuse_everything(request, asked.refused, response);
    return reply.send(response);
  }
  if (asked.batches.empty()) return append_all(services, context, request, {}, std::move(reply));
  context.connection->holds_requests = true;
  TransactionQuestion question = std::move(asked.question);
  auto waiting = std::make_shared<WaitingProduce>(services, context, std::move(request), std::move(asked),
                                                  std::move(reply));
  question.renew_guards = [waiting](const std::vector<TopicPartition>& partitions) {
    renew_guards(waiting->services, partitions, waiting->asked);
  };
  services.transactions.gate().ask(std::move(question), *context.reactor,
                                   [waiting](const std::vector<ErrorCode>& errors) {
                                     VerifiedBatches& verified = waiting->asked.verified;
                                     for (std::size_t i = 0; i < errors.size(); ++i)
                                       verified.at(waiting->asked.batches[i]).error = errors[i];
                                     append_all(waiting->services, waiting->context, waiting->request,
                                                verified, std::move(waiting->reply));
                                   });
}

void handle_produce(Services& services, const RequestContext& context, ProduceRequest& request,
                    Reply<ProduceResponse> reply) {
  ProduceResponse refused;
  // Measured on Kafka 4.3.1: that an id is named and may be used comes before everything else, acks included.
  const bool is_of_transaction = has_transactional_batch(request);
  if (is_of_transaction &&
      !(request.transactional_id && allowed(services, context, Operation::kWrite,
                                            ResourceKind::kTransactionalId, *request.transactional_id))) {
    if (request.acks == 0) return reply.close_connection();
    refuse_everything(request, ErrorCode::kTransactionalIdAuthorizationFailed, refused);
    return reply.send(refused);
  }
  if (request.acks < -1 || request.acks > 1) {
    refuse_everything(request, ErrorCode::kInvalidRequiredAcks, refused);
    return reply.send(refused);
  }
  if (is_of_transaction) return produce_in_transaction(services, context, request, std::move(reply));
  append_all(services, context, request, {}, std::move(reply));
}

}  // namespace

bool serve_produce(Services& services, const RequestContext& context, protocol::Reader& reader,
                   ResponseSink sink) {
  return decode_and_handle<ProduceRequest, ProduceResponse, handle_produce>(services, context, reader,
                                                                            std::move(sink));
}

}  // namespace barnabas::broker
