#include "broker/drivers/directory_reports.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/logging.hpp"
#include "broker/drivers/metadata_driver_thread.hpp"

namespace barnabas::broker {

DirectoryReports::DirectoryReports(ReplicaManager& replicas, MetadataDriverThread& driver,
                                   std::string metadata_directory, std::function<void(const Error&)> on_end)
    : replicas_(replicas),
      driver_(driver),
      metadata_directory_(std::move(metadata_directory)),
      on_end_(std::move(on_end)) {
  replicas_.on_placed([this](std::vector<ReplicaPlace> places) { on_placed(std::move(places)); });
}

DirectoryReports::~DirectoryReports() {
  replicas_.on_placed(nullptr);
}

void DirectoryReports::on_failure(const std::string& path) {
  driver_.submit([this, path](kraft::MetadataNode&, std::int64_t) { lose(path); });
}

void DirectoryReports::lose(const std::string& path) {
  replicas_.lose_directory(path);
  const log::LogManager& logs = replicas_.logs();
  const bool is_last = std::ranges::none_of(logs.directories(),
                                            [&](const std::string& other) { return logs.is_online(other); });
  if (!is_last && path != metadata_directory_) return driver_.lose_directory(logs.directory_id(path));
  if (on_end_)
    on_end_({ErrorCode::kKafkaStorageError,
             is_last ? "all log directories have failed"
                     : fmt::format("the log directory of the metadata log, {}, has failed", path)});
}

void DirectoryReports::on_placed(std::vector<ReplicaPlace> places) {
  driver_.submit([this, places = std::move(places)](kraft::MetadataNode& node, std::int64_t) {
    for (const ReplicaPlace& place : places) untold_[{place.topic_id, place.partition}] = place.directory;
    assign(node);
  });
}

/// One request at a time, with everything that is to be told then.
void DirectoryReports::assign(kraft::MetadataNode& node) {
  if (assigning_ || untold_.empty()) return;
  protocol::AssignReplicasToDirsRequest request;
  request.broker_id = driver_.broker_id().value();
  request.broker_epoch = driver_.broker_epoch();
  std::map<DirectoryId, std::map<TopicId, std::vector<PartitionIndex>>> sorted;
  for (const auto& [replica, directory] : untold_) sorted[directory][replica.first].push_back(replica.second);
  for (const auto& [directory, topics] : sorted) {
    auto& told = request.directories.emplace_back();
    told.id = directory.value();
    for (const auto& [topic, partitions] : topics) {
      auto& of_topic = told.topics.emplace_back();
      of_topic.topic_id = topic.value();
      for (const PartitionIndex index : partitions) of_topic.partitions.push_back({index.value()});
    }
  }
  assigning_ = true;
  const auto on_answer = [this, sent = untold_](const protocol::AssignReplicasToDirsResponse& response) {
    assigning_ = false;
    if (response.error_code != 0)
      return log_warn("org.apache.kafka.server.AssignmentsManager",
                      "The controller did not take note of where {} replicas are: error {}", sent.size(),
                      response.error_code);
    // What has moved on meanwhile is told by its own report; of deleted topics nobody asks any more.
    for (const auto& [replica, directory] : sent)
      if (const auto now = untold_.find(replica); now != untold_.end() && now->second == directory)
        untold_.erase(now);
    if (!untold_.empty()) on_placed({});
  };
  node.submit(std::move(request), on_answer);
}

}  // namespace barnabas::broker
