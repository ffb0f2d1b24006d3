// For tests: a group shard over a log in memory, in virtual time, with answers caught as a client would
// decode them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "broker/coordinator/group_shard.hpp"
#include "protocol/reader.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker::testing {

/// Keeps batches; appends may be made to fail, commits to lag.
class MemoryShardLog final : public ShardLog {
 public:
  MemoryShardLog() = default;
  /// Whole batches at offsets of their own, below `end`; all committed.
  MemoryShardLog(std::vector<Bytes> batches, Offset end)
      : committed(end), batches_(std::move(batches)), end_(end) {}

  Result<Offset> append(MutableByteView batch, const ShardAppend& how) override {
    last_append = how;
    if (fail_next_ && --*fail_next_ < 0) {
      fail_next_.reset();
      return fail(fail_with, "refused by the test");
    }
    protocol::set_base_offset(batch, end_);
    const protocol::RecordBatchView view(batch);
    end_ = view.next_offset();
    batches_.emplace_back(batch.begin(), batch.end());
    if (commits_at_once) committed = end_;
    return end_;
  }
  [[nodiscard]] Offset start_offset() const override { return Offset(0); }
  [[nodiscard]] Offset end_offset() const override { return end_; }
  [[nodiscard]] Offset high_watermark() const override { return committed; }
  Result<Bytes> read(Offset from, std::uint64_t max_bytes) override {
    Bytes bytes;
    for (const Bytes& batch : batches_) {
      if (protocol::RecordBatchView(batch).last_offset() < from) continue;
      if (!bytes.empty() && bytes.size() + batch.size() > max_bytes) break;
      bytes.insert(bytes.end(), batch.begin(), batch.end());
    }
    return bytes;
  }
  /// The append after `successes` more fails with `fail_with`.
  void fail_after(int successes) { fail_next_ = successes; }
  [[nodiscard]] bool failure_is_due() const { return fail_next_.has_value(); }
  [[nodiscard]] std::size_t batch_count() const { return batches_.size(); }
  [[nodiscard]] const std::vector<Bytes>& batches() const { return batches_; }

  ErrorCode fail_with = ErrorCode::kNotEnoughReplicas;
  bool commits_at_once = true;
  Offset committed;
  ShardAppend last_append;

 private:
  std::vector<Bytes> batches_;
  Offset end_;
  std::optional<int> fail_next_;
};

/// An answer, when it came.
template <class Message>
class Caught {
 public:
  /// Nested structs of responses are caught by copy; views in them are not kept.
  Answer<Message> answer() {
    return [state = state_](const Message& message) {
      state->count++;
      if constexpr (requires { Message::kMaxVersion; }) {
        protocol::Writer writer;
        message.write(writer, Message::kMaxVersion);
        state->wrote = writer.ok();
        state->bytes = writer.take();
        protocol::Reader reader(state->bytes);
        state->message.read(reader, Message::kMaxVersion);
      } else {
        state->message = message;
      }
    };
  }
  [[nodiscard]] bool came() const { return state_->count == 1 && state_->wrote; }
  [[nodiscard]] int count() const { return state_->count; }
  const Message* operator->() const { return &state_->message; }
  const Message& operator*() const { return state_->message; }
  [[nodiscard]] ErrorCode error() const { return static_cast<ErrorCode>(state_->message.error_code); }

 private:
  struct State {
    int count = 0;
    bool wrote = true;
    Bytes bytes;
    Message message;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct JoinInput {
  std::string group = "g";
  std::string member = {};
  std::optional<std::string> instance = {};
  std::string type = "consumer";
  std::vector<std::pair<std::string, Bytes>> protocols = {{"range", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0}}};
  std::int32_t session_ms = 10000;
  std::int32_t rebalance_ms = 60000;
  std::int16_t version = 9;
  std::string client = "client";
};

/// The blob of a subscription, version 0.
inline Bytes subscription(const std::vector<std::string>& topics) {
  protocol::Writer writer;
  writer.int16(0);
  writer.int32(static_cast<std::int32_t>(topics.size()));
  for (const std::string& topic : topics) writer.string(topic, false);
  writer.int32(-1);
  return writer.take();
}

/// Topics and settings as a test makes them.
class FixedSurroundings final : public GroupSurroundings {
 public:
  [[nodiscard]] kraft::MetadataImagePtr image() const override { return image_; }
  [[nodiscard]] ConsumerGroupSettings settings(std::string_view) const override { return fixed; }

