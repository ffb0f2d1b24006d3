#include "broker/drivers/isr_changes.hpp"

#include <vector>

#include "base/logging.hpp"

namespace barnabas::broker {

using protocol::AlterPartitionRequest;
using protocol::AlterPartitionResponse;
using std::chrono::nanoseconds;

namespace {

constexpr const char* kLogger = "kafka.server.DefaultAlterPartitionManager";

Result<AcceptedIsr> accepted(const AlterPartitionResponse::PartitionData& from) {
  if (from.error_code != 0) return fail(static_cast<ErrorCode>(from.error_code));
  AcceptedIsr to;
  to.leader = BrokerId(from.leader_id);
  to.leader_epoch = LeaderEpoch(from.leader_epoch);
  for (const std::int32_t id : from.isr) to.isr.emplace_back(id);
  to.leader_recovery_state = static_cast<LeaderRecoveryState>(from.leader_recovery_state);
  to.partition_epoch = from.partition_epoch;
  return to;
}

}  // namespace

/// Kept alive by what is under way.
class IsrChanges::Sender : public std::enable_shared_from_this<Sender> {
 public:
  explicit Sender(IsrChangesDependencies dependencies) : dependencies_(std::move(dependencies)) {}

  void submit(IsrChange change, Callback callback) {
    const Key key{change.topic, change.partition};
    {
      std::lock_guard lock(mutex_);
      if (ended_) return;
      if (!changes_.contains(key)) {
        changes_.emplace(key, Item{std::move(change), std::move(callback)});
        if (busy_) return;
        busy_ = true;
        return post_send();
      }
    }
    dependencies_.reactor.post([callback = std::move(callback)]() mutable {
      callback(fail(ErrorCode::kOperationNotAttempted, "an earlier change is not answered yet"));
    });
  }
  void end() {
    std::map<Key, Item> dropped;
    std::lock_guard lock(mutex_);
    ended_ = true;
    dropped.swap(changes_);
  }

 private:
  using Key = std::pair<TopicId, std::int32_t>;
  struct Item {
    IsrChange change;
    Callback callback;
  };

  void post_send() {
    dependencies_.reactor.post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->send();
    });
  }
  void send();
  void on_answer(const Result<AlterPartitionResponse>& answer);
  void send_later();

  IsrChangesDependencies dependencies_;
  std::mutex mutex_;
  std::map<Key, Item> changes_;  // guarded by mutex_
  bool busy_ = false;            // guarded by mutex_: a request is in flight, or about to be made
  bool ended_ = false;           // guarded by mutex_
};

void IsrChanges::Sender::send() {
  AlterPartitionRequest request;
  request.broker_id = dependencies_.self.value();
  request.broker_epoch = dependencies_.broker_epoch();
  {
    std::lock_guard lock(mutex_);
    if (changes_.empty()) {
      busy_ = false;
      return;
    }
    for (const auto& [key, item] : changes_) {
      const IsrChange& from = item.change;
      if (request.topics.empty() || TopicId(request.topics.back().topic_id) != from.topic)
        request.topics.emplace_back().topic_id = from.topic.value();
      auto& to = request.topics.back().partitions.emplace_back();
      to.partition_index = from.partition;
      to.leader_epoch = from.leader_epoch.value();
      for (const IsrMember& member : from.isr)
        to.new_isr_with_epochs.push_back({member.broker.value(), member.broker_epoch});
      to.leader_recovery_state = static_cast<std::int8_t>(from.leader_recovery_state);
      to.partition_epoch = from.partition_epoch;
    }
  }
  auto answer = [weak = weak_from_this()](Result<AlterPartitionResponse> told) {
    if (auto self = weak.lock()) self->on_answer(told);
  };
  dependencies_.controller.ask<AlterPartitionResponse>(std::move(request), nanoseconds::max(),
                                                       std::move(answer));
}

void IsrChanges::Sender::on_answer(const Result<AlterPartitionResponse>& answer) {
  if (!answer || answer->error_code != 0) {
    log_warn(kLogger, "The controller took no change of in-sync replicas, which is tried again: error {}",
             answer ? answer->error_code : static_cast<int>(answer.error().code));
    return send_later();
  }
  std::vector<std::pair<Callback, Result<AcceptedIsr>>> told;
  {
    std::lock_guard lock(mutex_);
    for (const auto& topic : answer->topics) {
      for (const auto& partition : topic.partitions) {
        const auto found = changes_.find({TopicId(topic.topic_id), partition.partition_index});
        if (found == changes_.end()) continue;
        told.emplace_back(std::move(found->second.callback), accepted(partition));
        changes_.erase(found);
      }
    }
  }
  // An answer that is about nothing that was asked must not make us ask without end.
  const bool is_useless = told.empty();
  for (auto& [callback, result] : told) callback(std::move(result));
  is_useless ? send_later() : post_send();
}

void IsrChanges::Sender::send_later() {
  dependencies_.reactor.post([weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    const auto& d = self->dependencies_;
    d.reactor.schedule_at(d.clock.monotonic() + kRetryBackoff, [weak] {
      if (auto again = weak.lock()) again->send();
    });
  });
}

IsrChanges::IsrChanges(IsrChangesDependencies dependencies)
    : sender_(std::make_shared<Sender>(std::move(dependencies))) {}

IsrChanges::~IsrChanges() {
  sender_->end();
}

void IsrChanges::submit(IsrChange change, Callback callback) {
  sender_->submit(std::move(change), std::move(callback));
}

}  // namespace barnabas::broker
