#include "broker/drivers/transaction_markers.hpp"

#include <memory>
#include <mutex>
#include <utility>

#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/control_record.hpp"

namespace barnabas::broker {
namespace {

/// Waits until the partition's high watermark has passed what was appended. Keeps itself alive meanwhile.
class CommitWait : public std::enable_shared_from_this<CommitWait> {
 public:
  CommitWait(std::shared_ptr<Partition> partition, Offset needs, LeaderEpoch epoch, MarkerWriter::Done done)
      : partition_(std::move(partition)), needs_(needs), epoch_(epoch), done_(std::move(done)) {}

  void look() {
    // Registered first: what happens between the look and the registration would wake nobody.
    auto wakeup = std::make_shared<Wakeup>([self = shared_from_this()] { self->look(); });
    {
      std::lock_guard lock(mutex_);
      if (!done_) return;
      wakeup_ = wakeup;
    }
    partition_->wait_for_change(wakeup);
    const bool is_committed = is_passed(*partition_, needs_);
    const bool leads = partition_->is_leader() && partition_->leader_epoch() == epoch_;
    if (!is_committed && leads) return;
    MarkerWriter::Done done;
    {
      std::lock_guard lock(mutex_);
      done = std::exchange(done_, nullptr);
      wakeup_.reset();
    }
    if (done) done(is_committed ? ErrorCode::kNone : ErrorCode::kNotLeaderOrFollower);
  }

  static bool is_passed(Partition& partition, Offset needs) {
    return partition.with_log([&](log::PartitionLog& log) { return log.high_watermark() >= needs; });
  }

 private:
  const std::shared_ptr<Partition> partition_;
  const Offset needs_;
  const LeaderEpoch epoch_;
  std::mutex mutex_;
  MarkerWriter::Done done_;         // guarded by mutex_
  std::shared_ptr<Wakeup> wakeup_;  // guarded by mutex_
};

/// The transaction coordinator is not told of the group coordinator's troubles: to it the partition has no
/// leader for now.
ErrorCode error_of_group(ErrorCode error) {
  switch (error) {
    case ErrorCode::kCoordinatorNotAvailable:
    case ErrorCode::kCoordinatorLoadInProgress:
    case ErrorCode::kNotCoordinator:
      return ErrorCode::kNotLeaderOrFollower;
    default:
      return error;
  }
}

struct Committed {
  std::int16_t error_code = 0;
};

}  // namespace

void MarkerWriter::write_to_group(const TransactionEnd& marker, PartitionIndex index, Done done) {
  groups_.run_on(static_cast<std::size_t>(index.value()), GroupDriver::Kind::kExclusive,
                 [marker, done = std::move(done)](ErrorCode refused, GroupShard*, Step* step) mutable {
                   if (refused != ErrorCode::kNone) return done(error_of_group(refused));
                   step->end = marker;
                   step->applied = [done = std::move(done)](ErrorCode error, Step& next) mutable {
                     if (error != ErrorCode::kNone) return done(error_of_group(error));
                     Answer<Committed> answer = [done = std::move(done)](const Committed& committed) mutable {
                       done(error_of_group(static_cast<ErrorCode>(committed.error_code)));
                     };
                     next.reply(answer, Committed{});
                   };
                 });
}

void MarkerWriter::write(const TransactionEnd& marker, const TopicPartition& tp, Done done) {
  auto partition = replicas_.find(tp.topic, tp.partition);
  if (!partition) return done(ErrorCode::kUnknownTopicOrPartition);
  if (tp.topic == kGroupTopic) return write_to_group(marker, tp.partition, std::move(done));
  protocol::BatchOptions batch;
  batch.producer_id = marker.producer_id;
  batch.producer_epoch = marker.epoch;
  const auto type = marker.committed ? protocol::ControlType::kCommit : protocol::ControlType::kAbort;
  Bytes bytes = protocol::make_end_txn_batch(batch, clock_.wall_ms(), type, {marker.coordinator_epoch});
  log::AppendOptions options;
  options.origin = log::AppendOrigin::kCoordinator;
  options.transaction_version = marker.transaction_version;
  const LeaderEpoch epoch = partition->leader_epoch();
  auto appended = partition->append(bytes, options);
  if (!appended) return done(appended.error().error.code);
  const Offset needs = appended->last_offset + 1;
  if (CommitWait::is_passed(*partition, needs)) return done(ErrorCode::kNone);
  std::make_shared<CommitWait>(std::move(partition), needs, epoch, std::move(done))->look();
}

}  // namespace barnabas::broker
