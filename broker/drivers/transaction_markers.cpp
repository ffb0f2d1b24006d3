#include "broker/drivers/transaction_markers.hpp"

#include <utility>

#include "broker/coordinator/group_shard.hpp"
#include "broker/drivers/group_driver.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/replica/replica_manager.hpp"
#include "protocol/control_record.hpp"

namespace barnabas::broker {
namespace {

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

/// What nobody may end a transaction with (measured on Kafka 4.3.1).
constexpr std::int16_t kUnknownTransactionVersion = -1;

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
  if (!marker.can_be_written() || marker.transaction_version == kUnknownTransactionVersion)
    return done(ErrorCode::kUnknownServerError);
  if (tp.topic == kGroupTopic) return write_to_group(marker, tp.partition, std::move(done));
  protocol::BatchOptions batch;
  batch.producer_id = marker.producer_id;
  batch.producer_epoch = marker.epoch;
  const auto type = marker.committed ? protocol::ControlType::kCommit : protocol::ControlType::kAbort;
  Bytes bytes = protocol::make_end_txn_batch(batch, clock_.wall_ms(), type, {marker.coordinator_epoch});
  log::AppendOptions options;
  options.origin = log::AppendOrigin::kCoordinator;
  options.transaction_version = marker.transaction_version;
  auto appended = partition->append(bytes, options, RequiredAcks::kAll);
  if (!appended) return done(appended.error().error.code);
  partition->when_committed(appended->last_offset + 1, std::move(done));
}

}  // namespace barnabas::broker
