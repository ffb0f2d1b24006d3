#include "simulation/nodes/cluster_client.hpp"

#include <algorithm>
#include <utility>

#include "protocol/messages/api_metadata.hpp"
#include "simulation/nodes/cluster_node.hpp"

namespace barnabas::simulation {

using broker::PeerAnswer;
using broker::PeerChannel;

namespace {
constexpr std::int16_t kMetadataVersion = 12;
constexpr std::uint16_t kClientPort = 9092;
}  // namespace

ClusterClient::ClusterClient(ClientSurroundings surroundings, std::string host)
    : surroundings_(std::move(surroundings)),
      host_(std::move(host)),
      reactor_(surroundings_.world.node(host_)) {}

ClusterClient::~ClusterClient() = default;

PeerChannel& ClusterClient::channel_to(std::int32_t broker, int purpose) {
  std::unique_ptr<PeerChannel>& channel = channels_[{broker, purpose}];
  if (channel == nullptr) {
    broker::PeerChannelOptions options;
    options.peer = {ClusterNode::host_of(broker), kClientPort};
    options.client_id = host_;
    options.waits_for_connection = false;
    channel = std::make_unique<PeerChannel>(reactor_, surroundings_.world.clock(),
                                            surroundings_.world.random(), std::move(options));
  }
  return *channel;
}

PeerChannel& ClusterClient::any_channel() {
  return channel_to(surroundings_.brokers[below(surroundings_.brokers.size())]);
}

ClusterClient::Place ClusterClient::place_of(const TopicPartition& partition) const {
  const auto place = places_.find(partition);
  return place == places_.end() ? Place{} : place->second;
}

TopicId ClusterClient::id_of(const std::string& topic) const {
  const auto id = topic_ids_.find(topic);
  return id == topic_ids_.end() ? TopicId() : id->second;
}

std::string ClusterClient::name_of(TopicId id) const {
  const auto topic = std::ranges::find(topic_ids_, id, [](const auto& entry) { return entry.second; });
  return topic == topic_ids_.end() ? "" : topic->first;
}

bool ClusterClient::is_live(const std::string& topic) const {
  const auto found = surroundings_.topics.find(topic);
  return found != surroundings_.topics.end() && found->second.created && !found->second.deleting;
}

void ClusterClient::after(std::chrono::nanoseconds delay, std::function<void()> call) {
  reactor_.schedule_at(surroundings_.world.clock().monotonic() + delay, std::move(call));
}

void ClusterClient::refresh() {
  if (std::exchange(refreshing_, true)) return;
  after(kBackoff, [this] { ask_for_metadata(); });
}

void ClusterClient::ask_for_metadata() {
  protocol::MetadataRequest request;
  request.topics = std::nullopt;
  request.allow_auto_topic_creation = false;
  any_channel().call<protocol::MetadataResponse>(
      std::move(request), {kMetadataVersion, kMetadataVersion},
      [this](Result<PeerAnswer<protocol::MetadataResponse>> answer) {
        refreshing_ = false;
        if (!answer) return refresh();
        for (const auto& topic : answer->body.topics) {
          if (topic.error_code == 0) topic_ids_[topic.name.value_or("")] = TopicId(topic.topic_id);
          for (const auto& partition : topic.partitions) {
            Place& place = places_[{topic.name.value_or(""), PartitionIndex(partition.partition_index)}];
            if (LeaderEpoch(partition.leader_epoch) >= place.epoch)
              place = {partition.leader_id, LeaderEpoch(partition.leader_epoch)};
          }
        }
        std::erase_if(places_, [this](const auto& entry) { return !is_live(entry.first.topic); });
        on_metadata();
      });
}

}  // namespace barnabas::simulation
