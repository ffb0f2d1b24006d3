#include "broker/drivers/shard_driver.hpp"

#include <charconv>
#include <utility>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/coordinator/coordinator_partition.hpp"
#include "broker/replica/replica_manager.hpp"

namespace barnabas::broker {
namespace {

constexpr std::chrono::seconds kTallyInterval{1};
constexpr int kTallyShare = 100;  // so many times as long as a tally takes, none is made

/// A shard's records in the log of a partition that this node leads.
class PartitionShardLog final : public ShardLog {
 public:
  explicit PartitionShardLog(std::shared_ptr<Partition> partition) : partition_(std::move(partition)) {}

  Result<Offset> append(MutableByteView batch, const ShardAppend& how) override {
    log::AppendOptions options;
    options.origin = log::AppendOrigin::kCoordinator;
    options.guard = {how.guard};
    options.transaction_version = how.transaction_version;
    auto appended = partition_->append(batch, options, RequiredAcks::kAll);
    if (!appended) return std::unexpected(appended.error().error);
    return appended->last_offset + 1;
  }
  [[nodiscard]] Offset start_offset() const override {
    return partition_->with_log([](log::PartitionLog& log) { return log.log_start_offset(); });
  }
  [[nodiscard]] Offset end_offset() const override {
    return partition_->with_log([](log::PartitionLog& log) { return log.log_end_offset(); });
  }
  [[nodiscard]] Offset high_watermark() const override {
    return partition_->with_log([](log::PartitionLog& log) { return log.high_watermark(); });
  }
  Result<Bytes> read(Offset from, std::uint64_t max_bytes) override {
    return partition_->with_log([&](log::PartitionLog& log) {
      log::ReadOptions options;
      options.from = from;
      options.up_to = log.log_end_offset();
      options.max_bytes = max_bytes;
      options.at_least_one_batch = true;
      return log.read_bytes(options);
    });
  }

 private:
  std::shared_ptr<Partition> partition_;
};

}  // namespace

std::int64_t integer_config(const BrokerConfig& config, std::string_view name, std::int64_t otherwise) {
  const std::optional<std::string> text = config.layers()->value(name);
  std::int64_t value = otherwise;
  if (text) std::from_chars(text->data(), text->data() + text->size(), value);
  return value;
}

/// One partition's place on its reactor. Every member is of that reactor's thread.
class ShardDriver::Slot : public std::enable_shared_from_this<Slot> {
 public:
  Slot(const ShardDriverDependencies& dependencies, const ShardKind& kind, Reactor& reactor,
       std::size_t index)
      : dependencies_(dependencies), kind_(kind), reactor_(reactor), index_(index) {}

  [[nodiscard]] Reactor& reactor() const { return reactor_; }

  /// Runs on the reactor: at once where that is possible, else soon.
  void enter(Kind kind, Operation operation) {
    if (reactor_.is_current() && !busy_) return execute(kind, std::move(operation));
    reactor_.post([self = shared_from_this(), kind, operation = std::move(operation)]() mutable {
      self->execute(kind, std::move(operation));
    });
  }

  void load(std::shared_ptr<Partition> partition, LeaderEpoch epoch) {
    unload();
    partition_ = std::move(partition);
    log_ = std::make_unique<PartitionShardLog>(partition_);
    shard_ = kind_.make_shard(index_, epoch);
    CoordinatorRuntimeOptions options = kind_.runtime_options();
    options.name = to_string(partition_->topic_partition());
    options.counters = kind_.counters;
    options.max_batch_bytes =
        partition_->with_log([](log::PartitionLog& log) { return log.config().max_message_bytes; });
    runtime_ = std::make_unique<CoordinatorRuntime>(*shard_, *log_, std::move(options));
    linger_ms_ = kind_.linger_ms();
    ++generation_;
    flush_arranged_ = false;
    load_began_ms_ = now().mono_ms;
    load_more(generation_);
  }

  void unload() {
    if (!runtime_) return;
    ++generation_;
    if (timer_) reactor_.cancel(*std::exchange(timer_, std::nullopt));
    busy_ = true;
    runtime_->close(ErrorCode::kNotCoordinator);
    busy_ = false;
    tell({});
    runtime_.reset();
    shard_.reset();
    log_.reset();
    wakeup_.reset();
    partition_.reset();
  }

 private:
  [[nodiscard]] CoordinatorTime now() const {
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(dependencies_.clock.monotonic());
    return {.wall_ms = dependencies_.clock.wall_ms(), .mono_ms = since.count()};
  }

