// kafka-metadata-quorum: the voters and observers of the metadata quorum, and how far they are.
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "base/uuid.hpp"
#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_describe_quorum.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/tab_table.hpp"

namespace barnabas::tools {
namespace {

using protocol::DescribeQuorumResponse;
using Replica = protocol::DescribeQuorumResponse_ReplicaState;
using Quorum = DescribeQuorumResponse::PartitionData;

Result<Answer<DescribeQuorumResponse>> describe(Admin& admin) {
  protocol::DescribeQuorumRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic_name = "__cluster_metadata";
  topic.partitions.push_back({0});
  const auto check = [](const DescribeQuorumResponse& answer) -> Result<void> {
    if (answer.topics.empty() || answer.topics[0].partitions.empty())
      return fail(ErrorCode::kUnknownServerError, "The answer describes no quorum.");
    const auto& quorum = answer.topics[0].partitions[0];
    return refusal(quorum.error_code, quorum.error_message);
  };
  return admin.call<DescribeQuorumResponse>(Target::any(), request, "describeMetadataQuorum", check);
}

/// Of the leader itself, which every other is compared with.
const Replica* leader_of(const Quorum& quorum) {
  const auto found = std::ranges::find(quorum.current_voters, quorum.leader_id, &Replica::replica_id);
  return found == quorum.current_voters.end() ? nullptr : &*found;
}

std::string endpoints_of(const DescribeQuorumResponse& answer, std::int32_t id) {
  std::vector<std::string> endpoints;
  for (const auto& node : answer.nodes)
    if (node.node_id == id)
      for (const auto& listener : node.listeners)
        endpoints.push_back(
            fmt::format("\"{}://{}\"", listener.name, to_string(Address{listener.host, listener.port})));
  return fmt::format("{}", fmt::join(endpoints, ", "));
}

std::string replicas_json(const DescribeQuorumResponse& answer, const std::vector<Replica>& replicas) {
  std::vector<std::string> texts;
  for (const auto& replica : replicas) {
    std::string text = fmt::format("{{\"id\": {}", replica.replica_id);
    if (!replica.replica_directory_id.is_zero())
      text += fmt::format(", \"directoryId\": \"{}\"", replica.replica_directory_id.to_string());
    if (const std::string endpoints = endpoints_of(answer, replica.replica_id); !endpoints.empty())
      text += fmt::format(", \"endpoints\": [{}]", endpoints);
    texts.push_back(text + "}");
  }
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

/// How far behind the leader the slowest follower was when it was last equal to it; -1 where it never was.
std::int64_t max_lag_ms(const Replica& leader, const Replica& slowest) {
  if (slowest.last_caught_up_timestamp == -1) return -1;
  return leader.last_caught_up_timestamp - slowest.last_caught_up_timestamp;
}

Result<void> print_status(Admin& admin, bool controllers) {
  const auto answer = TRY(describe(admin));
  protocol::DescribeClusterRequest about;
  about.endpoint_type = controllers ? 2 : 1;
  const auto cluster =
      TRY(admin.call<protocol::DescribeClusterResponse>(Target::any(), about, "describeCluster"));
  const Quorum& quorum = answer->topics[0].partitions[0];
  const Replica* leader = leader_of(quorum);
  if (leader == nullptr) return fail(ErrorCode::kUnknownServerError, "The quorum has no leader.");
  const Replica& slowest = *std::ranges::min_element(quorum.current_voters, {}, &Replica::log_end_offset);
  fmt::print("ClusterId:              {}\nLeaderId:               {}\nLeaderEpoch:            {}\n",
             cluster->cluster_id, quorum.leader_id, quorum.leader_epoch);
  fmt::print("HighWatermark:          {}\nMaxFollowerLag:         {}\nMaxFollowerLagTimeMs:   {}\n",
             quorum.high_watermark, leader->log_end_offset - slowest.log_end_offset,
             max_lag_ms(*leader, slowest));
  fmt::print("CurrentVoters:          {}\nCurrentObservers:       {}\n",
             replicas_json(answer.body, quorum.current_voters), replicas_json(answer.body, quorum.observers));
  return {};
}

std::string time_text(std::int64_t timestamp_ms, bool human_readable) {
  if (!human_readable || timestamp_ms == -1) return std::to_string(timestamp_ms);
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  return fmt::format("{} ms ago", now - timestamp_ms);
}

Result<void> print_replication(Admin& admin, bool human_readable) {
  const auto answer = TRY(describe(admin));
  const Quorum& quorum = answer->topics[0].partitions[0];
  const Replica* leader = leader_of(quorum);
  if (leader == nullptr) return fail(ErrorCode::kUnknownServerError, "The quorum has no leader.");
  std::vector<std::vector<std::string>> rows = {{"NodeId", "DirectoryId", "LogEndOffset", "Lag",
                                                 "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"}};
  const auto add = [&](const Replica& replica, const char* status) {
    rows.push_back({std::to_string(replica.replica_id), replica.replica_directory_id.to_string(),
                    std::to_string(replica.log_end_offset),
                    std::to_string(leader->log_end_offset - replica.log_end_offset),
                    time_text(replica.last_fetch_timestamp, human_readable),
                    time_text(replica.last_caught_up_timestamp, human_readable), status});
  };
  add(*leader, "Leader");
  for (const auto& voter : quorum.current_voters)
    if (&voter != leader) add(voter, "Follower");
  for (const auto& observer : quorum.observers) add(observer, "Observer");
  fmt::print("{}", tab_table(rows));
  return {};
}

Result<void> execute(const ArgparseOptions& options) {
  const bool status = options.has("status");
  const bool replication = options.has("replication");
  Admin admin = TRY(open_admin(options));
  if (status && replication)
    return misuse("Only one of --status or --replication should be specified with describe sub-command");
  if (!status && !replication)
    return misuse("One of --status or --replication must be specified with describe sub-command");
  if (status && options.has("human-readable"))
    return misuse("The option --human-readable is only supported along with --replication");
  return status ? print_status(admin, options.has("bootstrap-controller"))
                : print_replication(admin, options.has("human-readable"));
}

}  // namespace

ArgparseOptions metadata_quorum_options() {
  ArgparseOptions options("kafka-metadata-quorum", "Describes the metadata quorum.");
  options.value("command-config", "FILE", "Properties of the client, as Kafka's admin client has them.");
  options.add_exclusive(true, {{.names = {"--bootstrap-server"},
                                .text = "Brokers to connect to; one that answers is enough.",
                                .placeholder = "HOST:PORT,..."},
                               {.names = {"--bootstrap-controller"},
                                .text = "Controllers to connect to.",
                                .placeholder = "HOST:PORT,..."}});
  auto& describing = options.subcommand("describe", "Describe the quorum.");
  describing.flag("status", "Who leads, and how far all are.");
  describing.add({.names = {"--replication", "--re"},
                  .kind = ArgparseOptions::Kind::kFlag,
                  .text = "Every voter and observer."});
  describing.add({.names = {"--human-readable", "--hr"},
                  .kind = ArgparseOptions::Kind::kFlag,
                  .text = "With --replication: times as how long ago."});
  return options;
}

int run_metadata_quorum(Arguments arguments) {
  ArgparseOptions options = metadata_quorum_options();
  if (const auto code = end_of_parsing(options, arguments, 0)) return *code;
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
