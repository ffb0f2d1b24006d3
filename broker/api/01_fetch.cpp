// Fetch 0-18: records, for consumers and for brokers that follow a partition.
//
//   v1 throttle time   v2 message timestamps (magic 1)   v3 a limit for all partitions, whole batches
//   (KIP-74) v4 record batches, isolation level   v5 log start offset   v7 sessions (KIP-227)   v9 leader
//   epochs (KIP-320)   v11 rack v12 flexible, diverging epochs (KIP-595)   v13 topic ids (KIP-516)   v15
//   replica state   v16 node endpoints (KIP-951) v17 directory ids   v18 high watermark of the fetcher
//
// A fetch looks at the partitions of its session that may have something to tell (fetch_session.hpp). One
// that finds less than min.bytes waits: it watches them all and looks again at what changed, until its
// deadline. The bytes themselves are never copied here: the answer names file ranges. A follower reads up to
// the log end, and its first look tells the leader how far it is. Consumers read up to the high watermark:
// from the leader, or from 11 on from any replica, to which the leader sends them by their rack (KIP-392).
// Measured on Kafka 4.3.1: the first batch is returned whole whatever the limits say; aborted transactions
// are null for read_uncommitted and a list for read_committed. Partitions that do not exist or may not be
// read are set aside: they come last, with an empty list, and hasten the answer only when nothing else was
// asked.
#include <algorithm>
#include <iterator>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/api/leader_endpoints.hpp"
#include "broker/api/old_fetch.hpp"
#include "broker/api/quorum_request.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/cold_reads.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/replica/fetch_session.hpp"
#include "broker/replica/replica_manager.hpp"
#include "broker/replica/replica_selector.hpp"
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker {

using protocol::FetchRequest;
using protocol::FetchResponse;
using PartitionData = FetchResponse::PartitionData;

namespace {

constexpr std::int8_t kReadCommitted = 1;
constexpr std::int16_t kFirstFetchFromFollowers = 11;

/// One fetch from its arrival to its answer. Lives on its connection's reactor; kept by the timer.
class PendingFetch : public std::enable_shared_from_this<PendingFetch> {
 public:
  PendingFetch(Services& services, RequestContext context, const FetchRequest& request,
               Reply<FetchResponse> reply)
      : services_(services),
        context_(std::move(context)),
        reply_(std::move(reply)),
        max_bytes_(std::min({request.max_bytes, services.config.settings()->fetch_max_bytes,
                             context_.api_version < kFirstFetchOfBatches ? kMaxConvertedBytes : INT32_MAX})),
        min_bytes_(std::min(request.min_bytes, max_bytes_)),
        max_wait_(std::chrono::milliseconds(std::max(request.max_wait_ms, 0))),
        committed_only_(request.isolation_level == kReadCommitted),
        follower_(std::max(request.replica_id, request.replica_state.replica_id)),
        follower_epoch_(request.replica_state.replica_epoch),
        rack_(request.rack_id),
        plan_(services.fetch_sessions.begin(request, context_.api_version)) {
    context_.frame.reset();  // nothing of the request's bytes is used any more
  }
  ~PendingFetch() { services_.fetch_sessions.finish(plan_); }
  PendingFetch(const PendingFetch&) = delete;
  PendingFetch& operator=(const PendingFetch&) = delete;

  void start();

 private:
  struct Answer {
    FetchedPartition* asked = nullptr;
    std::shared_ptr<Partition> partition;  // null where this node has none
    PartitionChanges seen;                 // of the partition, before it was looked at
    bool is_at_end = false;                // nothing more can be read there
    bool stays_due = false;                // whatever there is to tell
    PartitionData data;
    std::vector<log::FileSlice> slices;
    Bytes converted;  // for old clients, in place of the slices
    std::uint64_t size_bytes = 0;
    bool set_aside = false;
  };

  void try_to_answer(bool at_deadline);
  bool loads_first(bool at_deadline);
  void collect();
  [[nodiscard]] FetchView view() const;
  Answer read(FetchedPartition& asked);
  ErrorCode resolve(FetchedPartition& asked, std::shared_ptr<Partition>& partition);
  ErrorCode read_for_follower(const FetchedPartition& asked, Answer& answer);
  ErrorCode read_for_consumer(const FetchedPartition& asked, Answer& answer);
  [[nodiscard]] bool may_be_sent_elsewhere() const;
  BrokerId choose_replica(const FetchedPartition& asked, Answer& answer) const;
  [[nodiscard]] bool is_throttled(const Partition& partition) const;
  [[nodiscard]] bool of_follower() const { return follower_ >= BrokerId(0); }
  [[nodiscard]] bool may_read_followers() const {
    return !of_follower() && context_.api_version >= kFirstFetchFromFollowers;
  }
  void read_log(log::PartitionLog& log, const FetchedPartition& asked, Answer& answer);
  [[nodiscard]] bool wants_message_sets() const { return context_.api_version < kFirstFetchOfBatches; }
  void convert(const FetchedPartition& asked, Answer& answer) const;
  void wait();
  void send();
  void settle(const Answer& answer);
  [[nodiscard]] static bool is_news(const Answer& answer);
  [[nodiscard]] static bool is_settled(const Answer& answer);

  Services& services_;
  RequestContext context_;
  Reply<FetchResponse> reply_;
  const std::int32_t max_bytes_;
  const std::int32_t min_bytes_;
  const std::chrono::nanoseconds max_wait_;
  const bool committed_only_;
  const BrokerId follower_;  // another broker, which reads what brokers may; none: a consumer
  const std::int64_t follower_epoch_;
  const std::string rack_;  // the consumer's
  FetchPlan plan_;

  kraft::MetadataImagePtr image_;
  std::vector<Answer> answers_;
  std::uint64_t total_bytes_ = 0;
  bool any_error_ = false;  // something to tell at once, among the partitions that can be read
  bool any_readable_ = false;
  bool answered_ = false;
  std::vector<log::FileSlice> uncached_;  // what partitions have for this fetch, but not in memory
  bool loading_ = false;                  // it waits for them
  bool loaded_ = false;                   // they were loaded for the next look
  bool is_first_look_ = true;
  std::chrono::nanoseconds deadline_{};
  TimerId timer_ = 0;
};

void PendingFetch::start() {
  if (plan_.error != ErrorCode::kNone) {
    FetchResponse response;
    response.error_code = static_cast<std::int16_t>(plan_.error);
    return reply_.send(response);
  }
  const auto now = services_.clock.monotonic();
  deadline_ = now + max_wait_;
  image_ = services_.metadata.image();
  plan_.session->look_from(view(), now);
  try_to_answer(max_wait_.count() == 0 || plan_.session->size() == 0);
}

FetchView PendingFetch::view() const {
  const ClientConnection& client = *context_.connection;
  FetchView view;
  view.follower = follower_;
  view.follower_epoch = follower_epoch_;
  if (of_follower() && follower_epoch_ != -1)
    view.is_of_former_life = services_.replicas.surroundings().brokers.epoch_of(follower_) > follower_epoch_;
  view.committed_only = committed_only_;
  view.may_read_followers = may_read_followers();
  view.rack = rack_;
  view.listener = client.listener;
  view.principal_type = client.principal.type;
  view.principal_name = client.principal.name;
  view.host = client.peer.host;
  view.permissions = services_.authorizer.version();
  view.brokers = image_->cluster;
  return view;
}

void PendingFetch::try_to_answer(bool at_deadline) {
  if (answered_ || loading_) return;
  collect();
  if (loads_first(at_deadline)) return;
  const auto enough = [this] {
    return any_error_ || !any_readable_ ||
           total_bytes_ >= static_cast<std::uint64_t>(std::max(min_bytes_, 0));
  };
  at_deadline || enough() ? send() : wait();
}

/// Has what is not in memory read from the disk by others. True when there is nothing else to answer with:
/// the fetch looks again when it is there.
bool PendingFetch::loads_first(bool at_deadline) {
  loaded_ = false;
  if (uncached_.empty()) return false;
  if (total_bytes_ > 0 || any_error_) {
    services_.cold_reads.load(std::exchange(uncached_, {}), [] {});
    return false;
  }
  loading_ = true;
  services_.cold_reads.load(std::exchange(uncached_, {}), [self = shared_from_this(), at_deadline] {
    self->context_.reactor->post([self, at_deadline] {
      self->loading_ = false;
      self->loaded_ = true;
      self->try_to_answer(at_deadline || self->services_.clock.monotonic() >= self->deadline_);
    });
  });
  return true;
}

void PendingFetch::collect() {
  image_ = services_.metadata.image();
  answers_.clear();
  total_bytes_ = 0;
  any_error_ = false;
  uncached_.clear();
  std::vector<Answer> set_aside;
  for (FetchedPartition* asked : plan_.incremental ? plan_.session->due() : plan_.session->all()) {
    Answer answer = read(*asked);
    total_bytes_ += answer.size_bytes;
    if (answer.set_aside) {
      set_aside.push_back(std::move(answer));
      continue;
    }
    any_error_ |= answer.data.error_code != 0 || answer.data.diverging_epoch.epoch >= 0 ||
                  answer.data.preferred_read_replica >= 0;
    answers_.push_back(std::move(answer));
  }
  any_readable_ = set_aside.size() < plan_.session->size();
  std::ranges::move(set_aside, std::back_inserter(answers_));
  is_first_look_ = false;
}

ErrorCode PendingFetch::resolve(FetchedPartition& asked, std::shared_ptr<Partition>& partition) {
  const bool by_id = context_.api_version >= 13;
  if (by_id) {
    const kraft::TopicImage* topic = image_->topic(asked.topic_id);
    if (!topic) return ErrorCode::kUnknownTopicId;
    asked.topic = topic->name;
  }
  const bool may_read =
      of_follower() ? allowed_on_cluster(services_, context_, Operation::kClusterAction)
                    : allowed(services_, context_, Operation::kRead, ResourceKind::kTopic, asked.topic);
  if (!may_read) return ErrorCode::kTopicAuthorizationFailed;
  partition = services_.replicas.find(asked.topic, asked.partition);
  return partition ? ErrorCode::kNone : error_without_replica(*image_, asked.topic, asked.partition);
}

ErrorCode PendingFetch::read_for_follower(const FetchedPartition& asked, Answer& answer) {
  FollowerRequest request;
  request.fetch = {follower_,
                   follower_epoch_,
                   Offset(asked.fetch_offset),
                   Offset(asked.log_start_offset),
                   kNoOffset,
                   services_.clock.monotonic()};
  request.current_epoch = LeaderEpoch(asked.current_leader_epoch);
  request.is_first_look = is_first_look_;
  const auto look = [&](log::PartitionLog& log, const PartitionChanges& changes) {
    answer.seen = changes;
    answer.stays_due = !is_first_look_;  // it rests only from where it was noted
    read_log(log, asked, answer);
    return answer.data.error_code == 0 && answer.data.diverging_epoch.epoch < 0;
  };
  const ErrorCode refused = answer.partition->serve_follower(request, look);
  if (refused != ErrorCode::kNone) return refused;
  if (wants_message_sets()) convert(asked, answer);
  if (is_throttled(*answer.partition)) {
    answer.slices.clear();
    answer.size_bytes = 0;
  }
  return ErrorCode::kNone;
}

/// Who is in sync is not held back: it would leave the in-sync set else.
bool PendingFetch::is_throttled(const Partition& partition) const {
  ReplicationQuota& quota = services_.replicas.leader_quota();
  return !quota.is_idle() && quota.is_throttled(partition.topic_partition()) &&
         !partition.is_in_sync(follower_) && quota.is_exceeded();
}

ErrorCode PendingFetch::read_for_consumer(const FetchedPartition& asked, Answer& answer) {
  const bool chooses = may_be_sent_elsewhere();
  const auto before_choice = chooses ? answer.partition->changes() : PartitionChanges();
  const BrokerId preferred = chooses ? choose_replica(asked, answer) : kNoBroker;
  const auto look = [&](log::PartitionLog& log, const PartitionChanges& changes) {
    answer.seen = chooses ? before_choice : changes;
    answer.data.preferred_read_replica = preferred.value();
    read_log(log, asked, answer);
  };
  const ErrorCode refused =
      answer.partition->serve_consumer(LeaderEpoch(asked.current_leader_epoch), !may_read_followers(), look);
  if (refused == ErrorCode::kNone && wants_message_sets()) convert(asked, answer);
  return refused;
}

bool PendingFetch::may_be_sent_elsewhere() const {
  return !rack_.empty() && may_read_followers() && services_.config.settings()->is_rack_aware_selector;
}

BrokerId PendingFetch::choose_replica(const FetchedPartition& asked, Answer& answer) const {
  const auto rack_of = [this](BrokerId broker) -> const std::string* {
    const kraft::BrokerRegistration* found = image_->broker(broker);
    const bool is_reachable = found != nullptr && !found->fenced &&
                              endpoint_of(*image_, broker, context_.connection->listener) != nullptr;
    return is_reachable && found->rack ? &*found->rack : nullptr;
  };
  const auto readable = answer.partition->readable_at(Offset(asked.fetch_offset));
  if (readable.empty()) return kNoBroker;
  const std::string* leader_rack = rack_of(readable.back().broker);
  // A follower's next fetch may make it the better one.
  answer.stays_due = leader_rack == nullptr || *leader_rack != rack_;
  return select_replica(readable, rack_, rack_of);
}

PendingFetch::Answer PendingFetch::read(FetchedPartition& asked) {
  Answer answer;
  answer.asked = &asked;
  answer.data.partition_index = asked.partition.value();
  answer.data.aborted_transactions.reset();
  answer.data.records = protocol::Records{};
  ErrorCode refused = resolve(asked, answer.partition);
  if (refused == ErrorCode::kNone)
    refused = of_follower() ? read_for_follower(asked, answer) : read_for_consumer(asked, answer);
  if (refused != ErrorCode::kNone) {
    answer.slices.clear();
    answer.size_bytes = 0;
    answer.data.error_code = static_cast<std::int16_t>(refused);
    answer.set_aside = refused == ErrorCode::kUnknownTopicId ||
                       refused == ErrorCode::kUnknownTopicOrPartition ||
                       refused == ErrorCode::kTopicAuthorizationFailed;
    if (answer.set_aside) answer.data.aborted_transactions.emplace();
  }
  if (answer.data.error_code != 0) {
    answer.data.high_watermark = -1;
    answer.data.last_stable_offset = -1;
    answer.data.log_start_offset = -1;
  }
  return answer;
}

void PendingFetch::read_log(log::PartitionLog& log, const FetchedPartition& asked, Answer& answer) {
  answer.data.high_watermark = log.high_watermark().value();
  answer.data.last_stable_offset = log.last_stable_offset().value();
  answer.data.log_start_offset = log.log_start_offset().value();
  if (answer.data.preferred_read_replica >= 0) return;
  const Offset from(asked.fetch_offset);
  if (asked.last_fetched_epoch >= 0) {
    const log::EpochEndOffset end = log.end_offset_for_epoch(LeaderEpoch(asked.last_fetched_epoch));
    if (end.epoch == kNoLeaderEpoch || from < log.log_start_offset()) {
      answer.data.error_code = static_cast<std::int16_t>(ErrorCode::kOffsetOutOfRange);
      return;
    }
    if (end.epoch.value() < asked.last_fetched_epoch || end.end_offset < from) {
      answer.data.diverging_epoch = {end.epoch.value(), end.end_offset.value()};
      return;
    }
  }
  log::ReadOptions options;
  options.from = from;
  options.up_to = of_follower()     ? log.log_end_offset()
                  : committed_only_ ? log.last_stable_offset()
                                    : log.high_watermark();
  const auto room = static_cast<std::uint64_t>(std::max(max_bytes_, 0));
  options.max_bytes = std::min<std::uint64_t>(static_cast<std::uint64_t>(std::max(asked.max_bytes, 0)),
                                              room > total_bytes_ ? room - total_bytes_ : 0);
  options.at_least_one_batch = total_bytes_ == 0 && context_.api_version >= kFirstFetchWithWholeBatches;
  options.only_cached = !loaded_;
  auto found = log.read(options);
  if (!found) {
    answer.data.error_code = static_cast<std::int16_t>(found.error().code);
    return;
  }
  answer.is_at_end = from >= options.up_to;
  answer.slices = std::move(found->slices);
  answer.size_bytes = found->size_bytes;
  if (found->uncached) uncached_.push_back(*std::move(found->uncached));
  if (!committed_only_) return;
  auto& aborted = answer.data.aborted_transactions.emplace();
  if (answer.size_bytes == 0) return;
  auto transactions = log.aborted_transactions(from, options.up_to);
  if (!transactions) {
    answer.slices.clear();
    answer.size_bytes = 0;
    answer.data.error_code = static_cast<std::int16_t>(transactions.error().code);
    return;
  }
  for (const log::AbortedTransaction& transaction : *transactions) {
    aborted.push_back({transaction.producer_id.value(), transaction.first_offset.value()});
  }
}

/// Replaces the slices by message sets. Outside the partition's lock: the ranges stay what they are.
void PendingFetch::convert(const FetchedPartition& asked, Answer& answer) const {
  if (answer.size_bytes > 0) {
    auto converted = convert_for_old_fetch(answer.slices, answer.size_bytes, Offset(asked.fetch_offset),
                                           context_.api_version);
    if (converted) {
      answer.converted = std::move(*converted);
    } else {
      answer.data.error_code = static_cast<std::int16_t>(converted.error().code);
    }
  }
  answer.slices.clear();
  answer.size_bytes = answer.converted.size();
}

void PendingFetch::wait() {
  const auto awaited = of_follower() ? PartitionChange::kAppended : PartitionChange::kCommitted;
  plan_.session->await(awaited, [weak = weak_from_this(), reactor = context_.reactor] {
    reactor->post([weak] {
      if (auto self = weak.lock()) self->try_to_answer(false);
    });
  });
  for (const Answer& answer : answers_) {
    const bool settled = is_settled(answer);
    if (answer.partition) plan_.session->watch(*answer.asked, *answer.partition, answer.seen, settled);
  }
  if (timer_ != 0) return;
  timer_ = context_.reactor->schedule_at(deadline_, [self = shared_from_this()] {
    self->timer_ = 0;
    self->try_to_answer(true);
  });
}

bool PendingFetch::is_news(const Answer& answer) {
  return answer.size_bytes > 0 || answer.data.error_code != 0 || answer.data.diverging_epoch.epoch >= 0 ||
         answer.data.preferred_read_replica >= 0 ||
         answer.data.high_watermark != answer.asked->told_high_watermark ||
         answer.data.log_start_offset != answer.asked->told_log_start_offset;
}

/// Nothing is to be told of it before it changes.
bool PendingFetch::is_settled(const Answer& answer) {
  return answer.is_at_end && !answer.stays_due && !is_news(answer);
}

void PendingFetch::settle(const Answer& answer) {
  if (plan_.session_id() != kNoFetchSession && is_settled(answer))
    plan_.session->watch(*answer.asked, *answer.partition, answer.seen, true);
}

void PendingFetch::send() {
  answered_ = true;
  plan_.session->await(PartitionChange::kCommitted, nullptr);
  if (timer_ != 0) context_.reactor->cancel(std::exchange(timer_, 0));
  FetchResponse response;
  response.session_id = plan_.session_id();
  std::vector<log::FileSlice> files;
  for (Answer& answer : answers_) {
    FetchedPartition& asked = *answer.asked;
    if (plan_.incremental && !is_news(answer)) {
      settle(answer);
      continue;
    }
    // An error is told each time: nothing counts as told after it. Who learns that its log parts from this
    // one takes nothing else from the answer.
    const bool failed = answer.data.error_code != 0 || answer.data.diverging_epoch.epoch >= 0;
    asked.told_high_watermark = failed ? -1 : answer.data.high_watermark;
    asked.told_log_start_offset = failed ? -1 : answer.data.log_start_offset;
    settle(answer);
    if (!answer.converted.empty()) {
      answer.data.records = protocol::Records{answer.converted};
    } else if (answer.size_bytes > 0) {
      answer.data.records = protocol::Records{
          {}, static_cast<std::uint32_t>(files.size()), static_cast<std::int32_t>(answer.size_bytes)};
      std::ranges::move(answer.slices, std::back_inserter(files));
      if (of_follower() && !services_.replicas.leader_quota().is_idle() &&
          services_.replicas.leader_quota().is_throttled(answer.partition->topic_partition()))
        services_.replicas.leader_quota().record(static_cast<std::int64_t>(answer.size_bytes));
      plan_.session->move_to_back(asked);
    }
    if (context_.api_version >= 16 &&
        answer.data.error_code == static_cast<int>(ErrorCode::kNotLeaderOrFollower)) {
      describe_leader(*image_, context_, asked.topic, asked.partition, answer.data.current_leader,
                      response.node_endpoints);
    }
    const bool same_topic = !response.responses.empty() && response.responses.back().topic == asked.topic &&
                            response.responses.back().topic_id == asked.topic_id.value();
    auto& topic = same_topic ? response.responses.back() : response.responses.emplace_back();
    topic.topic = asked.topic;
    topic.topic_id = asked.topic_id.value();
    topic.partitions.push_back(std::move(answer.data));
  }
  services_.fetch_sessions.finish(std::exchange(plan_, {}));
  reply_.send(response, std::move(files));
}

/// On a controller's listener there is the metadata log alone, which replicas of the quorum read.
void handle_quorum_fetch(Services& services, const RequestContext& context, const FetchRequest& request,
                         Reply<FetchResponse> reply) {
  const auto answer = [version = context.api_version](Reply<FetchResponse>& to,
                                                      const kraft::QuorumAnswer& given) {
    FetchResponse response = kraft::to_wire(std::get<kraft::FetchResponse>(given.message), version);
    response.responses.front().partitions.front().records = protocol::Records{given.bytes};
    to.send(response);
  };
  ask_quorum(services, context, request, std::move(reply), Operation::kClusterAction, answer);
}

void handle_fetch(Services& services, const RequestContext& context, FetchRequest& request,
                  Reply<FetchResponse> reply) {
  if (context.connection->controller_listener)
    return handle_quorum_fetch(services, context, request, std::move(reply));
  std::make_shared<PendingFetch>(services, context, request, std::move(reply))->start();
}

}  // namespace

bool serve_fetch(Services& services, const RequestContext& context, protocol::Reader& reader,
                 ResponseSink sink) {
  return decode_and_handle<FetchRequest, FetchResponse, handle_fetch>(services, context, reader,
                                                                      std::move(sink));
}

}  // namespace barnabas::broker
