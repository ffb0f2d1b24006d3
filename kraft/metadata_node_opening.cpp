// MetadataNode's start: what the directory must be like, and the replica that it makes.
#include <fmt/core.h>

#include "base/logging.hpp"
#include "kraft/metadata_node_impl.hpp"
#include "kraft/quorum_state_file.hpp"
#include "log/log_manager.hpp"

namespace barnabas::kraft {

/// Only looks.
Result<void> MetadataNode::Impl::check_directory() {
  const auto properties = TRY(log::read_meta_properties(dependencies_.files, options_.directory));
  if (!properties)
    return fail(ErrorCode::kInvalidConfig,
                "No readable meta.properties files found in " + options_.directory + ": format it first");
  const std::string& cluster_id = options_.controller.cluster_id;
  if (!cluster_id.empty() && properties->cluster_id != cluster_id)
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("{} belongs to cluster {}, not to {}", options_.directory, properties->cluster_id,
                            cluster_id));
  if (properties->node_id != options_.node_id)
    return fail(ErrorCode::kInvalidConfig,
                fmt::format("{} belongs to node {}, not to {}", options_.directory,
                            properties->node_id.value(), options_.node_id.value()));
  if (!options_.static_voters) return {};
  return check_static_voters(dependencies_.files, log_directory_, *options_.static_voters);
}

Result<RaftOptions> MetadataNode::Impl::raft_options(LoadedMetadata& loaded) const {
  RaftOptions raft;
  raft.local = {options_.node_id, options_.directory_id};
  raft.log_view = this;
  raft.random = &dependencies_.random;
  raft.timeouts = options_.timeouts;
  for (const NamedEndpoint& own : options_.controller_endpoints)
    raft.local_endpoints.push_back({own.listener, own.endpoint});
  raft.bootstrap_servers = options_.bootstrap_servers;
  raft.can_become_voter = options_.is_controller;
  raft.auto_join = options_.auto_join;
  raft.logged_controls = std::move(loaded.controls);
  if (loaded.head) raft.kraft_version = loaded.head->kraft_version.value_or(0);
  if (loaded.head && loaded.head->voters) {
    raft.voters = *loaded.head->voters;
    raft.write_voters = raft.kraft_version > 0 && loaded.snapshots.back().end == Offset(0);
  } else if (options_.static_voters) {
    raft.voters = *options_.static_voters;
  } else if (raft.logged_controls.empty() && raft.bootstrap_servers == 0) {
    return fail(ErrorCode::kInvalidConfig,
                log_directory_ +
                    " names no voters, and neither controller.quorum.voters nor "
                    "controller.quorum.bootstrap.servers is set: format it with --standalone or "
                    "--initial-controllers, or name the controllers");
  }
  return raft;
}

/// A quorum whose only voter had this id on another disk has nobody who could ever lead.
Result<void> MetadataNode::Impl::check_voters(const RaftNode& raft) const {
  const std::vector<Voter>& voters = raft.voters().voters;
  const Voter* former = raft.voters().find(options_.node_id);
  if (former == nullptr || raft.is_voter()) return {};
  const std::string text = fmt::format(
      "node {} is a voter of the metadata quorum with directory.id {}, but {}/meta.properties has {}",
      options_.node_id.value(), former->key.directory.value().to_string(), options_.directory,
      options_.directory_id.value().to_string());
  if (voters.size() == 1)
    return fail(ErrorCode::kInvalidConfig, text + ": bring that directory back, or format a new cluster");
  log_warn("org.apache.kafka.raft.KafkaRaftClient",
           "{}: it observes until its former self is removed and it is added as a voter", text);
  return {};
}

Result<void> MetadataNode::Impl::open() {
  FileSystem& files = dependencies_.files;
  TRY(check_directory());
  incarnation_ = Uuid::random(dependencies_.random);
  if (!TRY(files.exists(log_directory_))) TRY(files.create_directories(log_directory_));
  const auto state = TRY(read_quorum_state(files, log_directory_ + "/quorum-state"));
  log_ = TRY(RaftLog::open(files, dependencies_.clock,
                           {log_directory_, options_.segment_bytes, options_.segment_ms}));
  directory_unsynced_ = log_->position().end == Offset(0);
  LoadedMetadata loaded = TRY(load_metadata(files, log_directory_, *log_));
  snapshots_ = loaded.snapshots;
  RaftOptions raft = TRY(raft_options(loaded));
  RaftNode node = TRY(RaftNode::create(std::move(raft), state.value_or(QuorumState()), position()));
  TRY(check_voters(node));
  raft_.emplace(std::move(node));

  published_ = settled_ = working_ = loaded.snapshot_image;
  last_snapshot_ = dependencies_.clock.monotonic();
  if (raft_->is_sole_voter()) {
    // It leads at once and commits what it has: that need not be read again.
    replay_ = std::move(loaded.delta);
    replayed_ = log_->position().end;
    replayed_timestamp_ms_ = loaded.last_timestamp_ms;
    bytes_since_snapshot_ = loaded.bytes_since_snapshot;
  } else {
    replay_from_settled();
    if (loaded.head) replayed_timestamp_ms_ = loaded.head->last_contained_timestamp_ms;
  }
  return {};
}

}  // namespace barnabas::kraft
