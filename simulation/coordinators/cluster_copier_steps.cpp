#include <fmt/format.h>

#include "protocol/messages/api_add_offsets_to_txn.hpp"
#include "protocol/messages/api_add_partitions_to_txn.hpp"
#include "simulation/coordinators/cluster_copier.hpp"

namespace barnabas::simulation {

namespace {

using Versions = broker::PeerChannel::Versions;

// Of transaction.version 2, and before.
constexpr Versions kProduceVersions{12, 12};
constexpr Versions kOldProduceVersions{9, 11};
constexpr Versions kOffsetVersions{5, 5};
constexpr Versions kOldOffsetVersions{3, 4};
constexpr Versions kEndVersions{5, 5};
constexpr Versions kOldEndVersions{2, 4};
constexpr std::int32_t kProduceTimeoutMs = 3000;

enum class Remedy : std::uint8_t { kAgain, kAbort, kOver, kNone };

Remedy remedy_for(ErrorCode error, bool is_end) {
  // The coordinator has aborted what took too long: who writes or ends it then is told so in either way.
  if (error == ErrorCode::kInvalidTxnState) return is_end ? Remedy::kOver : Remedy::kAbort;
  switch (error) {
    case ErrorCode::kNetworkException:
    case ErrorCode::kConcurrentTransactions:
    case ErrorCode::kRequestTimedOut:
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kOperationNotAttempted:  // another partition of the request is unknown
    case ErrorCode::kNotLeaderOrFollower:
    case ErrorCode::kLeaderNotAvailable:
    case ErrorCode::kNotEnoughReplicas:
    case ErrorCode::kNotEnoughReplicasAfterAppend:
    case ErrorCode::kKafkaStorageError:
      return Remedy::kAgain;
    case ErrorCode::kTransactionAbortable:
    case ErrorCode::kIllegalGeneration:
    case ErrorCode::kUnknownMemberId:
    case ErrorCode::kStaleMemberEpoch:
    case ErrorCode::kRebalanceInProgress:
    case ErrorCode::kFencedInstanceId:
      return Remedy::kAbort;
    case ErrorCode::kInvalidProducerEpoch:
    case ErrorCode::kProducerFenced:
      return Remedy::kOver;
    default:
      return Remedy::kNone;
  }
}

}  // namespace

void ClusterCopier::on_refusal(const char* what, ErrorCode error, std::function<void()> again, bool is_end) {
  switch (remedy_for(error, is_end)) {
    case Remedy::kAgain:
      refresh();
      return after(kBackoff, std::move(again));
    case Remedy::kAbort:
      return end(false);
    case Remedy::kOver:
      return fenced(fmt::format("{} is refused with error {}", what, static_cast<int>(error)));
    case Remedy::kNone:
      return checks().violated(fmt::format("{} of {} in epoch {} is refused with error {}", what, host(),
                                           epoch_.value(), static_cast<int>(error)));
  }
}

void ClusterCopier::add_partitions() {
  if (transaction_.batches.empty()) return add_offsets();
  protocol::AddPartitionsToTxnRequest request;
  request.v3_and_below_transactional_id = options_.transactional_id;
  request.v3_and_below_producer_id = id_.value();
  request.v3_and_below_producer_epoch = epoch_.value();
  auto& topic = request.v3_and_below_topics.emplace_back();
  topic.name = options_.output;
  std::set<std::int32_t> partitions;
  for (const auto& batch : transaction_.batches) partitions.insert(batch->partition.partition.value());
  topic.partitions.assign(partitions.begin(), partitions.end());
  transaction_.is_begun = true;
  ask<protocol::AddPartitionsToTxnResponse>(
      coordinator(), request, {2, 3},
      [this, granted = witness()](const protocol::AddPartitionsToTxnResponse& response) {
        if (const ErrorCode error = error_in(response); error != ErrorCode::kNone)
          return on_refusal("AddPartitionsToTxn", error, [this] { add_partitions(); });
        granted("AddPartitionsToTxn");
        produce_next();
      });
}

void ClusterCopier::produce_next() {
  if (transaction_.batches.empty()) return options_.is_of_version_2 ? commit_offsets() : add_offsets();
  const std::shared_ptr<Batch> batch = transaction_.batches.front();
  const Place place = place_of(batch->partition);
  if (place.leader < 0) {
    refresh();
    return after(kBackoff, [this] { produce_next(); });
  }
  if (batch->bytes.empty()) batch->bytes = seal(*batch);
  protocol::ProduceRequest request;
  request.transactional_id = options_.transactional_id;
  request.acks = -1;
  request.timeout_ms = kProduceTimeoutMs;
  auto& topic = request.topic_data.emplace_back();
  topic.name = batch->partition.topic;
  auto& data = topic.partition_data.emplace_back();
  data.index = batch->partition.partition.value();
  data.records = protocol::Records{ByteView(batch->bytes)};
  transaction_.is_begun = true;
  channel_to(place.leader)
      .call<protocol::ProduceResponse>(
          std::move(request), options_.is_of_version_2 ? kProduceVersions : kOldProduceVersions,
          [this, batch, granted = witness()](Result<broker::PeerAnswer<protocol::ProduceResponse>> answer) {
            if (answer && answer->body.responses.at(0).partition_responses.at(0).error_code == 0)
              granted("Produce");
            on_produced(batch, answer);
          });
}

void ClusterCopier::on_produced(const std::shared_ptr<Batch>& batch,
                                const Result<broker::PeerAnswer<protocol::ProduceResponse>>& answer) {
  const auto* told = answer ? &answer->body.responses.at(0).partition_responses.at(0) : nullptr;
  const ErrorCode error =
      told == nullptr ? ErrorCode::kNetworkException : static_cast<ErrorCode>(told->error_code);
  if (error != ErrorCode::kNone && error != ErrorCode::kDuplicateSequenceNumber) {
    surroundings().note(fmt::format("{} in epoch {}: sequence {} of {} is refused with error {}", host(),
                                    epoch_.value(), sequences_[batch->partition], to_string(batch->partition),
                                    static_cast<int>(error)));
    return on_refusal("Produce", error, [this] { produce_next(); });
  }
  for (std::size_t at = 0; error == ErrorCode::kNone && at < batch->records.size(); ++at) {
    const Offset offset(told->base_offset + static_cast<std::int64_t>(at));
    checks().acknowledged(batch->partition, offset, batch->records[at]);
    transaction_.written.emplace_back(batch->partition, offset);
  }
  std::int32_t& sequence = sequences_[batch->partition];
  sequence = protocol::increment_sequence(sequence, static_cast<std::int32_t>(batch->records.size()));
  transaction_.batches.erase(transaction_.batches.begin());
  produce_next();
}

void ClusterCopier::add_offsets() {
  protocol::AddOffsetsToTxnRequest request;
  request.transactional_id = options_.transactional_id;
  request.producer_id = id_.value();
  request.producer_epoch = epoch_.value();
  request.group_id = member().options().group;
  transaction_.is_begun = true;
  ask<protocol::AddOffsetsToTxnResponse>(
      coordinator(), request, {2, 3},
      [this, granted = witness()](const protocol::AddOffsetsToTxnResponse& response) {
        if (const ErrorCode error = error_in(response); error != ErrorCode::kNone)
          return on_refusal("AddOffsetsToTxn", error, [this] { add_offsets(); });
        granted("AddOffsetsToTxn");
        commit_offsets();
      });
}

void ClusterCopier::commit_offsets() {
  if (has_lost_something()) return end(false);
  if (transaction_.is_to_abort && below(2) == 0 && transaction_.is_begun) return end(false);
  protocol::TxnOffsetCommitRequest request;
  request.transactional_id = options_.transactional_id;
  request.group_id = member().options().group;
  request.producer_id = id_.value();
  request.producer_epoch = epoch_.value();
  request.generation_id = transaction_.member_epoch;
  request.member_id = transaction_.member;
  request.group_instance_id = member().options().instance;
  std::map<TopicPartition, std::pair<Offset, LeaderEpoch>> offsets;
  for (const Taken& taken : transaction_.taken) offsets[taken.partition] = {taken.next, taken.epoch};
  for (const auto& [partition, position] : offsets) {
    if (request.topics.empty()) request.topics.emplace_back().name = partition.topic;
    auto& committed = request.topics.back().partitions.emplace_back();
    committed.partition_index = partition.partition.value();
    committed.committed_offset = position.first.value();
    committed.committed_leader_epoch = position.second.value();
    committed.committed_metadata = host();
  }
  transaction_.is_begun = true;
  ask<protocol::TxnOffsetCommitResponse>(
      {CoordinatorKind::kGroup, request.group_id}, request,
      options_.is_of_version_2 ? kOffsetVersions : kOldOffsetVersions,
      [this, granted = witness()](const protocol::TxnOffsetCommitResponse& response) {
        if (const ErrorCode error = error_in(response); error != ErrorCode::kNone)
          return on_refusal("TxnOffsetCommit", error, [this] { commit_offsets(); });
        granted("TxnOffsetCommit");
        end(!transaction_.is_to_abort);
      });
}

void ClusterCopier::end(bool commit) {
  if (!transaction_.is_begun) return finish(false);
  protocol::EndTxnRequest request;
  request.transactional_id = options_.transactional_id;
  request.producer_id = id_.value();
  request.producer_epoch = epoch_.value();
  request.committed = commit;
  ask<protocol::EndTxnResponse>(
      coordinator(), request, options_.is_of_version_2 ? kEndVersions : kOldEndVersions,
      [this, commit, granted = witness()](const protocol::EndTxnResponse& response) {
        if (response.error_code == 0) granted("EndTxn");
        on_ended(commit, response);
      });
}

void ClusterCopier::on_ended(bool commit, const protocol::EndTxnResponse& response) {
  if (const auto error = static_cast<ErrorCode>(response.error_code); error != ErrorCode::kNone)
    return on_refusal(commit ? "a commit" : "an abort", error, [this, commit] { end(commit); }, true);
  if (options_.is_of_version_2) {
    id_ = ProducerId(response.producer_id);
    epoch_ = ProducerEpoch(response.producer_epoch);
    sequences_.clear();
  }
  finish(commit);
}

}  // namespace barnabas::simulation