  void execute(Kind kind, Operation operation) {
    const ErrorCode refused = runtime_ ? runtime_->availability() : ErrorCode::kNotCoordinator;
    if (refused != ErrorCode::kNone) return operation(refused, nullptr, nullptr);
    busy_ = true;
    const CoordinatorTime time = now();
    runtime_->run(kind, time, [&](Step& step) { operation(ErrorCode::kNone, shard_.get(), &step); });
    runtime_->run_timers(time);
    if (linger_ms_ == 0) runtime_->flush(time);
    busy_ = false;
    settle();
  }

  /// One buffer of the log at a time, so that the reactor's connections are not kept waiting.
  void load_more(std::uint64_t generation) {
    if (generation != generation_) return;
    busy_ = true;
    Result<bool> loaded = runtime_->load_some(now());
    busy_ = false;
    if (!loaded) {
      add_to(kind_.counters.failed_loads);
      log_error(kind_.component,
                "{}-{} could not be loaded and what it keeps is not served: {}. Check the log with "
                "kafka-dump-log, or delete the damaged segment",
                kind_.topic, index_, loaded.error().detail);
      return unload();
    }
    if (*loaded) {
      add_to(kind_.counters.loads);
      add_to(kind_.counters.load_milliseconds, static_cast<std::uint64_t>(now().mono_ms - load_began_ms_));
      return settle();
    }
    reactor_.post([self = shared_from_this(), generation] { self->load_more(generation); });
  }

  /// After everything that ran: what has to happen later is arranged.
  void settle() {
    if (runtime_->has_unflushed() && !flush_arranged_) arrange_flush();
    if (runtime_->awaits_commit() && !wakeup_) await_commit();
    if (!tally_arranged_ && !kind_.gauges.empty()) arrange_tally();
    const std::int64_t due_ms = runtime_->next_deadline_ms();
    if (due_ms == kNoDeadline || (timer_ && timer_ms_ <= due_ms)) return;
    if (timer_) reactor_.cancel(*timer_);
    timer_ms_ = due_ms;
    timer_ = reactor_.schedule_at(std::chrono::milliseconds(due_ms), guarded([this] {
                                    timer_.reset();
                                    runtime_->run_timers(now());
                                  }));
  }

  /// The more there is to count, the rarer.
  void arrange_tally() {
    tally_arranged_ = true;
    const std::chrono::nanoseconds due = std::max(next_tally_, dependencies_.clock.monotonic());
    reactor_.schedule_at(due, [self = shared_from_this(), generation = generation_] {
      self->tally_arranged_ = false;
      if (self->runtime_ && generation == self->generation_) self->tally();
    });
  }

  void tally() {
    const std::chrono::nanoseconds began = dependencies_.clock.monotonic();
    std::vector<std::int64_t> counts(kind_.gauges.size());
    shard_->tally(counts);
    tell(std::move(counts));
    const std::chrono::nanoseconds end = dependencies_.clock.monotonic();
    next_tally_ = end + std::max<std::chrono::nanoseconds>(kTallyInterval, (end - began) * kTallyShare);
  }

  /// What the node's gauges have of this shard becomes `counts`; empty: nothing.
  void tell(std::vector<std::int64_t> counts) {
    counts.resize(kind_.gauges.size());
    told_.resize(kind_.gauges.size());
    for (std::size_t i = 0; i < counts.size(); ++i) kind_.gauges[i]->add(counts[i] - told_[i]);
    told_ = std::move(counts);
  }

  /// With a linger of -1 the flush comes after what is queued on the reactor already, so that the busier the
  /// reactor, the larger the batches.
  void arrange_flush() {
    flush_arranged_ = true;
    auto flush = guarded([this] {
      flush_arranged_ = false;
      runtime_->flush(now());
    });
    if (linger_ms_ < 0) return reactor_.post(std::move(flush));
    reactor_.schedule_at(dependencies_.clock.monotonic() + std::chrono::milliseconds(linger_ms_),
                         std::move(flush));
  }

  void await_commit() {
    wakeup_ = std::make_shared<Wakeup>([weak = weak_from_this()] {
      if (auto self = weak.lock()) {
        self->reactor_.post(self->guarded([slot = self.get()] {
          slot->wakeup_.reset();
          slot->runtime_->release();
        }));
      }
    });
    partition_->wait_for_change(wakeup_);
    busy_ = true;
    runtime_->release();  // it may have come in between
    busy_ = false;
  }

  /// `work` on the shard that is loaded now, unless it is another by then.
  template <class Work>
  Reactor::Task guarded(Work work) {
    return [self = shared_from_this(), generation = generation_, work = std::move(work)]() mutable {
      if (!self->runtime_ || generation != self->generation_) return;
      self->busy_ = true;
      work();
      self->busy_ = false;
      self->settle();
    };
  }

