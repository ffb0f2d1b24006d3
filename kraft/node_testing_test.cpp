#include "kraft/node_testing.hpp"

#include "log/log_manager.hpp"

namespace barnabas::kraft {

Result<void> NodeFixture::open() {
  const auto properties = TRY(log::read_meta_properties(files, directory));
  if (properties) options.directory_id = properties->directory_id;
  node = TRY(MetadataNode::open(
      {files, clock, random, configs}, options,
      [this](const MetadataImagePtr& image, const MetadataChanges&) { images.push_back(image); }));
  return {};
}

std::optional<protocol::BrokerRegistrationResponse> NodeFixture::register_broker(
    std::int64_t previous_epoch) {
  protocol::BrokerRegistrationRequest request;
  request.broker_id = 1;
  request.cluster_id = kTestClusterId;
  request.incarnation_id = Uuid::random(random);
  request.previous_broker_epoch = previous_epoch;
  request.log_dirs = {options.directory_id.value()};
  auto& listener = request.listeners.emplace_back();
  listener.name = "PLAINTEXT";
  listener.host = "localhost";
  listener.port = 9092;
  for (const auto& [name, range] : supported_features()) {
    auto& feature = request.features.emplace_back();
    feature.name = name;
    feature.min_supported_version = range.min;
    feature.max_supported_version = range.max;
  }
  auto answer = ask<protocol::BrokerRegistrationResponse>(request);
  if (answer && answer->error_code == 0) broker_epoch = answer->broker_epoch;
  return answer;
}

std::optional<protocol::BrokerHeartbeatResponse> NodeFixture::heartbeat(bool want_shut_down) {
  protocol::BrokerHeartbeatRequest request;
  request.broker_id = 1;
  request.broker_epoch = broker_epoch;
  request.current_metadata_offset = node->image()->offset.value();
  request.want_shut_down = want_shut_down;
  return ask<protocol::BrokerHeartbeatResponse>(request);
}

std::optional<protocol::CreateTopicsResponse> NodeFixture::create_topic(const std::string& name,
                                                                        std::int32_t partitions) {
  protocol::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = partitions;
  topic.replication_factor = 1;
  return ask<protocol::CreateTopicsResponse>(request);
}

}  // namespace barnabas::kraft
