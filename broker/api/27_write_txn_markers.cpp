// WriteTxnMarkers 0-2: the ends of transactions, written into partitions that this node leads.
//
//   v1 flexible   v2 transaction.version, by which the marker's epoch is judged (KIP-890)
//
// Of transaction coordinators, and of administrators who abort a transaction that hangs
// (kafka-transactions.sh abort). Several markers of one producer id share an entry of the answer, and the
// last to be written tells of a partition that is in more than one. Where a marker can be no record (producer
// id or epoch -1), the whole request has failed with UNKNOWN_SERVER_ERROR, though what stands before that
// marker is written (measured on Kafka 4.3.1).
#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/messages/api_write_txn_markers.hpp"

namespace barnabas::broker {

using protocol::WriteTxnMarkersRequest;
using protocol::WriteTxnMarkersResponse;
using Marker = WriteTxnMarkersRequest::WritableTxnMarker;

namespace {

/// Collects the partitions' results, which may come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(Reply<WriteTxnMarkersResponse> reply, std::size_t missing)
      : reply_(std::move(reply)), missing_(missing) {}

  void put(std::int64_t producer_id, const TopicPartition& tp, ErrorCode error) {
    std::lock_guard lock(mutex_);
    auto& topic = find_or_add(find_or_add(response_.markers, producer_id).topics, tp.topic);
    find_or_add(topic.partitions, tp.partition.value()).error_code = static_cast<std::int16_t>(error);
    if (--missing_ == 0) reply_.send(response_);
  }
  /// In place of the results, which must not all be there yet: those that come later are nobody's.
  void fail(const WriteTxnMarkersResponse& response) {
    std::lock_guard lock(mutex_);
    reply_.send(response);
  }

 private:
  /// By its first field.
  template <class Entry, class Key>
  static Entry& find_or_add(std::vector<Entry>& entries, const Key& key) {
    const auto found =
        std::ranges::find_if(entries, [&](const Entry& entry) { return key_of(entry) == key; });
    if (found != entries.end()) return *found;
    entries.push_back({key, {}});
    return entries.back();
  }
  static std::int64_t key_of(const WriteTxnMarkersResponse::WritableTxnMarkerResult& entry) {
    return entry.producer_id;
  }
  static std::int32_t key_of(const WriteTxnMarkersResponse::WritableTxnMarkerPartitionResult& entry) {
    return entry.partition_index;
  }
  static const std::string& key_of(const WriteTxnMarkersResponse::WritableTxnMarkerTopicResult& entry) {
    return entry.name;
  }

  std::mutex mutex_;
  Reply<WriteTxnMarkersResponse> reply_;  // guarded by mutex_, as all below
  std::size_t missing_;
  WriteTxnMarkersResponse response_;
};

/// To it all partitions of all markers have failed; of several markers of one producer the last one is told.
WriteTxnMarkersResponse failure_of(const WriteTxnMarkersRequest& request) {
  WriteTxnMarkersResponse response;
  for (const Marker& marker : request.markers) {
    std::erase_if(response.markers, [&](const auto& told) { return told.producer_id == marker.producer_id; });
    auto& told = response.markers.emplace_back();
    told.producer_id = marker.producer_id;
    for (const auto& topic : marker.topics) {
      told.topics.push_back({topic.name, {}});
      for (const std::int32_t index : topic.partition_indexes)
        told.topics.back().partitions.push_back(
            {index, static_cast<std::int16_t>(ErrorCode::kUnknownServerError)});
    }
  }
  return response;
}

/// Whether a record of it is asked for that cannot be made. The groups' coordinator makes its own.
bool must_fail(const Services& services, const Marker& marker, const TransactionEnd& end) {
  return !end.can_be_written() && std::ranges::any_of(marker.topics, [&](const auto& topic) {
    return topic.name != kGroupTopic && std::ranges::any_of(topic.partition_indexes, [&](std::int32_t index) {
             return services.replicas.find(topic.name, PartitionIndex(index)) != nullptr;
           });
  });
}

void handle_write_txn_markers(Services& services, const RequestContext& context,
                              WriteTxnMarkersRequest& request, Reply<WriteTxnMarkersResponse> reply) {
  std::size_t partitions = 0;
  for (const Marker& marker : request.markers) {
    for (const auto& topic : marker.topics) partitions += topic.partition_indexes.size();
  }
  if (partitions == 0) return reply.send({});
  const bool may_write = allowed_on_cluster(services, context, Operation::kAlter) ||
                         allowed_on_cluster(services, context, Operation::kClusterAction);
  auto gathering = std::make_shared<Gathering>(std::move(reply), partitions);
  for (const Marker& marker : request.markers) {
    const TransactionEnd end{ProducerId(marker.producer_id), ProducerEpoch(marker.producer_epoch),
                             marker.coordinator_epoch, marker.transaction_result, marker.transaction_version};
    if (may_write && must_fail(services, marker, end)) return gathering->fail(failure_of(request));
    for (const auto& topic : marker.topics) {
      for (const std::int32_t index : topic.partition_indexes) {
        const TopicPartition tp{topic.name, PartitionIndex(index)};
        const auto done = [gathering, id = marker.producer_id, tp](ErrorCode error) {
          gathering->put(id, tp, error);
        };
        may_write ? services.transactions.markers().write(end, tp, done)
                  : done(ErrorCode::kClusterAuthorizationFailed);
      }
    }
  }
}

}  // namespace

bool serve_write_txn_markers(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<WriteTxnMarkersRequest, WriteTxnMarkersResponse, handle_write_txn_markers>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