  const ShardDriverDependencies& dependencies_;
  const ShardKind& kind_;
  Reactor& reactor_;
  const std::size_t index_;
  std::shared_ptr<Partition> partition_;
  std::unique_ptr<PartitionShardLog> log_;
  std::unique_ptr<CoordinatorShard> shard_;
  std::unique_ptr<CoordinatorRuntime> runtime_;  // null: not led here
  std::uint64_t generation_ = 0;                 // of loading; tasks of another one are void
  std::int64_t linger_ms_ = -1;
  bool busy_ = false;  // inside the runtime
  bool flush_arranged_ = false;
  std::int64_t load_began_ms_ = 0;
  std::vector<std::int64_t> told_;  // to the gauges
  bool tally_arranged_ = false;
  std::chrono::nanoseconds next_tally_{0};
  std::optional<TimerId> timer_;
  std::int64_t timer_ms_ = 0;
  std::shared_ptr<Wakeup> wakeup_;  // set while the partition is watched
};

ShardDriver::ShardDriver(ShardDriverDependencies dependencies, ShardKind kind)
    : dependencies_(std::move(dependencies)),
      kind_(std::move(kind)),
      slots_(std::make_shared<const Slots>()),
      partition_count_(0) {
  CHECK(!dependencies_.reactors.empty());
}

ShardDriver::~ShardDriver() = default;

std::optional<std::size_t> ShardDriver::partition_of(std::string_view key) const {
  const std::int32_t partitions = partition_count_.load(std::memory_order_acquire);
  if (partitions == 0) return std::nullopt;
  return static_cast<std::size_t>(coordinator_partition(key, partitions));
}

void ShardDriver::run(std::string_view key, Kind kind, Operation operation) {
  const std::optional<std::size_t> shard = partition_of(key);
  if (!shard) return operation(ErrorCode::kNotCoordinator, nullptr, nullptr);
  run_on(*shard, kind, std::move(operation));
}

std::size_t ShardDriver::shard_count() const {
  return static_cast<std::size_t>(partition_count_.load(std::memory_order_acquire));
}

void ShardDriver::run_on(std::size_t shard, Kind kind, Operation operation) {
  const auto table = slots();
  if (shard >= table->size()) return operation(ErrorCode::kNotCoordinator, nullptr, nullptr);
  (*table)[shard]->enter(kind, std::move(operation));
}

void ShardDriver::grow_to(std::size_t partitions) {
  const auto table = slots();
  if (partitions <= table->size()) return;
  auto next = std::make_shared<Slots>(*table);
  while (next->size() < partitions) {
    Reactor& reactor = *dependencies_.reactors[next->size() % dependencies_.reactors.size()];
    next->push_back(std::make_shared<Slot>(dependencies_, kind_, reactor, next->size()));
  }
  slots_.store(std::move(next), std::memory_order_release);
}

void ShardDriver::on_image(const kraft::MetadataImagePtr& image) {
  const kraft::TopicImage* topic = image->topic(kind_.topic);
  const bool same_topic = topic != nullptr && topic->id == topic_id_;
  const std::size_t partitions = topic != nullptr ? topic->partitions.size() : 0;
  topic_id_ = topic != nullptr ? topic->id : TopicId();
  grow_to(partitions);
  const auto table = slots();
  const auto leave = [&](std::size_t index) {
    const auto& slot = (*table)[index];
    slot->reactor().post([slot] { slot->unload(); });
    led_.erase(index);
  };
  for (std::size_t index = 0; index < table->size(); ++index) {
    const kraft::PartitionRegistration* partition = index < partitions ? &topic->partitions[index] : nullptr;
    const auto led = led_.find(index);
    if (partition == nullptr || partition->leader != dependencies_.self) {
      if (led != led_.end()) leave(index);
      continue;
    }
    if (led != led_.end() && same_topic && led->second == partition->leader_epoch) continue;
    auto replica = dependencies_.replicas.find(topic->id, PartitionIndex(static_cast<std::int32_t>(index)));
    if (!replica) {
      if (led != led_.end()) leave(index);
      continue;  // its log directory is offline; the next image tells of it
    }
    led_[index] = partition->leader_epoch;
    const auto& slot = (*table)[index];
    slot->reactor().post([slot, replica = std::move(replica), epoch = partition->leader_epoch]() mutable {
      slot->load(std::move(replica), epoch);
    });
  }
  partition_count_.store(static_cast<std::int32_t>(partitions), std::memory_order_release);
}

void ShardDriver::stop() {
  partition_count_.store(0, std::memory_order_release);
  led_.clear();
  for (const auto& slot : *slots()) {
    slot->reactor().post([slot] { slot->unload(); });
  }
}

}  // namespace barnabas::broker
