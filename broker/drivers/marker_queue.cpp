#include "broker/drivers/marker_queue.hpp"

#include <set>
#include <utility>

namespace barnabas::broker {
namespace {

using protocol::WriteTxnMarkersRequest;
using protocol::WriteTxnMarkersResponse;

std::vector<MarkerResult> all_failed(const TransactionMarkers& markers, ErrorCode error) {
  std::vector<MarkerResult> results;
  for (const TopicPartition& tp : markers.partitions) results.push_back({tp, error});
  return results;
}

WriteTxnMarkersRequest::WritableTxnMarker marker_of(const TransactionMarkers& markers) {
  WriteTxnMarkersRequest::WritableTxnMarker marker;
  marker.producer_id = markers.producer.id.value();
  marker.producer_epoch = markers.producer.epoch.value();
  marker.transaction_result = markers.committed;
  marker.coordinator_epoch = markers.coordinator_epoch;
  marker.transaction_version = static_cast<std::int8_t>(markers.transaction_version);
  for (const TopicPartition& tp : markers.partitions) {  // sorted by topic
    if (marker.topics.empty() || marker.topics.back().name != tp.topic)
      marker.topics.push_back({tp.topic, {}});
    marker.topics.back().partition_indexes.push_back(tp.partition.value());
  }
  return marker;
}

/// What the answer says of each partition; one that it does not name is to be asked again.
std::vector<MarkerResult> results_of(const WriteTxnMarkersResponse& response,
                                     const TransactionMarkers& markers) {
  std::map<TopicPartition, ErrorCode> told;
  for (const auto& marker : response.markers) {
    if (marker.producer_id != markers.producer.id.value()) continue;
    for (const auto& topic : marker.topics) {
      for (const auto& partition : topic.partitions)
        told[{topic.name, PartitionIndex(partition.partition_index)}] =
            static_cast<ErrorCode>(partition.error_code);
    }
  }
  std::vector<MarkerResult> results;
  for (const TopicPartition& tp : markers.partitions) {
    const auto found = told.find(tp);
    results.push_back({tp, found == told.end() ? ErrorCode::kUnknownServerError : found->second});
  }
  return results;
}

}  // namespace

MarkerQueue::MarkerQueue(TransactionPeers* peers, MetricsRegistry& metrics)
    : peers_(peers),
      requests_(metrics.counter("barnabas_transaction_marker_requests_total")),
      sent_(metrics.counter("barnabas_transaction_markers_sent_total")) {}

std::vector<MarkerQueue::Entry> MarkerQueue::take_batch(Destination& destination) {
  std::vector<Entry> batch;
  std::vector<Entry> left;
  std::set<ProducerId> producers;
  for (Entry& entry : destination.waiting)
    (producers.insert(entry.markers.producer.id).second ? batch : left).push_back(std::move(entry));
  destination.waiting = std::move(left);
  destination.is_asked = !batch.empty();
  return batch;
}

void MarkerQueue::send(BrokerId to, TransactionMarkers markers, Done done) {
  if (peers_ == nullptr) return done(all_failed(markers, ErrorCode::kBrokerNotAvailable));
  std::vector<Entry> batch;
  {
    const std::lock_guard lock(mutex_);
    Destination& destination = destinations_[to];
    destination.waiting.push_back({std::move(markers), std::move(done)});
    if (!destination.is_asked) batch = take_batch(destination);
  }
  if (!batch.empty()) ask(to, std::move(batch));
}

void MarkerQueue::ask(BrokerId to, std::vector<Entry> batch) {
  WriteTxnMarkersRequest request;
  for (const Entry& entry : batch) request.markers.push_back(marker_of(entry.markers));
  requests_.add();
  sent_.add(batch.size());
  peers_->write_markers(
      to, std::move(request),
      [this, to, batch = std::move(batch)](Result<WriteTxnMarkersResponse> response) mutable {
        on_answer(to, std::move(batch), response);
      });
}

void MarkerQueue::on_answer(BrokerId to, std::vector<Entry> batch,
                            const Result<WriteTxnMarkersResponse>& response) {
  for (Entry& entry : batch) {
    entry.done(response ? results_of(*response, entry.markers)
                        : all_failed(entry.markers, response.error().code));
  }
  std::vector<Entry> next;
  {
    const std::lock_guard lock(mutex_);
    next = take_batch(destinations_[to]);
  }
  if (!next.empty()) ask(to, std::move(next));
}

}  // namespace barnabas::broker
