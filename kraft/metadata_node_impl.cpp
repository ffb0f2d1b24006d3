#include "kraft/metadata_node_impl.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "kraft/bootstrap.hpp"
#include "kraft/quorum_state_file.hpp"
#include "log/log_manager.hpp"

namespace barnabas::kraft {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {
constexpr const char* kComponent = "org.apache.kafka.controller.QuorumController";
/// Long enough for a start not to wait for it.
constexpr milliseconds kStateMayWait{500};
constexpr milliseconds kFullDiskRetry{500};
}  // namespace

MetadataNode::Impl::Impl(MetadataNodeDependencies dependencies, MetadataNodeOptions options,
                         ImageListener on_image)
    : dependencies_(dependencies),
      options_(std::move(options)),
      on_image_(std::move(on_image)),
      log_directory_(options_.directory + "/__cluster_metadata-0"),
      sessions_(options_.controller.broker_session_timeout_ms),
      schedule_(options_.controller),
      working_(MetadataImage::empty()),
      published_(MetadataImage::empty()) {
  options_.controller.node_id = options_.node_id;
}

Result<void> MetadataNode::Impl::open() {
  FileSystem& files = dependencies_.files;
  const auto properties = TRY(log::read_meta_properties(files, options_.directory));
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
  if (!TRY(files.exists(log_directory_))) TRY(files.create_directories(log_directory_));
  const auto state = TRY(read_quorum_state(files, log_directory_ + "/quorum-state"));
  log_ = TRY(RaftLog::open(files, dependencies_.clock,
                           {log_directory_, options_.segment_bytes, options_.segment_ms}));
  directory_unsynced_ = log_->position().end == Offset(0);
  LoadedMetadata loaded = TRY(load_metadata(files, log_directory_, *log_));

  RaftOptions raft;
  raft.local = {options_.node_id, options_.directory_id};
  raft.kraft_version = loaded.kraft_version;
  if (loaded.voters) {
    raft.voters = *loaded.voters;
    raft.write_voters = loaded.kraft_version > 0 && !loaded.voters_in_log;
  } else if (options_.static_voters) {
    raft.voters = *options_.static_voters;
  } else {
    return fail(ErrorCode::kInvalidConfig,
                log_directory_ +
                    " names no voters and controller.quorum.voters is not set: format it with "
                    "--standalone or --initial-controllers");
  }
  raft_ = TRY(RaftNode::create(std::move(raft), state.value_or(QuorumState()), log_->position()));

  working_ = loaded.image;
  snapshots_ = loaded.snapshots;
  abort_transaction_ = loaded.in_transaction;
  last_timestamp_ms_ = loaded.last_timestamp_ms;
  bytes_since_snapshot_ = loaded.bytes_since_snapshot;
  last_snapshot_ = dependencies_.clock.monotonic();
  if (working_->offset >= Offset(0))
    pending_.push_back({log_->position().end, working_, std::move(loaded.delta), nullptr});
  return {};
}

std::int64_t MetadataNode::Impl::now_ms() const {
  return std::chrono::duration_cast<milliseconds>(now_).count();
}

ControlContext MetadataNode::Impl::context() const {
  return {*working_, log_->position().end,  options_.controller, dependencies_.configs, dependencies_.random,
          now_ms(),  raft_->kraft_version()};
}

Result<nanoseconds> MetadataNode::Impl::run_once(nanoseconds now) {
  if (failed_) {
    refuse_all(ErrorCode::kKafkaStorageError);
    return std::unexpected(*failed_);
  }
  now_ = now;
  if (auto done = run(now); !done) {
    failed_ = done.error();
    log_error(kComponent, "the metadata log in {} failed and this node must stop: {}", log_directory_,
              failed_->detail);
    refuse_all(ErrorCode::kKafkaStorageError);
    return std::unexpected(*failed_);
  }
  return deadline();
}

Result<void> MetadataNode::Impl::run(nanoseconds now) {
  TRY(drive(Tick{}));
  if (!is_leader()) {
    refuse_all(ErrorCode::kNotController);
    return {};
  }
  // What replies queue waits for the next call, so one busy client cannot keep this one from ending.
  std::deque<Queued> queue;
  queue.swap(queue_);
  while (!queue.empty()) {
    Queued next = std::move(queue.front());
    queue.pop_front();
    if (auto taken = take(std::move(next)); !taken) {
      queue_.insert(queue_.begin(), std::make_move_iterator(queue.begin()),
                    std::make_move_iterator(queue.end()));
      return taken;
    }
  }
  TRY(append_when_due());
  TRY(commit());
  if (now >= state_due_) {
    auto written = write_state();
    if (!written && is_disk_full(written.error()))
      state_due_ = now + kStateMayWait;  // It may wait for room too.
    else
      TRY(std::move(written));
  }
  return snapshot_when_due();
}

Result<void> MetadataNode::Impl::drive(const RaftInput& input) {
  const Ready ready = raft_->step(input, now_);
  const char* broken = raft_->check_invariants();
  CHECK(broken == nullptr, broken);
  return carry_out(ready);
}

Result<void> MetadataNode::Impl::carry_out(const Ready& ready) {
  if (ready.persist) {
    unwritten_state_ = *ready.persist;
    state_due_ = now_ + kStateMayWait;
    if (!ready.persist_may_wait) TRY(write_state());
    TRY(drive(StatePersisted{*ready.persist}));
  }
  if (!ready.append.empty()) {
    std::vector<ControlValue> controls;
    for (const RaftControlRecord& record : ready.append) controls.push_back(to_control_value(record));
    last_timestamp_ms_ = dependencies_.clock.wall_ms();
    TRY(log_->append(make_control_batch({log_->position().end, raft_->epoch(), last_timestamp_ms_}, controls),
                     raft_->epoch()));
    TRY(drive(LogAppended{log_->position()}));
    TRY(activate());
  }
  return {};
}

Result<void> MetadataNode::Impl::write_state() {
  if (!unwritten_state_) return {};
  TRY(dependencies_.files.write_file_atomically(
      log_directory_ + "/quorum-state",
      format_quorum_state(*unwritten_state_, raft_->kraft_version(), raft_->voters())));
  unwritten_state_.reset();
  return {};
}

protocol::RegisterControllerRecord MetadataNode::Impl::own_registration() {
  protocol::RegisterControllerRecord record;
  record.controller_id = options_.node_id.value();
  record.incarnation_id = Uuid::random(dependencies_.random);
  for (const NamedEndpoint& from : options_.controller_endpoints) {
    auto& to = record.end_points.emplace_back();
    to.name = from.listener;
    to.host = from.endpoint.host;
    to.port = from.endpoint.port;
    to.security_protocol = from.security_protocol;
  }
  for (const auto& [name, range] : supported_features()) {
    auto& to = record.features.emplace_back();
    to.name = name;
    to.min_supported_version = range.min;
    to.max_supported_version = range.max;
  }
  return record;
}

Result<MetadataRecords> MetadataNode::Impl::bootstrap_records(const std::vector<Bytes>& stored) const {
  constexpr std::int16_t kTransactionsLevel = 14;
  MetadataRecords records;
  std::int16_t level = 0;
  bool elr = false;
  for (const Bytes& bytes : stored) {
    MetadataRecord record = TRY(decode(bytes));
    if (const auto* feature = std::get_if<protocol::FeatureLevelRecord>(&record)) {
      if (feature->name == kMetadataVersionFeature) level = feature->feature_level;
      elr = elr || (feature->name == "eligible.leader.replicas.version" && feature->feature_level > 0);
    }
    records.push_back(std::move(record));
  }
  if (elr) {
    // KIP-966: the controller must know min.insync.replicas, so the static value becomes a cluster default.
    protocol::ConfigRecord config;
    config.resource_type = static_cast<std::int8_t>(ConfigResourceType::kBroker);
    config.name = "min.insync.replicas";
    config.value = options_.min_insync_replicas;
    records.emplace_back(std::move(config));
  }
  if (level >= kTransactionsLevel) {
    protocol::BeginTransactionRecord begin;
    begin.name = "Bootstrap records";
    records.insert(records.begin(), MetadataRecord(std::move(begin)));
    records.emplace_back(protocol::EndTransactionRecord());
  }
  return records;
}

Result<void> MetadataNode::Impl::activate() {
  constexpr std::int16_t kControllerRegistrationLevel = 15;
  sessions_.start_all(*working_, options_.node_id, now_ms());
  schedule_.start(now_ms());
  if (abort_transaction_) {
    protocol::AbortTransactionRecord abort;
    abort.reason = "the leader that began it is gone";
    const std::vector<Bytes> values{encode(abort, working_->features->metadata_version)};
    TRY(log_->append(
        make_data_batch({log_->position().end, raft_->epoch(), dependencies_.clock.wall_ms()}, values),
        raft_->epoch()));
    TRY(drive(LogAppended{log_->position()}));
    abort_transaction_ = false;
  }
  if (working_->features->metadata_version == 0) {
    const std::vector<Bytes> stored = TRY(read_bootstrap_records(dependencies_.files, options_.directory));
    const MetadataRecords records = TRY(bootstrap_records(stored));
    TRY(append(records, nullptr));
  }
  if (!options_.controller_endpoints.empty() &&
      working_->features->metadata_version >= kControllerRegistrationLevel) {
    MetadataRecords registration;
    registration.emplace_back(own_registration());
    TRY(append(registration, nullptr));
  }
  log_info(kComponent, "node {} leads the metadata quorum in epoch {}, from offset {}",
           options_.node_id.value(), raft_->epoch().value(), log_->position().end.value());
  return {};
}

Result<void> MetadataNode::Impl::take(Queued queued) {
  MetadataRecords records;
  Reply reply = queued.run(context(), records);
  if (records.empty()) {
    // It may tell what earlier requests did, so it waits for their commit.
    pending_.push_back({log_->position().end, nullptr, nullptr, std::move(reply)});
    return {};
  }
  auto appended = append(records, nullptr);
  if (appended) {
    pending_.back().reply = std::move(reply);
    return {};
  }
  const bool disk_is_full = is_disk_full(appended.error());
  queued.refuse(ErrorCode::kKafkaStorageError);
  if (!disk_is_full) return appended;
  log_error(kComponent, "a request is refused because the disk of {} is full", log_directory_);
  return {};
}

Result<void> MetadataNode::Impl::append(const MetadataRecords& records, Reply reply) {
  // The level in force, or the one that the records themselves set first.
  std::int16_t level = working_->features->metadata_version;
  for (const MetadataRecord& record : records)
    if (const auto* feature = std::get_if<protocol::FeatureLevelRecord>(&record))
      if (feature->name == kMetadataVersionFeature) level = feature->feature_level;
  std::vector<Bytes> values;
  values.reserve(records.size());
  for (const MetadataRecord& record : records) values.push_back(encode(record, level));
  const LogPosition before = log_->position();
  const std::int64_t timestamp = dependencies_.clock.wall_ms();
  Bytes batch = make_data_batch({before.end, raft_->epoch(), timestamp}, values);
  const std::size_t size = batch.size();
  TRY(log_->append(std::move(batch), raft_->epoch()));
  last_timestamp_ms_ = timestamp;
  bytes_since_snapshot_ += size;
  TRY(drive(LogAppended{log_->position()}));

  auto delta = std::make_unique<MetadataDelta>(working_);
  for (const MetadataRecord& record : records) {
    auto replayed = delta->replay(record);
    CHECK(replayed.has_value(), "the controller wrote a record that its own image refuses");
  }
  working_ = delta->build(log_->position().end - 1, raft_->epoch());
  last_append_ = now_;
  pending_.push_back({log_->position().end, working_, std::move(delta), std::move(reply)});
  return {};
}

Result<void> MetadataNode::Impl::append_when_due() {
  for (;;) {
    const MetadataRecords records = schedule_.next(context(), sessions_);
    if (records.empty()) break;
    const MetadataImagePtr before = working_;
    TRY(append_unless_full(records));
    if (working_ == before) schedule_.hold_off(now_ms() + kFullDiskRetry.count());
  }
  const milliseconds idle(options_.max_idle_interval_ms);
  if (idle.count() <= 0 || now_ - last_append_ < idle) return {};
  MetadataRecords noop;
  noop.emplace_back(protocol::NoOpRecord());
  last_append_ = now_;  // Also when there is no room: it is tried as often as otherwise.
  return append_unless_full(noop);
}

/// What nobody waits for and comes again is no reason to stop on a full disk.
Result<void> MetadataNode::Impl::append_unless_full(const MetadataRecords& records) {
  auto appended = append(records, nullptr);
  return !appended && is_disk_full(appended.error()) ? Result<void>() : appended;
}

Result<void> MetadataNode::Impl::commit() {
  if (log_->synced_end() < log_->position().end || raft_->high_watermark() < log_->position().end) {
    TRY(log_->sync());
    if (directory_unsynced_) TRY(dependencies_.files.sync_directory(options_.directory));
    directory_unsynced_ = false;
    TRY(drive(LogSynced{log_->synced_end()}));
    log_->set_high_watermark(raft_->high_watermark());
  }
  publish_committed();
  return {};
}

void MetadataNode::Impl::publish_committed() {
  while (!pending_.empty() && pending_.front().end <= raft_->high_watermark()) {
    Pending committed = std::move(pending_.front());
    pending_.pop_front();
    if (committed.image) {
      published_ = committed.image;
      if (on_image_) on_image_(published_, *committed.delta);
    }
    if (committed.reply) committed.reply();
  }
}

void MetadataNode::Impl::refuse_all(ErrorCode error) {
  std::deque<Queued> queue;
  queue.swap(queue_);
  for (Queued& queued : queue) queued.refuse(error);
}

nanoseconds MetadataNode::Impl::deadline() const {
  if (!queue_.empty()) return now_;
  nanoseconds next = now_ + std::chrono::hours(1);
  if (options_.max_idle_interval_ms > 0)
    next = std::min(next, last_append_ + milliseconds(options_.max_idle_interval_ms));
  if (const std::int64_t due = schedule_.due_ms(*working_, sessions_); due != INT64_MAX)
    next = std::min<nanoseconds>(next, milliseconds(due));
  if (unwritten_state_) next = std::min(next, state_due_);
  if (options_.snapshot_max_interval_ms > 0)
    next = std::min(next, last_snapshot_ + milliseconds(options_.snapshot_max_interval_ms));
  return std::max(next, now_);
}

Result<void> MetadataNode::Impl::close() {
  refuse_all(ErrorCode::kNotController);
  if (failed_ || !log_) return {};
  TRY(commit());
  TRY(write_state());
  TRY(drive(Resign{}));
  return log_->close();
}

}  // namespace barnabas::kraft
