#include "broker/drivers/transaction_driver.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "broker/config/broker_config.hpp"
#include "broker/drivers/internal_topics.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/producer_id_allocator.hpp"

namespace barnabas::broker {
namespace {

constexpr std::string_view kComponent = "kafka.coordinator.transaction.TransactionCoordinator";

TransactionAnswer refusal(ErrorCode error) {
  return {.error_code = static_cast<std::int16_t>(error)};
}

MarkersSent sent_of(const TransactionMarkers& markers) {
  return {markers.producer, markers.coordinator_epoch};
}

}  // namespace

/// Collects the results of one send() to this node itself.
class TransactionDriver::Gathering {
 public:
  Gathering(TransactionDriver& driver, const TransactionMarkers& markers, std::size_t missing)
      : driver_(driver), id_(markers.transactional_id), sent_(sent_of(markers)), missing_(missing) {}

  void put(const TopicPartition& tp, ErrorCode error) {
    std::unique_lock lock(mutex_);
    results_.push_back({tp, error});
    if (--missing_ > 0) return;
    lock.unlock();
    driver_.report(id_, sent_, std::move(results_));
  }

 private:
  TransactionDriver& driver_;
  const std::string id_;
  const MarkersSent sent_;
  std::mutex mutex_;
  std::size_t missing_;                // guarded by mutex_
  std::vector<MarkerResult> results_;  // guarded by mutex_ until none is missing
};

TransactionDriver::TransactionDriver(TransactionDriverDependencies dependencies)
    : dependencies_(std::move(dependencies)),
      markers_(dependencies_.clock, dependencies_.replicas, dependencies_.groups),
      queue_(dependencies_.peers, dependencies_.metrics),
      gate_({dependencies_.clock, dependencies_.config, dependencies_.metadata, *this, dependencies_.peers,
             dependencies_.self}),
      shards_({dependencies_.clock, dependencies_.replicas, dependencies_.self, dependencies_.reactors},
              shard_kind()) {}

ShardKind TransactionDriver::shard_kind() {
  const BrokerConfig& config = dependencies_.config;
  ShardKind kind;
  kind.topic = kTransactionTopic;
  kind.component = kComponent;
  kind.gauges = transaction_gauges(dependencies_.metrics);
  kind.counters = RuntimeCounters::of(dependencies_.metrics, "transaction");
  MarkerSender& sender = *this;
  kind.make_shard = [this, &config, &sender, counters = TransactionCounters::of(dependencies_.metrics)](
                        std::size_t, LeaderEpoch epoch) {
    const auto settings = config.settings();
    TransactionShardOptions options;
    options.counters = counters;
    options.coordinator_epoch = epoch.value();
    options.max_timeout_ms = settings->transaction_max_timeout_ms;
    options.expiration_ms = settings->transactional_id_expiration_ms;
    options.abort_interval_ms =
        integer_config(config, "transaction.abort.timed.out.transaction.cleanup.interval.ms", 10000);
    options.expiry_interval_ms =
        integer_config(config, "transaction.remove.expired.transaction.cleanup.interval.ms", 3600000);
    options.transaction_version = [this] {
      return dependencies_.metadata.image()->feature("transaction.version");
    };
    return std::make_unique<TransactionShard>(std::move(options), sender);
  };
  kind.runtime_options = [&config] {
    CoordinatorRuntimeOptions options;
    options.write_timeout_ms = integer_config(config, "request.timeout.ms", 30000);
    options.load_buffer_bytes =
        static_cast<std::int32_t>(integer_config(config, "transaction.state.log.load.buffer.size", 5242880));
    options.base_sequence = -1;
    return options;
  };
  kind.linger_ms = [] { return std::int64_t{-1}; };
  return kind;
}

ShardDriver::Operation TransactionDriver::on_shard(Operation operation) {
  return [operation = std::move(operation)](ErrorCode refused, CoordinatorShard* shard, Step* step) mutable {
    operation(refused, static_cast<TransactionShard*>(shard), step);
  };
}

void TransactionDriver::init_producer(std::string id, InitProducerInput input, Answered answer) {
  const std::string key = id;
  run(key, [this, id = std::move(id), input, answer = std::move(answer)](
               ErrorCode refused, TransactionShard* shard, Step* step) mutable {
    if (refused != ErrorCode::kNone) return answer(refusal(refused));
    if (shard->init_producer(id, input, answer, *step)) return;
    dependencies_.producer_ids.next(
        [this, id = std::move(id), input, answer = std::move(answer)](Result<ProducerId> fresh) mutable {
          if (!fresh) return answer(refusal(fresh.error().code));
          input.new_id = *fresh;
          init_producer(std::move(id), input, std::move(answer));
        });
  });
}

void TransactionDriver::end_transaction(std::string id, EndInput input, Answered answer) {
  const std::string key = id;
  run(key, [this, id = std::move(id), input, answer = std::move(answer)](
               ErrorCode refused, TransactionShard* shard, Step* step) mutable {
    if (refused != ErrorCode::kNone) return answer(refusal(refused));
    if (shard->end_transaction(id, input, answer, *step)) return;
    dependencies_.producer_ids.next(
        [this, id = std::move(id), input, answer = std::move(answer)](Result<ProducerId> fresh) mutable {
          if (!fresh) return answer(refusal(fresh.error().code));
          input.new_id = *fresh;
          end_transaction(std::move(id), input, std::move(answer));
        });
  });
}

void TransactionDriver::send(TransactionMarkers markers) {
  const kraft::MetadataImagePtr image = dependencies_.metadata.image();
  std::map<BrokerId, std::vector<TopicPartition>> by_leader;
  std::vector<MarkerResult> known;
  for (const TopicPartition& tp : markers.partitions) {
    const kraft::PartitionRegistration* partition = image->partition(tp.topic, tp.partition);
    if (partition == nullptr) {
      known.push_back({tp, ErrorCode::kNone});  // deleted, and its transactions with it
    } else if (partition->leader == kNoBroker) {
      known.push_back({tp, ErrorCode::kLeaderNotAvailable});
    } else {
      by_leader[partition->leader].push_back(tp);
    }
  }
  for (auto& [leader, partitions] : by_leader) {
    if (leader == dependencies_.self) {
      send_here(markers, std::move(partitions));
    } else {
      send_to(leader, markers, std::move(partitions));
    }
  }
  if (!known.empty()) report(markers.transactional_id, sent_of(markers), std::move(known));
}

void TransactionDriver::send_here(const TransactionMarkers& markers, std::vector<TopicPartition> partitions) {
  const TransactionEnd marker{markers.producer.id, markers.producer.epoch, markers.coordinator_epoch,
                              markers.committed, markers.transaction_version};
  auto gathering = std::make_shared<Gathering>(*this, markers, partitions.size());
  for (const TopicPartition& tp : partitions)
    markers_.write(marker, tp, [gathering, tp](ErrorCode error) { gathering->put(tp, error); });
}

void TransactionDriver::send_to(BrokerId broker, const TransactionMarkers& markers,
                                std::vector<TopicPartition> partitions) {
  TransactionMarkers there = markers;
  there.partitions = std::move(partitions);
  queue_.send(broker, std::move(there),
              [this, id = markers.transactional_id, sent = sent_of(markers)](
                  std::vector<MarkerResult> results) { report(id, sent, std::move(results)); });
}

/// A shard that is gone meanwhile need not know: who loads it next sends its markers again.
void TransactionDriver::report(const std::string& id, const MarkersSent& sent,
                               std::vector<MarkerResult> results) {
  run(id, [id, sent, results = std::move(results)](ErrorCode refused, TransactionShard* shard, Step* step) {
    if (refused == ErrorCode::kNone) shard->markers_written(id, sent, results, *step);
  });
}

}  // namespace barnabas::broker
