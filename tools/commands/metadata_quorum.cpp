// kafka-metadata-quorum: the voters and observers of the metadata quorum, how far they are, and changes of
// the voters.
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/uuid.hpp"
#include "protocol/messages/api_add_raft_voter.hpp"
#include "protocol/messages/api_describe_cluster.hpp"
#include "protocol/messages/api_describe_quorum.hpp"
#include "protocol/messages/api_remove_raft_voter.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/controller_properties.hpp"
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

/// Whatever is answered is the end of it: a change that is not committed in time may be made all the same.
template <class Response, class Request>
Result<void> change_voters(Admin& admin, const Request& request, std::string_view name) {
  TRY(admin.nodes(name));
  Cluster& cluster = admin.cluster();
  Connection* connection = TRY(cluster.controller());
  const Answer<Response> answer = TRY(cluster.call<Response>(*connection, request));
  return refusal(answer->error_code, answer->error_message);
}

std::string text_of(const ControllerListener& listener) {
  return fmt::format("{}://{}", listener.name, to_string(Address{listener.host, listener.port}));
}

Result<void> add_controller(Admin& admin, const ArgparseOptions& options) {
  if (!options.has("command-config"))
    return misuse(
        "You must supply the configuration file of the controller you are adding when using "
        "add-controller.");
  const Properties properties = TRY(read_properties(options.text("command-config")));
  protocol::AddRaftVoterRequest request;
  request.cluster_id = std::nullopt;  // whichever answers
  request.voter_id = TRY(controller_id_of(properties));
  const std::string directory = TRY(metadata_directory_of(properties));
  request.voter_directory_id = TRY(directory_id_of(directory));
  request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
  std::vector<std::string> endpoints;
  const std::vector<ControllerListener> listeners = TRY(controller_listeners_of(properties));
  for (const ControllerListener& listener : listeners) {
    request.listeners.push_back({listener.name, listener.host, listener.port});
    endpoints.push_back(text_of(listener));
  }
  const bool dry_run = options.has("dry-run");
  if (!dry_run) TRY(change_voters<protocol::AddRaftVoterResponse>(admin, request, "addRaftVoter"));
  fmt::print("{} controller {} with directory id {} and endpoints: {}\n",
             dry_run ? "DRY RUN of adding" : "Added", request.voter_id,
             request.voter_directory_id.to_string(), fmt::join(endpoints, ", "));
  return {};
}

Result<void> remove_controller(Admin& admin, const ArgparseOptions& options) {
  protocol::RemoveRaftVoterRequest request;
  request.cluster_id = std::nullopt;
  request.voter_id = static_cast<std::int32_t>(*options.number("controller-id"));
  if (request.voter_id < 0)
    return misuse(fmt::format("Invalid negative --controller-id: {}", request.voter_id));
  const auto directory = parse_uuid(options.text("controller-directory-id"));
  if (!directory) return misuse("Failed to parse --controller-directory-id: " + directory.error().detail);
  request.voter_directory_id = *directory;
  const bool dry_run = options.has("dry-run");
  if (!dry_run) TRY(change_voters<protocol::RemoveRaftVoterResponse>(admin, request, "removeRaftVoter"));
  // Kafka's two blanks.
  fmt::print("{} KRaft controller {} with directory id {}\n", dry_run ? "DRY RUN of removing " : "Removed ",
             request.voter_id, request.voter_directory_id.to_string());
  return {};
}

Result<void> describe_quorum(Admin& admin, const ArgparseOptions& options) {
  const bool status = options.has("status");
  const bool replication = options.has("replication");
  if (status && replication)
    return misuse("Only one of --status or --replication should be specified with describe sub-command");
  if (!status && !replication)
    return misuse("One of --status or --replication must be specified with describe sub-command");
  if (status && options.has("human-readable"))
    return misuse("The option --human-readable is only supported along with --replication");
  return status ? print_status(admin, options.has("bootstrap-controller"))
                : print_replication(admin, options.has("human-readable"));
}

Result<void> execute(const ArgparseOptions& options) {
  const std::string config = options.text("command-config");
  std::error_code error;
  if (!config.empty() && !std::filesystem::exists(config, error))
    return misuse(fmt::format("Properties file {} does not exists!", config));
  Admin admin = TRY(open_admin(options));
  if (options.chosen() == "add-controller") return add_controller(admin, options);
  if (options.chosen() == "remove-controller") return remove_controller(admin, options);
  return describe_quorum(admin, options);
}

}  // namespace

ArgparseOptions metadata_quorum_options() {
  ArgparseOptions options("kafka-metadata-quorum", "Describes the metadata quorum and changes its voters.");
  options.value(
      "command-config", "FILE",
      "Properties of the client, as Kafka's admin client has them; with add-controller those of the "
      "controller.");
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
  constexpr const char* kDryRun = "Say what would be done, and do nothing.";
  auto& adding = options.subcommand("add-controller", "Make a controller a voter.");
  adding.flag("dry-run", kDryRun);
  auto& removing = options.subcommand("remove-controller", "Make a voter an observer.");
  removing.add({.names = {"--controller-id", "-i"},
                .kind = ArgparseOptions::Kind::kInteger,
                .text = "The controller's node.id.",
                .required = true,
                .placeholder = "ID"});
  removing.add({.names = {"--controller-directory-id", "-d"},
                .text = "The directory.id of its metadata log.",
                .required = true,
                .placeholder = "UUID"});
  removing.flag("dry-run", kDryRun);
  return options;
}

int run_metadata_quorum(Arguments arguments) {
  ArgparseOptions options = metadata_quorum_options();
  if (const auto code = end_of_parsing(options, arguments, 0)) return *code;
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
