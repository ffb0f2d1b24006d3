#include "simulation/coordinators/cluster_copier.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "protocol/record_batch_builder.hpp"

namespace barnabas::simulation {

namespace {
constexpr std::size_t kMostTaken = 3;  // pieces of the input in a transaction
constexpr std::size_t kPadding = 20;
}  // namespace

ClusterCopier::ClusterCopier(ClientSurroundings surroundings, std::string host, CoordinatorChecks checks,
                             MembershipOptions membership, CopierOptions options)
    : GroupWorker(std::move(surroundings), std::move(host), checks, std::move(membership)),
      options_(std::move(options)) {}

void ClusterCopier::start() {
  take_over();
}

void ClusterCopier::take_over() {
  protocol::InitProducerIdRequest request;
  request.transactional_id = options_.transactional_id;
  request.transaction_timeout_ms = options_.timeout_ms;
  ask<protocol::InitProducerIdResponse>(
      coordinator(), request, {2, 5},
      [this](const protocol::InitProducerIdResponse& response) { on_identity(response); });
}

void ClusterCopier::on_identity(const protocol::InitProducerIdResponse& response) {
  const auto error = static_cast<ErrorCode>(response.error_code);
  if (error == ErrorCode::kConcurrentTransactions || error == ErrorCode::kRequestTimedOut)
    return after(kBackoff, [this] { take_over(); });
  if (error != ErrorCode::kNone)
    return checks().violated(
        fmt::format("{} does not get its transactional id: error {}", host(), static_cast<int>(error)));
  id_ = ProducerId(response.producer_id);
  epoch_ = ProducerEpoch(response.producer_epoch);
  coordinator_checks().transactions.took_over(options_.transactional_id, epoch_);
  surroundings().note(fmt::format("{} is {} with producer id {} epoch {}", host(), options_.transactional_id,
                                  id_.value(), epoch_.value()));
  GroupWorker::start();
}

void ClusterCopier::process(Taken taken) {
  const bool is_something = taken.next > taken.from;
  if (is_something) {
    std::erase_if(gathered_, [&](const Taken& earlier) {
      return earlier.partition == taken.partition && earlier.tenure != taken.tenure;
    });
    gathered_.push_back(std::move(taken));
  }
  if (!is_live(options_.output)) return go_on();  // its creation is still under way
  if (gathered_.empty() || (is_something && gathered_.size() < kMostTaken && below(2) == 0)) return go_on();
  begin();
}

void ClusterCopier::begin() {
  transaction_ = {};
  transaction_.taken = std::exchange(gathered_, {});
  std::erase_if(transaction_.taken, [this](const Taken& taken) { return !still_owns(taken); });
  if (transaction_.taken.empty()) return go_on();
  transaction_.member = member().id();
  transaction_.member_epoch = member().epoch();
  transaction_.is_to_abort = below(5) == 0;
  add_batches();
  options_.is_of_version_2 ? produce_next() : add_partitions();
}

void ClusterCopier::add_batches() {
  const auto partitions = static_cast<std::uint64_t>(surroundings().topics.at(options_.output).partitions);
  for (const Taken& taken : transaction_.taken) {
    if (taken.records.empty()) continue;
    auto batch = std::make_shared<Batch>();
    batch->partition = {options_.output, PartitionIndex(static_cast<std::int32_t>(below(partitions)))};
    for (const auto& [offset, input] : taken.records)
      batch->records.push_back(copy_of(taken.partition.partition, offset));
    transaction_.batches.push_back(std::move(batch));
  }
}

Bytes ClusterCopier::seal(const Batch& batch) {
  protocol::BatchOptions options;
  options.producer_id = id_;
  options.producer_epoch = epoch_;
  options.base_sequence = sequences_[batch.partition];
  options.is_transactional = true;
  protocol::RecordBatchBuilder builder(options);
  for (const WrittenRecord& copy : batch.records) {
    const Bytes value = encode(copy, below(kPadding));
    protocol::RecordInput record;
    record.timestamp = surroundings().world.clock().wall_ms();
    record.value = ByteView(value);
    builder.append(record);
  }
  return builder.build();
}

bool ClusterCopier::has_lost_something() const {
  return !std::ranges::all_of(transaction_.taken, [this](const Taken& taken) { return still_owns(taken); });
}

void ClusterCopier::finish(bool committed) {
  transaction_.is_begun = false;
  coordinator_checks().transactions.ended(transaction_.written, committed);
  for (const Taken& taken : transaction_.taken) {
    if (committed)
      coordinator_checks().groups.acknowledged({member().options().group, taken.partition},
                                               transaction_.member_epoch, taken.next);
    else
      forget_position(taken.partition);
  }
  go_on();
}

void ClusterCopier::fenced(const std::string& by) {
  surroundings().note(fmt::format("{} in epoch {} is fenced: {}", host(), epoch_.value(), by));
  is_fenced_ = true;
}

std::function<void(const char*)> ClusterCopier::witness() {
  TransactionChecks& transactions = coordinator_checks().transactions;
  const std::string& id = options_.transactional_id;
  return [&transactions, id, epoch = epoch_, newest = transactions.newest(id)](const char* what) {
    transactions.obeyed(id, epoch, newest, what);
  };
}

}  // namespace barnabas::simulation
