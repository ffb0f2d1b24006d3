// The positions of a Consumer: committed offsets, and the ends of partitions.
#include <fmt/format.h>

#include "base/clock.hpp"
#include "protocol/error_table.hpp"
#include "protocol/messages/api_list_offsets.hpp"
#include "tools/client/consumer_state.hpp"

namespace barnabas::tools {
namespace {

constexpr std::int64_t kLatestTimestamp = -1;
constexpr std::int64_t kEarliestTimestamp = -2;

}  // namespace

Result<void> Consumer::find_positions() {
  TRY(take_committed());
  return list_offsets();
}

Result<void> Consumer::take_committed() {
  if (!member_ || !member_->is_stable()) return {};
  std::vector<TopicPartition> unknown;
  const Deadline now = std::chrono::steady_clock::now();
  for (const auto& [id, assigned] : partitions_) {
    if (assigned.search == Assigned::Search::kCommitted && now >= assigned.not_before) unknown.push_back(id);
  }
  if (unknown.empty()) return {};
  const Result<Offsets> committed = member_->committed(unknown);
  if (!committed && !protocol::error_info(committed.error().code).retriable &&
      !member_->mends(committed.error().code)) {
    return std::unexpected(committed.error());
  }
  for (const TopicPartition& id : unknown) {
    Assigned& assigned = partitions_.at(id);
    if (!committed) {
      assigned.not_before = deadline_after(config_.client.retry_backoff);
      continue;
    }
    const auto found = committed->find(id);
    if (found == committed->end()) {
      TRY(reset(assigned));
      continue;
    }
    assigned.position = assigned.fetch_position = found->second.offset;
    assigned.last_epoch = found->second.epoch;
    assigned.search = Assigned::Search::kFound;
  }
  return {};
}

/// What auto.offset.reset says of a partition without a position.
Result<void> Consumer::reset(Assigned& partition) {
  using Kind = OffsetReset::Kind;
  using Search = Assigned::Search;
  switch (config_.reset.kind) {
    case Kind::kEarliest:
      partition.search = Search::kBeginning;
      break;
    case Kind::kLatest:
      partition.search = Search::kEnd;
      break;
    case Kind::kByDuration:
      partition.search = Search::kTime;
      break;
    case Kind::kNone:
      // Without a code of its own in the protocol; the text says which it is.
      return fail(
          ErrorCode::kOffsetOutOfRange,
          fmt::format("Undefined offset with no reset policy for partitions: [{}]", to_string(partition.id)));
  }
  return {};
}

Result<void> Consumer::list_offsets() {
  using Search = Assigned::Search;
  std::map<BrokerId, std::vector<Assigned*>> by_leader;
  const Deadline now = std::chrono::steady_clock::now();
  for (auto& [id, assigned] : partitions_) {
    const bool is_sought = assigned.search != Search::kFound && assigned.search != Search::kCommitted;
    if (!is_sought || now < assigned.not_before) continue;
    const PartitionView* view = view_of(id);
    if (view != nullptr && view->leader != kNoBroker) by_leader[view->leader].push_back(&assigned);
  }
  for (const auto& [leader, partitions] : by_leader) {
    const auto listed = list_offsets_of(leader, partitions);
    if (listed) continue;
    if (!protocol::error_info(listed.error().code).retriable) return listed;
    metadata_are_stale();
    for (Assigned* partition : partitions) {
      partition->not_before = deadline_after(config_.client.retry_backoff);
    }
  }
  return {};
}

Result<void> Consumer::list_offsets_of(BrokerId leader, const std::vector<Assigned*>& partitions) {
  using Search = Assigned::Search;
  protocol::ListOffsetsRequest request;
  request.replica_id = -1;
  request.isolation_level = config_.read_committed ? 1 : 0;
  const std::int64_t by_duration = SystemClock().wall_ms() - config_.reset.duration.count();
  for (const Assigned* partition : partitions) {
    auto& topics = request.topics;
    if (topics.empty() || topics.back().name != partition->id.topic) {
      topics.emplace_back();
      topics.back().name = partition->id.topic;
    }
    topics.back().partitions.emplace_back();
    topics.back().partitions.back().partition_index = partition->id.partition.value();
    topics.back().partitions.back().timestamp = partition->search == Search::kBeginning ? kEarliestTimestamp
                                                : partition->search == Search::kEnd     ? kLatestTimestamp
                                                                                        : by_duration;
  }
  Connection* connection = TRY(cluster_.node(leader));
  const auto answer = TRY(cluster_.call<protocol::ListOffsetsResponse>(*connection, request));
  for (const auto& topic : answer->topics) {
    for (const auto& of : topic.partitions) {
      const auto found = partitions_.find({topic.name, PartitionIndex(of.partition_index)});
      if (found == partitions_.end()) continue;
      if (of.error_code != 0) return fail(static_cast<ErrorCode>(of.error_code));
      if (of.offset < 0) {
        // Nothing is as young as that: the end.
        found->second.search = Search::kEnd;
        continue;
      }
      found->second.position = found->second.fetch_position = Offset(of.offset);
      found->second.search = Search::kFound;
    }
  }
  return {};
}

}  // namespace barnabas::tools
