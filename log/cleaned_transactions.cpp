#include "log/cleaned_transactions.hpp"

#include "log/producer_state.hpp"

namespace barnabas::log {

void CleanedTransactions::add_aborted(const std::vector<AbortedTransaction>& transactions) {
  for (const AbortedTransaction& one : transactions) aborted_.emplace(one.first_offset, one);
}

void CleanedTransactions::begin_up_to(Offset offset) {
  while (!aborted_.empty() && aborted_.begin()->first <= offset) {
    const AbortedTransaction& begun = aborted_.begin()->second;
    ongoing_aborted_.try_emplace(begun.producer_id, Ongoing{begun});
    aborted_.erase(aborted_.begin());
  }
}

bool CleanedTransactions::read_data(const protocol::RecordBatchHeader& batch) {
  begin_up_to(batch.last_offset());
  if (!batch.is_transactional()) return false;
  auto aborted = ongoing_aborted_.find(batch.producer_id());
  if (aborted != ongoing_aborted_.end()) {
    aborted->second.met = true;
    return true;
  }
  ongoing_committed_.insert(batch.producer_id());
  return false;
}

Result<bool> CleanedTransactions::read_control(const protocol::RecordBatchView& batch) {
  begin_up_to(batch.last_offset());
  if (batch.count() == 0) return true;  // emptied by an earlier cleaning
  auto marker = TRY(read_transaction_marker(batch));
  if (!marker) return false;
  if (!marker->aborted) return ongoing_committed_.erase(batch.producer_id()) == 0;
  auto aborted = ongoing_aborted_.find(batch.producer_id());
  if (aborted == ongoing_aborted_.end()) return true;
  Ongoing ended = aborted->second;
  ongoing_aborted_.erase(aborted);
  if (ended.met) kept_.push_back(ended.transaction);
  return !ended.met;
}

}  // namespace barnabas::log
