// The fetching half of Consumer: which partitions are asked for, and the way of an answer's records to the
// visitor.
#include <fmt/format.h>

#include <algorithm>

#include "protocol/error_table.hpp"
#include "protocol/legacy_message_set.hpp"
#include "tools/client/consumer_state.hpp"

namespace barnabas::tools {
namespace {

using PartitionData = protocol::FetchResponse::PartitionData;
using AbortedTransaction = protocol::FetchResponse::AbortedTransaction;

constexpr std::int16_t kFirstWithTopicIds = 13;

/// Which batches of a partition belong to transactions that were aborted (KIP-98).
class AbortedBatches {
 public:
  AbortedBatches(const PartitionData& data, bool read_committed) {
    if (!read_committed || !data.aborted_transactions) return;
    pending_ = *data.aborted_transactions;
    std::ranges::sort(pending_, {}, &AbortedTransaction::first_offset);
  }

  bool contains(const protocol::RecordBatchView& batch) {
    if (pending_.empty() && open_.empty()) return false;
    for (; next_ < pending_.size() && pending_[next_].first_offset <= batch.last_offset().value(); ++next_) {
      open_.insert(pending_[next_].producer_id);
    }
    if (!batch.is_transactional() || !open_.contains(batch.producer_id().value())) return false;
    // The marker of an abort ends the transaction.
    if (batch.is_control()) open_.erase(batch.producer_id().value());
    return true;
  }