  /// Adds or replaces a topic; a new one gets an id of its own.
  TopicId put_topic(const std::string& name, std::size_t partitions) {
    const kraft::TopicImage* before = image_->topic(name);
    auto topic = std::make_shared<kraft::TopicImage>();
    topic->name = name;
    topic->id = before != nullptr ? before->id : TopicId(Uuid::of_low(++last_id_));
    topic->partitions.resize(partitions);
    auto topics = std::make_shared<kraft::TopicsImage>(*image_->topics);
    topics->by_id[topic->id] = topic;
    topics->by_name[name] = topic;
    publish(std::move(topics));
    return topic->id;
  }
  void remove_topic(const std::string& name) {
    auto topics = std::make_shared<kraft::TopicsImage>(*image_->topics);
    topics->by_id.erase(topics->by_name.at(name)->id);
    topics->by_name.erase(name);
    publish(std::move(topics));
  }

  ConsumerGroupSettings fixed{
      .session_timeout_ms = 45000, .heartbeat_interval_ms = 5000, .assignment_interval_ms = 0};

 private:
  void publish(std::shared_ptr<const kraft::TopicsImage> topics) {
    auto next = std::make_shared<kraft::MetadataImage>(*image_);
    next->topics = std::move(topics);
    next->offset = image_->offset + 1;
    image_ = std::move(next);
  }

  kraft::MetadataImagePtr image_ = kraft::MetadataImage::empty();
  std::uint64_t last_id_ = 1000;
};

/// Lets time pass for a shard, timer by timer.
template <class Shard>
void pass_time(const Shard& shard, CoordinatorRuntime& runtime, CoordinatorTime& now, std::int64_t ms) {
  const std::int64_t until = now.mono_ms + ms;
  while (runtime.next_deadline_ms() <= until) {
    const std::int64_t step = std::max(runtime.next_deadline_ms(), now.mono_ms) - now.mono_ms;
    now.mono_ms += step;
    now.wall_ms += step;
    runtime.run_timers(now);
    shard.check_invariants();
  }
  now.wall_ms += until - now.mono_ms;
  now.mono_ms = until;
}

class ShardFixture {
 public:
  explicit ShardFixture(GroupShardOptions with = options(), std::shared_ptr<MemoryShardLog> over = nullptr,
                        std::shared_ptr<FixedSurroundings> around = nullptr)
      : log(over ? std::move(over) : std::make_shared<MemoryShardLog>()),
        surroundings(around ? std::move(around) : std::make_shared<FixedSurroundings>()),
        shard(with, *surroundings, random),
        runtime(shard, *log, {.name = "__consumer_offsets-0"}) {
    while (!runtime.load_some(now).value()) {
    }
  }

  static GroupShardOptions options() {
    GroupShardOptions options;
    options.classic.initial_rebalance_delay_ms = 10;
    return options;
  }

  void exclusive(CoordinatorRuntime::Operation operation) {
    run(CoordinatorRuntime::Kind::kExclusive, std::move(operation));
  }
  void commuting(CoordinatorRuntime::Operation operation) {
    run(CoordinatorRuntime::Kind::kCommuting, std::move(operation));
    if (!batching) runtime.flush(now);
    shard.check_invariants();
  }
  void run(CoordinatorRuntime::Kind kind, CoordinatorRuntime::Operation operation) {
    runtime.run(kind, now, std::move(operation));
    runtime.run_timers(now);
    shard.check_invariants();
  }
  void advance(std::int64_t ms) { pass_time(shard, runtime, now, ms); }

