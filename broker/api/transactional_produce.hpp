// What of a produce request its transaction's coordinator is asked before the records are appended (KIP-890).
//
// Pure but for the verification that begins in the log of each partition. Thread safety: none, the request's
// reactor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.hpp"
#include "broker/api/request_context.hpp"
#include "broker/api/services.hpp"
#include "broker/drivers/transaction_gate.hpp"
#include "log/partition_log.hpp"
#include "protocol/messages/api_produce.hpp"

namespace barnabas::broker {

/// What is known of one partition's batch before it is appended.
struct VerifiedBatch {
  log::VerificationGuard guard = {};
  ErrorCode error = ErrorCode::kNone;  // not to be appended
};
/// By where the batch stands in the request.
using VerifiedBatches = std::map<const protocol::ProduceRequest::PartitionProduceData*, VerifiedBatch>;

struct ProduceQuestion {
  TransactionQuestion question;  // without partitions there is nothing to ask
  /// Those that are asked about, in the question's order.
  std::vector<const protocol::ProduceRequest::PartitionProduceData*> batches;
  VerifiedBatches verified;
  /// Of the whole request.
  ErrorCode refused = ErrorCode::kNone;
};

/// By its first batch, as Kafka looks at it.
[[nodiscard]] bool is_transactional(ByteView records);

/// Gives the name of a topic that may be asked about, or an empty one.
using TopicNamed = std::function<std::string_view(const protocol::ProduceRequest::TopicProduceData&)>;

/// Requires a transactional id.
[[nodiscard]] ProduceQuestion find_question(Services& services, const RequestContext& context,
                                            const protocol::ProduceRequest& request,
                                            const TopicNamed& topic_named);

/// Anew, for batches that are asked about once more; `partitions` in the order of `batches`.
void renew_guards(Services& services, const std::vector<TopicPartition>& partitions, ProduceQuestion& asked);

struct RefusedBatch {
  ErrorCode error = ErrorCode::kNone;
  std::string message;
};
/// What the client is told. Errors that older clients would not retry become NOT_ENOUGH_REPLICAS.
[[nodiscard]] RefusedBatch refused_batch(ErrorCode error, std::int16_t produce_version);

}  // namespace barnabas::broker
