// ProducerState: what transaction coordinators are asked to vouch for, and markers that make an answer void
// (KIP-890).
#include <fmt/format.h>

#include <algorithm>

#include "log/producer_state.hpp"

namespace barnabas::log {

using protocol::RecordBatchHeader;

VerificationGuard ProducerState::begin_verification(const VerificationRequest& request, std::int64_t now_ms) {
  const bool is_wanted = verifies_ || request.supports_epoch_bump;
  if (!is_wanted || has_open_transaction(request.producer_id, request.epoch)) return {};
  auto [found, is_new] = verifications_.try_emplace(request.producer_id);
  Verification& verification = found->second;
  if (is_new) {
    verification = {
        {++last_guard_}, now_ms, request.epoch, request.base_sequence, request.supports_epoch_bump};
  } else if (request.epoch > verification.epoch) {
    verification.epoch = request.epoch;
    verification.lowest_sequence = request.base_sequence;
  } else if (request.epoch == verification.epoch) {
    verification.lowest_sequence = std::min(verification.lowest_sequence, request.base_sequence);
  }
  return verification.guard;
}

Result<void> ProducerState::check_verification(const RecordBatchHeader& batch, Offset offset,
                                               const AppendOptions& options) const {
  auto found = verifications_.find(batch.producer_id());
  bool is_open = has_open_transaction(batch.producer_id(), batch.producer_epoch());
  if (verifies_ && batch.is_transactional() && !batch.is_control() && !is_open) {
    bool is_verified =
        options.guard.is_needed() && found != verifications_.end() && found->second.guard == options.guard;
    if (!is_verified) {
      return fail(ErrorCode::kInvalidTxnState,
                  fmt::format("The transaction of producer {} in partition {} was not verified before the "
                              "write at offset {}",
                              batch.producer_id().value(), partition_, offset.value()));
    }
  }
  if (found == verifications_.end() || options.origin != AppendOrigin::kClient || batch.is_control())
    return {};
  const Verification& verification = found->second;
  // What a zombie asked says nothing of its successor's batches, whose transaction is open.
  if (is_open && verification.epoch < batch.producer_epoch()) return {};
  bool is_unknown = !producers_.contains(batch.producer_id());
  bool must_be_first = verification.supports_epoch_bump && is_unknown && batch.base_sequence() != 0;
  if (!must_be_first && batch.base_sequence() <= verification.lowest_sequence) return {};
  return fail(ErrorCode::kOutOfOrderSequenceNumber,
              fmt::format("Out of order sequence number for producer {} at offset {} in partition {}: {} "
                          "(incoming seq. number), {} (earliest seen sequence)",
                          batch.producer_id().value(), offset.value(), partition_, batch.base_sequence(),
                          must_be_first ? 0 : verification.lowest_sequence));
}

/// A marker makes void what its transaction's coordinator may have vouched for. A producer of
/// transaction.version 2 goes on with the epoch of the marker before that is written everywhere: its next
/// transaction's question stays open.
void ProducerState::end_verification(const Entry& entry, const RecordBatchHeader& marker) {
  const auto found = verifications_.find(marker.producer_id());
  if (found == verifications_.end()) return;
  const bool ends_earlier_epoch =
      entry.transaction_start != kNoOffset && entry.epoch < marker.producer_epoch();
  const bool is_of_next = found->second.supports_epoch_bump && found->second.epoch >= marker.producer_epoch();
  if (!ends_earlier_epoch || !is_of_next) verifications_.erase(found);
}

}  // namespace barnabas::log
