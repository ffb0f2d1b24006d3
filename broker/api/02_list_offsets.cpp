// ListOffsets 0-11: offsets by timestamp.
//
//   v0 offsets where segments begin, by when they were written   v1 one offset, by the records' times   v2
//   isolation level   v4 leader epochs   v6 flexible   v7 largest timestamp (-3, KIP-734) v8 earliest local
//   (-4, KIP-405)   v9 last tiered (-5)   v10 timeout   v11 earliest pending upload (-6)
//
// Measured on Kafka 4.3.1: without tiered storage -5 and -6 answer offset -1, below -6 is
// UNSUPPORTED_VERSION, as is a special timestamp in a version that did not have it yet; a partition named
// several times in one request is answered once, INVALID_REQUEST.
#include <algorithm>
#include <map>
#include <optional>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_list_offsets.hpp"

namespace barnabas::broker {

using protocol::ListOffsetsRequest;
using protocol::ListOffsetsResponse;
using Answer = ListOffsetsResponse::ListOffsetsPartitionResponse;

namespace {

constexpr std::int64_t kLatest = -1;
constexpr std::int64_t kEarliest = -2;
constexpr std::int64_t kMaxTimestamp = -3;
constexpr std::int64_t kEarliestLocal = -4;
constexpr std::int64_t kLatestTiered = -5;
constexpr std::int64_t kEarliestPendingUpload = -6;
constexpr std::int32_t kConsumerReplicaId = -1;
constexpr int kRefusedAlready = 0;  // times that a partition is named

/// Whether a request of `version` may ask for this timestamp: times of the day always.
bool may_ask(std::int64_t timestamp_ms, std::int16_t version) {
  switch (timestamp_ms) {
    case kLatest:
    case kEarliest:
      return true;
    case kMaxTimestamp:
      return version >= 7;
    case kEarliestLocal:
      return version >= 8;
    case kLatestTiered:
      return version >= 9;
    case kEarliestPendingUpload:
      return version >= 11;
    default:
      return timestamp_ms >= 0;
  }
}

Result<log::TimestampOffset> look_up(log::PartitionLog& log, std::int64_t timestamp_ms, Offset up_to) {
  switch (timestamp_ms) {
    case kLatest:
      return log::TimestampOffset{-1, up_to, log.latest_epoch()};
    case kEarliest:
    case kEarliestLocal:
      return log::TimestampOffset{-1, log.log_start_offset(), log.epoch_of(log.log_start_offset())};
    case kLatestTiered:
    case kEarliestPendingUpload:
      return log::TimestampOffset{};
    default:
      break;
  }
  auto found =
      timestamp_ms == kMaxTimestamp ? log.find_max_timestamp() : log.find_by_timestamp(timestamp_ms, up_to);
  if (!found) return std::unexpected(std::move(found).error());
  return found->value_or(log::TimestampOffset{});
}

/// What version 0 tells: the log's end and where segments begin, the newest first, of those that were written
/// by `timestamp_ms`. Measured on Kafka 3.9.1.
std::vector<std::int64_t> offsets_written_by(log::PartitionLog& log, std::int64_t timestamp_ms,
                                             std::size_t limit, std::int64_t now_ms) {
  const Offset end = log.high_watermark();
  std::vector<log::SegmentTime> known = log.segment_times();
  std::erase_if(known, [end](const log::SegmentTime& segment) { return segment.base_offset >= end; });
  known.push_back({end, now_ms});
  if (timestamp_ms == kEarliest) known.resize(1);
  const bool any_time = timestamp_ms == kEarliest || timestamp_ms == kLatest;
  std::vector<std::int64_t> offsets;
  for (auto at = known.rbegin(); at != known.rend() && offsets.size() < limit; ++at) {
    // Everything before a segment that was written in time counts, whenever that was written.
    if (any_time || !offsets.empty() || at->modified_ms <= timestamp_ms)
      offsets.push_back(std::max(at->base_offset, log.log_start_offset()).value());
  }
  return offsets;
}

Answer list_offset(Services& services, const RequestContext& context, const ListOffsetsRequest& request,
                   const std::string& topic, const ListOffsetsRequest::ListOffsetsPartition& asked) {
  Answer answer;
  answer.partition_index = asked.partition_index;
  const PartitionIndex index(asked.partition_index);
  auto partition = services.replicas.find(topic, index);
  ErrorCode refused = ErrorCode::kNone;
  if (!may_ask(asked.timestamp, context.api_version)) {
    refused = ErrorCode::kUnsupportedVersion;
  } else if (!partition) {
    refused = error_without_replica(*services.metadata.image(), topic, index);
  } else {
    refused = partition->check_leader(LeaderEpoch(asked.current_leader_epoch));
  }
  if (refused != ErrorCode::kNone) {
    answer.error_code = static_cast<std::int16_t>(refused);
    return answer;
  }
  if (context.api_version == 0) {
    if (asked.max_num_offsets < 0) {
      answer.error_code = static_cast<std::int16_t>(ErrorCode::kUnknownServerError);
      return answer;
    }
    answer.old_style_offsets = partition->with_log([&](log::PartitionLog& log) {
      return offsets_written_by(log, asked.timestamp, static_cast<std::size_t>(asked.max_num_offsets),
                                services.clock.wall_ms());
    });
    return answer;
  }
  const bool of_consumer = request.replica_id == kConsumerReplicaId;
  if (of_consumer && asked.timestamp == kLatest && partition->is_behind_its_epoch()) {
    answer.error_code = static_cast<std::int16_t>(context.api_version >= 5 ? ErrorCode::kOffsetNotAvailable
                                                                           : ErrorCode::kLeaderNotAvailable);
    return answer;
  }
  const bool committed_only = context.api_version >= 2 && request.isolation_level == 1;
  auto found = partition->with_log([&](log::PartitionLog& log) {
    Offset up_to = committed_only ? log.last_stable_offset() : log.high_watermark();
    if (!of_consumer) up_to = log.log_end_offset();
    return look_up(log, asked.timestamp, up_to);
  });
  if (!found) {
    answer.error_code = static_cast<std::int16_t>(found.error().code);
    return answer;
  }
  answer.timestamp = found->timestamp_ms;
  answer.offset = found->offset.value();
  if (context.api_version >= 4) answer.leader_epoch = found->leader_epoch.value();
  return answer;
}

void handle_list_offsets(Services& services, const RequestContext& context, ListOffsetsRequest& request,
                         Reply<ListOffsetsResponse> reply) {
  std::map<std::pair<std::string_view, std::int32_t>, int> times_named;
  for (const auto& topic : request.topics) {
    for (const auto& asked : topic.partitions) ++times_named[{topic.name, asked.partition_index}];
  }
  ListOffsetsResponse response;
  for (const auto& topic : request.topics) {
    auto& answers = response.topics.emplace_back();
    answers.name = topic.name;
    const bool visible = allowed(services, context, Operation::kDescribe, ResourceKind::kTopic, topic.name);
    for (const auto& asked : topic.partitions) {
      ErrorCode refused = visible ? ErrorCode::kNone : ErrorCode::kTopicAuthorizationFailed;
      int& times = times_named[{topic.name, asked.partition_index}];
      if (visible && times != 1) {
        if (times == kRefusedAlready) continue;
        times = kRefusedAlready;
        refused = ErrorCode::kInvalidRequest;
      }
      if (refused == ErrorCode::kNone) {
        answers.partitions.push_back(list_offset(services, context, request, topic.name, asked));
        continue;
      }
      Answer& answer = answers.partitions.emplace_back();
      answer.partition_index = asked.partition_index;
      answer.error_code = static_cast<std::int16_t>(refused);
    }
  }
  reply.send(response);
}

}  // namespace

bool serve_list_offsets(Services& services, const RequestContext& context, protocol::Reader& reader,
                        ResponseSink sink) {
  return decode_and_handle<ListOffsetsRequest, ListOffsetsResponse, handle_list_offsets>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
