#include "broker/drivers/directory_reports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr const char* kLogger = "org.apache.kafka.server.AssignmentsManager";
constexpr std::size_t kMostAtOnce = 2250;  // as Kafka's brokers
constexpr nanoseconds kRetryBackoff = milliseconds(100);
constexpr nanoseconds kRetryBackoffMax = std::chrono::seconds(10);

/// Of deleted topics, and of replicas that are elsewhere by now, nobody asks any more.
bool is_settled(ErrorCode error) {
  return error == ErrorCode::kNone || error == ErrorCode::kUnknownTopicId ||
         error == ErrorCode::kUnknownTopicOrPartition || error == ErrorCode::kNotLeaderOrFollower;
}

}  // namespace

DirectoryReports::DirectoryReports(DirectoryReportsDependencies dependencies, std::string metadata_directory,
                                   std::function<void(const Error&)> on_end)
    : dependencies_(dependencies),
      metadata_directory_(std::move(metadata_directory)),
      on_end_(std::move(on_end)) {
  dependencies_.replicas.on_placed(
      [this](std::vector<ReplicaPlace> places) { on_placed(std::move(places)); });
  dependencies_.driver.add_listener([this](const auto&, const auto*) { assign(); });
}

DirectoryReports::~DirectoryReports() {
  dependencies_.replicas.on_placed(nullptr);
}

void DirectoryReports::on_failure(const std::string& path) {
  dependencies_.driver.submit([this, path](kraft::MetadataNode&, std::int64_t) { lose(path); });
}

void DirectoryReports::lose(const std::string& path) {
  dependencies_.replicas.lose_directory(path);
  const log::LogManager& logs = dependencies_.replicas.logs();
  const bool is_last = std::ranges::none_of(logs.directories(),
                                            [&](const std::string& other) { return logs.is_online(other); });
  if (!is_last && path != metadata_directory_)
    return dependencies_.life.lose_directory(logs.directory_id(path));
  if (on_end_)
    on_end_({ErrorCode::kKafkaStorageError,
             is_last ? "all log directories have failed"
                     : fmt::format("the log directory of the metadata log, {}, has failed", path)});
}

void DirectoryReports::on_placed(std::vector<ReplicaPlace> places) {
  dependencies_.driver.submit([this, places = std::move(places)](kraft::MetadataNode&, std::int64_t) {
    for (const ReplicaPlace& place : places) untold_[{place.topic_id, place.partition}] = place.directory;
    assign();
  });
}

/// One request at a time, with as much as may be told then.
void DirectoryReports::assign() {
  if (assigning_ || untold_.empty() || dependencies_.clock.monotonic() < not_before_) return;
  Places sent;
  std::map<DirectoryId, std::map<TopicId, std::vector<PartitionIndex>>> sorted;
  for (const auto& [replica, directory] : untold_) {
    if (sent.size() == kMostAtOnce) break;
    sent[replica] = directory;
    sorted[directory][replica.first].push_back(replica.second);
  }
  protocol::AssignReplicasToDirsRequest request;
  request.broker_id = dependencies_.self.value();
  request.broker_epoch = dependencies_.life.epoch();
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
  auto answer = [this, sent = std::move(sent)](Result<protocol::AssignReplicasToDirsResponse> told) mutable {
    dependencies_.driver.submit([this, sent = std::move(sent), told = std::move(told)](
                                    kraft::MetadataNode&, std::int64_t) { on_answer(sent, told); });
  };
  dependencies_.controller.ask<protocol::AssignReplicasToDirsResponse>(std::move(request), nanoseconds::max(),
                                                                       std::move(answer));
}

void DirectoryReports::on_answer(const Places& sent,
                                 const Result<protocol::AssignReplicasToDirsResponse>& answer) {
  assigning_ = false;
  if (!answer || answer->error_code != 0)
    return try_later(sent.size(), answer ? answer->error_code : static_cast<int>(answer.error().code));
  if (const std::size_t refused = settle(untold_, sent, *answer); refused > 0)
    return try_later(refused, static_cast<int>(ErrorCode::kUnknownServerError));
  failures_ = 0;
  assign();
}

void DirectoryReports::try_later(std::size_t replicas, int error) {
  const auto wait = kRetryBackoff * (std::int64_t{1} << std::min(failures_++, 10));
  not_before_ = dependencies_.clock.monotonic() + std::min<nanoseconds>(wait, kRetryBackoffMax);
  log_warn(kLogger, "The controller did not take note of where {} replicas are: error {}", replicas, error);
}

std::size_t DirectoryReports::settle(Places& untold, const Places& sent,
                                     const protocol::AssignReplicasToDirsResponse& answer) {
  std::set<Replica> refused;
  for (const auto& directory : answer.directories) {
    for (const auto& topic : directory.topics) {
      for (const auto& partition : topic.partitions)
        if (!is_settled(static_cast<ErrorCode>(partition.error_code)))
          refused.emplace(TopicId(topic.topic_id), PartitionIndex(partition.partition_index));
    }
  }
  for (const auto& [replica, directory] : sent) {
    if (refused.contains(replica)) continue;
    // What has moved on meanwhile is told by its own report.
    if (const auto now = untold.find(replica); now != untold.end() && now->second == directory)
      untold.erase(now);
  }
  return refused.size();
}

}  // namespace barnabas::broker
