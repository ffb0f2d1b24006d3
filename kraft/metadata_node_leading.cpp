// MetadataNode while it leads: taking over, requests to records, their commit, and the end of it.
#include <algorithm>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "kraft/bootstrap.hpp"
#include "kraft/metadata_node_impl.hpp"

namespace barnabas::kraft {

using std::chrono::milliseconds;

namespace {
constexpr const char* kComponent = "org.apache.kafka.controller.QuorumController";
constexpr milliseconds kFullDiskRetry{500};
constexpr std::int16_t kControllerRegistrationLevel = 15;
}  // namespace

protocol::RegisterControllerRecord MetadataNode::Impl::own_registration() const {
  protocol::RegisterControllerRecord record;
  record.controller_id = options_.node_id.value();
  record.incarnation_id = incarnation_;
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

/// A life of this process has one incarnation and one set of endpoints.
bool MetadataNode::Impl::is_registered_in(const MetadataImage& image) const {
  const auto found = image.cluster->controllers.find(options_.node_id);
  return found != image.cluster->controllers.end() && found->second.incarnation_id == incarnation_;
}

std::optional<protocol::ControllerRegistrationRequest> MetadataNode::Impl::wanted_registration() const {
  if (leading_ || is_registered_in(*published_) || !options_.is_controller ||
      options_.controller_endpoints.empty() || !is_caught_up() ||
      published_->features->metadata_version < kControllerRegistrationLevel)
    return std::nullopt;
  protocol::ControllerRegistrationRequest request;
  request.controller_id = options_.node_id.value();
  request.incarnation_id = incarnation_;
  for (const NamedEndpoint& own : options_.controller_endpoints)
    request.listeners.push_back({own.listener, own.endpoint.host, own.endpoint.port, own.security_protocol});
  for (const auto& [name, range] : supported_features())
    request.features.push_back({name, range.min, range.max});
  return request;
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

/// What the log holds beyond the published image is committed with this leader's first record.
Result<void> MetadataNode::Impl::take_over() {
  TRY(replay(log_->position().end));
  if (replay_->in_transaction()) {
    protocol::AbortTransactionRecord abort;
    abort.reason = "the leader that began it is gone";
    const std::int16_t level = supported_features().at(kMetadataVersionFeature).max;
    const std::vector<Bytes> values{encode(abort, level)};
    const std::int64_t timestamp = dependencies_.clock.wall_ms();
    TRY(append_batch(make_data_batch({log_->position().end, raft_->epoch(), timestamp}, values), timestamp));
    TRY(replay_->replay(abort));
  }
  const Offset end = log_->position().end;
  working_ = replay_->build(end - 1, raft_->epoch());
  pending_.push_back({.end = end, .image = working_, .changes = replay_->changes()});
  replay_.reset();
  return {};
}

Result<void> MetadataNode::Impl::activate() {
  leading_ = true;
  TRY(take_over());
  sessions_.start_all(*working_, options_.node_id, now_ms());
  schedule_.start(now_ms());
  if (working_->features->metadata_version == 0) {
    const std::vector<Bytes> stored = TRY(read_bootstrap_records(dependencies_.files, options_.directory));
    const MetadataRecords records = TRY(bootstrap_records(stored));
    TRY(append(records));
  }
  TRY(register_self());
  last_append_ = now_;
  log_info(kComponent, "node {} leads the metadata quorum in epoch {}, from offset {}",
           options_.node_id.value(), raft_->epoch().value(), log_->position().end.value());
  return {};
}

/// Again when another node took the registration of this id.
Result<void> MetadataNode::Impl::register_self() {
  if (options_.controller_endpoints.empty() || is_registered_in(*working_) ||
      working_->features->metadata_version < kControllerRegistrationLevel)
    return {};
  MetadataRecords registration;
  registration.emplace_back(own_registration());
  return append_unless_full(registration);
}

Result<void> MetadataNode::Impl::lead() {
  // What replies queue waits for the next call, so one busy client cannot keep this one from ending.
  std::vector<Queued> queue = std::exchange(queue_, {});
  for (auto next = queue.begin(); next != queue.end();) {
    if (auto taken = take(std::move(*next++)); !taken) {
      queue_.insert(queue_.begin(), std::make_move_iterator(next), std::make_move_iterator(queue.end()));
      return taken;
    }
  }
  TRY(register_self());
  return append_when_due();
}

Result<void> MetadataNode::Impl::take(Queued queued) {
  MetadataRecords records;
  Reply reply = queued.run(context(), records);
  if (std::exchange(upgrades_kraft_version_, false)) TRY(drive(UpgradeKraftVersion{}, {}));
  if (records.empty()) {
    // It may tell what earlier requests did, so it waits for their commit.
    pending_.push_back({.end = log_->position().end,
                        .image = nullptr,
                        .changes = {},
                        .reply = std::move(reply),
                        .refuse = std::move(queued.refuse)});
    return {};
  }
  auto appended = append(records);
  if (appended) {
    pending_.back().reply = std::move(reply);
    pending_.back().refuse = std::move(queued.refuse);
    return {};
  }
  const bool disk_is_full = is_disk_full(appended.error());
  queued.refuse(ErrorCode::kKafkaStorageError);
  if (!disk_is_full) return appended;
  log_error(kComponent, "a request is refused because the disk of {} is full", log_directory_);
  return {};
}

Result<void> MetadataNode::Impl::append_batch(Bytes batch, std::int64_t timestamp_ms) {
  const std::size_t size = batch.size();
  TRY(log_->append(std::move(batch), raft_->epoch()));
  replayed_timestamp_ms_ = timestamp_ms;
  bytes_since_snapshot_ += size;
  return drive(LogAppended{position()}, {});
}

Result<void> MetadataNode::Impl::append(const MetadataRecords& records) {
  // The level in force, or the one that the records themselves set first.
  std::int16_t level = working_->features->metadata_version;
  for (const MetadataRecord& record : records)
    if (const auto* feature = std::get_if<protocol::FeatureLevelRecord>(&record))
      if (feature->name == kMetadataVersionFeature) level = feature->feature_level;
  std::vector<Bytes> values;
  values.reserve(records.size());
  for (const MetadataRecord& record : records) values.push_back(encode(record, level));
  const std::int64_t timestamp = dependencies_.clock.wall_ms();
  TRY(append_batch(make_data_batch({log_->position().end, raft_->epoch(), timestamp}, values), timestamp));

  MetadataDelta delta(working_);
  for (const MetadataRecord& record : records) {
    auto replayed = delta.replay(record);
    CHECK(replayed.has_value(), "the controller wrote a record that its own image refuses");
  }
  const Offset end = log_->position().end;
  working_ = delta.build(end - 1, raft_->epoch());
  last_append_ = now_;
  pending_.push_back({.end = end, .image = working_, .changes = delta.changes()});
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
  auto appended = append(records);
  return !appended && is_disk_full(appended.error()) ? Result<void>() : appended;
}

void MetadataNode::Impl::publish_committed() {
  while (!pending_.empty() && pending_.front().end <= raft_->high_watermark()) {
    Pending committed = std::move(pending_.front());
    pending_.pop_front();
    if (committed.image) {
      settled_ = committed.image;
      publish(committed.image, committed.changes);
    }
    if (committed.reply) committed.reply();
  }
}

/// What is not committed is no longer this node's to promise: the next leader has it or has it not.
void MetadataNode::Impl::lose_leadership() {
  publish_committed();
  leading_ = false;
  std::deque<Pending> pending;
  pending.swap(pending_);
  for (Pending& uncommitted : pending)
    if (uncommitted.refuse) uncommitted.refuse(ErrorCode::kNotController);
  working_ = published_;
  sessions_ = BrokerSessions(options_.controller.broker_session_timeout_ms);
  replay_from_settled();
  log_info(kComponent, "node {} no longer leads the metadata quorum; epoch {}", options_.node_id.value(),
           raft_->epoch().value());
}

}  // namespace barnabas::kraft