  Caught<protocol::JoinGroupResponse> join(const JoinInput& input) {
    Caught<protocol::JoinGroupResponse> caught;
    protocol::JoinGroupRequest request;
    request.group_id = input.group;
    request.member_id = input.member;
    request.group_instance_id = input.instance;
    request.protocol_type = input.type;
    request.session_timeout_ms = input.session_ms;
    request.rebalance_timeout_ms = input.rebalance_ms;
    for (const auto& [name, metadata] : input.protocols) request.protocols.push_back({name, metadata});
    JoinContext context;
    context.client_id = input.client;
    context.client_host = "/127.0.0.1";
    context.requires_known_member_id = input.version >= 4 && !input.instance;
    context.supports_skipping_assignment = input.version >= 9;
    exclusive([&](Step& step) { shard.join(request, context, caught.answer(), step); });
    return caught;
  }
  /// Ends the initial delay, extended once.
  void settle() { advance(20); }
  /// Joins as a client does: asks for an id first.
  Caught<protocol::JoinGroupResponse> join_with_new_id(JoinInput input = {}) {
    Caught<protocol::JoinGroupResponse> first = join(input);
    input.member = first->member_id;
    return join(input);
  }
  Caught<protocol::SyncGroupResponse> sync(const std::string& member, std::int32_t generation,
                                           const std::vector<std::pair<std::string, Bytes>>& assignments = {},
                                           const std::string& group = "g",
                                           std::optional<std::string> instance = {}) {
    Caught<protocol::SyncGroupResponse> caught;
    protocol::SyncGroupRequest request;
    request.group_id = group;
    request.member_id = member;
    request.generation_id = generation;
    request.group_instance_id = std::move(instance);
    for (const auto& [id, assignment] : assignments) request.assignments.push_back({id, assignment});
    exclusive([&](Step& step) { shard.sync(request, caught.answer(), step); });
    return caught;
  }
  ErrorCode heartbeat(const std::string& member, std::int32_t generation, const std::string& group = "g",
                      std::optional<std::string> instance = {}) {
    Caught<protocol::HeartbeatResponse> caught;
    protocol::HeartbeatRequest request;
    request.group_id = group;
    request.member_id = member;
    request.generation_id = generation;
    request.group_instance_id = std::move(instance);
    commuting([&](Step& step) { shard.heartbeat(request, caught.answer(), step); });
    return caught.came() ? caught.error() : ErrorCode::kNetworkException;
  }
  Caught<protocol::LeaveGroupResponse> leave(
      const std::vector<std::pair<std::string, std::optional<std::string>>>& members,
      const std::string& group = "g") {
    Caught<protocol::LeaveGroupResponse> caught;
    protocol::LeaveGroupRequest request;
    request.group_id = group;
    for (const auto& [member, instance] : members) request.members.push_back({member, instance, {}});
    exclusive([&](Step& step) { shard.leave(request, caught.answer(), step); });
    return caught;
  }
  /// One partition; the answer's single error.
  Caught<protocol::OffsetCommitResponse> commit(const std::string& group, const std::string& topic,
                                                std::int32_t partition, std::int64_t offset,
                                                const std::string& member = {}, std::int32_t generation = -1,
                                                const std::string& metadata = {},
                                                std::int64_t retention_ms = -1, std::int16_t version = 9) {
    Caught<protocol::OffsetCommitResponse> caught;
    protocol::OffsetCommitRequest request;
    request.group_id = group;
    request.member_id = member;
    request.generation_id_or_member_epoch = generation;
    request.retention_time_ms = retention_ms;
    auto& to = request.topics.emplace_back();
    to.name = topic;
    to.topic_id = Uuid::of_low(1000 + topic.size());
    auto& entry = to.partitions.emplace_back();
    entry.partition_index = partition;
    entry.committed_offset = offset;
    entry.committed_metadata = metadata;
    commuting([&](Step& step) { shard.commit_offsets(request, version, caught.answer(), step); });
    return caught;
  }
  static ErrorCode error_of(const Caught<protocol::OffsetCommitResponse>& caught) {
    if (!caught.came()) return ErrorCode::kNetworkException;
    return static_cast<ErrorCode>(caught->topics.at(0).partitions.at(0).error_code);
  }
  std::int64_t committed(const std::string& group, const std::string& topic, std::int32_t partition) {
    Caught<GroupShard::FetchedGroup> caught;
    protocol::OffsetFetchRequest::OffsetFetchRequestGroup request;
    request.group_id = group;
    auto& asked = request.topics.emplace().emplace_back();
    asked.name = topic;
    asked.partition_indexes = {partition};
    commuting([&](Step& step) { shard.fetch_offsets(request, false, caught.answer(), step); });
    return caught->topics.at(0).partitions.at(0).committed_offset;
  }
  GroupShard::DescribedGroup describe(const std::string& group, std::int16_t version = 6) {
    Caught<GroupShard::DescribedGroup> caught;
    exclusive([&](Step& step) { shard.describe(group, version, caught.answer(), step); });
    return *caught;
  }
  ErrorCode remove(const std::string& group) {
    Caught<GroupShard::DeletedGroup> caught;
    exclusive([&](Step& step) { shard.remove(group, caught.answer(), step); });
    return caught.came() ? caught.error() : ErrorCode::kNetworkException;
  }

  CoordinatorTime now{.wall_ms = 1700000000000, .mono_ms = 1000};
  SeededRandom random{7};
  bool batching = false;  // commuting operations wait for flush()
  std::shared_ptr<MemoryShardLog> log;
  std::shared_ptr<FixedSurroundings> surroundings;
  GroupShard shard;
  CoordinatorRuntime runtime;
};

}  // namespace barnabas::broker::testing