 private:
  std::vector<AbortedTransaction> pending_;
  std::size_t next_ = 0;
  std::set<std::int64_t> open_;
};

/// The offset behind the last whole entry; what follows it will be fetched again.
Offset end_of(const protocol::Records& records, Offset from) {
  protocol::BatchCursor cursor(records.bytes);
  Offset end = from;
  for (auto entry = cursor.next(); entry && *entry; entry = cursor.next()) end = (*entry)->last_offset() + 1;
  return std::max(end, from);
}

}  // namespace

const PartitionView* Consumer::view_of(const TopicPartition& partition) const {
  const auto topic = views_.find(partition.topic);
  if (topic == views_.end()) return nullptr;
  const auto index = static_cast<std::size_t>(partition.partition.value());
  return index < topic->second.partitions.size() ? &topic->second.partitions[index] : nullptr;
}

Consumer::Assigned* Consumer::find(const std::string& topic, const Uuid& id, std::int32_t partition) {
  const auto name = names_.find(id);
  const bool goes_by_id = !id.is_zero();
  if (goes_by_id && name == names_.end()) return nullptr;
  const auto found = partitions_.find({goes_by_id ? name->second : topic, PartitionIndex(partition)});
  return found == partitions_.end() ? nullptr : &found->second;
}

Result<void> Consumer::send_fetches() {
  std::map<BrokerId, std::vector<Assigned*>> by_leader;
  const Deadline now = std::chrono::steady_clock::now();
  for (auto& [id, assigned] : partitions_) {
    if (assigned.search != Assigned::Search::kFound || now < assigned.not_before) continue;
    const PartitionView* view = view_of(id);
    if (view != nullptr && view->leader != kNoBroker) by_leader[view->leader].push_back(&assigned);
  }
  for (const auto& [leader, partitions] : by_leader) {
    const auto link = links_.find(leader);
    if (link != links_.end() && !link->second->asked.empty()) continue;
    const auto sent = send_fetch(leader, partitions);
    if (sent) continue;
    if (!protocol::error_info(sent.error().code).retriable) return sent;
    links_.erase(leader);
    metadata_are_stale();
    for (Assigned* partition : partitions) {
      partition->not_before = deadline_after(config_.client.retry_backoff);
    }
  }
  return {};
}

Result<void> Consumer::send_fetch(BrokerId leader, const std::vector<Assigned*>& partitions) {
  auto& link = links_[leader];
  if (!link) {
    const std::vector<Node> nodes = TRY(cluster_.nodes());
    const auto node = std::ranges::find(nodes, leader, &Node::id);
    if (node == nodes.end()) return fail(ErrorCode::kLeaderNotAvailable);
    link = std::make_unique<Link>(
        leader,
        TRY(Connection::open(node->address, config_.client, deadline_after(config_.client.request_timeout))));
  }
  const bool has_ids = std::ranges::none_of(
      partitions, [&](const Assigned* partition) { return views_.at(partition->id.topic).id.is_zero(); });
  const std::int16_t most =
      has_ids ? protocol::FetchRequest::kMaxVersion : std::int16_t{kFirstWithTopicIds - 1};
  const auto version = link->connection.version_of<protocol::FetchRequest>(most);
  protocol::FetchRequest request;
  request.max_wait_ms = static_cast<std::int32_t>(config_.fetch_max_wait.count());
  request.min_bytes = static_cast<std::int32_t>(config_.fetch_min_bytes);
  request.max_bytes = static_cast<std::int32_t>(config_.fetch_max_bytes);
  request.isolation_level = config_.read_committed ? 1 : 0;
  link->asked.clear();
  for (const Assigned* partition : partitions) {
    auto& topics = request.topics;
    const Uuid id = version && *version >= kFirstWithTopicIds ? views_.at(partition->id.topic).id : Uuid{};
    const std::string name = id.is_zero() ? partition->id.topic : std::string();
    if (topics.empty() || topics.back().topic != name || topics.back().topic_id != id) {
      topics.emplace_back();
      topics.back().topic = name;
      topics.back().topic_id = id;
    }
    topics.back().partitions.emplace_back();
    auto& asked = topics.back().partitions.back();
    asked.partition = partition->id.partition.value();
    asked.fetch_offset = partition->fetch_position.value();
    asked.partition_max_bytes = static_cast<std::int32_t>(config_.max_partition_fetch_bytes);
    link->asked[partition->id] = partition->fetch_position;
  }
  link->deadline = deadline_after(config_.client.request_timeout);
  return link->connection.send(request, link->deadline, most);
}

Result<std::size_t> Consumer::take_answers(const Visit& visit) {
  std::size_t visited = 0;
  for (auto at = links_.begin(); at != links_.end() && !stopped_;) {
    Link& link = *at->second;
    const bool is_late = !link.asked.empty() && std::chrono::steady_clock::now() > link.deadline;
    if (link.asked.empty() || (!is_late && !link.connection.readable(std::chrono::milliseconds(0)))) {
      ++at;
      continue;
    }
    auto answer = link.connection.receive<protocol::FetchResponse>(link.deadline);
    const std::map<TopicPartition, Offset> asked = std::exchange(link.asked, {});
    if (!answer) {
      at = links_.erase(at);
      metadata_are_stale();
      continue;
    }
    if ((*answer)->error_code != 0) return fail(static_cast<ErrorCode>((*answer)->error_code));
    for (auto& topic : (*answer)->responses) {
      // What was asked for before the partition was given away, or its position changed, is nobody's now.
      std::erase_if(topic.partitions, [&](const PartitionData& data) {
        const Assigned* partition = find(topic.topic, topic.topic_id, data.partition_index);
        if (partition == nullptr || partition->search != Assigned::Search::kFound) return true;
        const auto position = asked.find(partition->id);
        return position == asked.end() || position->second != partition->fetch_position;
      });
      for (const PartitionData& data : topic.partitions) {
        Assigned& partition = *find(topic.topic, topic.topic_id, data.partition_index);
        if (data.records) partition.fetch_position = end_of(*data.records, partition.fetch_position);
      }
    }
    ++at;
    // So that the next answer is on its way while this one is visited.
    TRY(send_fetches());
    visited += TRY(visit_answer(answer->body, visit));
  }
  return visited;
}

Result<std::size_t> Consumer::visit_answer(const protocol::FetchResponse& answer, const Visit& visit) {
  std::size_t visited = 0;
  for (const auto& topic : answer.responses) {
    for (const PartitionData& data : topic.partitions) {
      Assigned* partition = find(topic.topic, topic.topic_id, data.partition_index);
      if (partition == nullptr) continue;
      if (data.error_code != 0) {
        TRY(take_error(*partition, static_cast<ErrorCode>(data.error_code)));
      } else if (stopped_) {
        partition->fetch_position = partition->position;
      } else if (data.records) {
        visited += TRY(visit_partition(*partition, data, visit));
      }
    }
  }
  return visited;
}

Result<void> Consumer::take_error(Assigned& partition, ErrorCode error) {
  partition.not_before = deadline_after(config_.client.retry_backoff);
  if (error == ErrorCode::kOffsetOutOfRange) {
    if (config_.reset.kind != OffsetReset::Kind::kNone) return reset(partition);
    return fail(error,
                fmt::format("Fetch position FetchPosition{{offset={}}} is out of range for partition {}, "
                            "no reset policy",
                            partition.position.value(), to_string(partition.id)));
  }
  if (error == ErrorCode::kTopicAuthorizationFailed) {
    return fail(error, fmt::format("Not authorized to access topics: [{}]", partition.id.topic));
  }
  const bool is_mended_by_metadata = error == ErrorCode::kUnknownTopicId ||
                                     error == ErrorCode::kFencedLeaderEpoch ||
                                     error == ErrorCode::kUnknownLeaderEpoch;
  if (!is_mended_by_metadata && !protocol::error_info(error).retriable) return fail(error);
  metadata_are_stale();
  return {};
}

Result<std::size_t> Consumer::visit_partition(Assigned& partition, const PartitionData& data,
                                              const Visit& visit) {
  AbortedBatches aborted(data, config_.read_committed);
  std::size_t visited = 0;
  protocol::BatchCursor cursor(data.records->bytes);
  const auto see = [&](const protocol::RecordView& record, protocol::TimestampType type, LeaderEpoch epoch) {
    if (stopped_ || record.offset < partition.position) return;
    ++visited;
    partition.position = record.offset + 1;
    stopped_ = !visit({partition.id, record, type, epoch});
  };
  while (const auto entry = TRY(cursor.next())) {
    if (config_.check_crcs) TRY(protocol::check_crc(*entry));
    if (entry->is_legacy()) {
      const auto type = protocol::LegacyMessageView(entry->bytes()).timestamp_type();
      TRY(protocol::visit_records(*entry, scratch_, {}, [&](const protocol::RecordView& record) {
        see(record, type, kNoLeaderEpoch);
      }));
    } else {
      const protocol::RecordBatchView batch = entry->batch();
      if (!aborted.contains(batch) && !batch.is_control()) {
        const auto type = batch.timestamp_type();
        protocol::RecordCursor records(batch, scratch_);
        protocol::RecordView record;
        while (!stopped_ && TRY(records.next(record))) see(record, type, batch.leader_epoch());
      }
      partition.last_epoch = batch.leader_epoch();
    }
    if (stopped_) break;
    partition.position = std::max(partition.position, entry->last_offset() + 1);
  }
  if (stopped_) partition.fetch_position = partition.position;
  return visited;
}

}  // namespace barnabas::tools
