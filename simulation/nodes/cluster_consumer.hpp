// ClusterConsumer: reads every partition from its beginning, by offset, and tells the checks what it was
// given.
//
// Owned by the Cluster. Not thread-safe. One fetch a broker is under way at a time. A consumer never goes
// back, and a position that it has reached must never be out of range: that would be a loss.
#pragma once

#include <map>
#include <set>

#include "protocol/messages/api_fetch.hpp"
#include "simulation/nodes/cluster_client.hpp"

namespace barnabas::simulation {

class ClusterConsumer final : public ClusterClient {
 public:
  ClusterConsumer(ClientSurroundings surroundings, int number);

  void start() { look_for_topics(); }
  [[nodiscard]] Offset position(const TopicPartition& partition) const;

 private:
  using Answer = Result<broker::PeerAnswer<protocol::FetchResponse>>;

  void on_metadata() override;
  void look_for_topics();
  void fetch_from(std::int32_t broker);
  void on_answer(std::int32_t broker, const Answer& answer);
  void on_data(const TopicPartition& partition, const protocol::FetchResponse::PartitionData& data);

  std::map<TopicPartition, Offset> positions_;
  std::set<std::int32_t> fetching_;
  bool is_lost_ = false;  // since the last metadata a broker did not lead what it was asked for
};

}  // namespace barnabas::simulation
