// What administrators ask a shard about: one transaction, or all that fit (KIP-664).
#include <algorithm>
#include <utility>

#include "broker/coordinator/transaction_shard.hpp"

namespace barnabas::broker {

void TransactionShard::describe(const std::string& transactional_id, Answer<Described> answer, Step& step) {
  Described described;
  described.transactional_id = transactional_id;
  const Transaction* transaction = find(transactional_id);
  if (transaction == nullptr) {
    described.error_code = static_cast<std::int16_t>(ErrorCode::kTransactionalIdNotFound);
    return step.reply(answer, std::move(described));
  }
  described.transaction_state = to_string(transaction->state);
  described.transaction_timeout_ms = transaction->timeout_ms;
  described.transaction_start_time_ms = transaction->start_ms;
  described.producer_id = transaction->producer_id.value();
  described.producer_epoch = transaction->epoch.value();
  // Those that still wait for their marker.
  const auto ending = endings_.find(transactional_id);
  for (const TopicPartition& tp : ending == endings_.end() ? transaction->partitions : ending->second.left) {
    if (described.topics.empty() || described.topics.back().topic != tp.topic)
      described.topics.push_back({tp.topic, {}});
    described.topics.back().partitions.push_back(tp.partition.value());
  }
  step.reply(answer, std::move(described));
}

void TransactionShard::list(const protocol::ListTransactionsRequest& request,
                            Answer<protocol::ListTransactionsResponse> answer, Step& step) {
  protocol::ListTransactionsResponse response;
  std::set<TransactionState> states;
  for (const std::string& name : request.state_filters) {
    if (const auto state = transaction_state_of(name)) states.insert(*state);
  }
  const auto& producers = request.producer_id_filters;
  for (const auto& [id, transaction] : transactions_) {
    if (!request.state_filters.empty() && !states.contains(transaction.state)) continue;
    if (!producers.empty() &&
        std::ranges::find(producers, transaction.producer_id.value()) == producers.end())
      continue;
    if (request.duration_filter >= 0 && step.now.wall_ms - transaction.start_ms <= request.duration_filter)
      continue;
    response.transaction_states.push_back(
        {id, transaction.producer_id.value(), std::string(to_string(transaction.state))});
  }
  step.reply(answer, std::move(response));
}

}  // namespace barnabas::broker
