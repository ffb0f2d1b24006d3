// DescribeTransactions 0: the state of transactional ids (KIP-664), without the topics that the client may
// not describe.
#include <memory>
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "protocol/messages/api_describe_transactions.hpp"

namespace barnabas::broker {

using protocol::DescribeTransactionsRequest;
using protocol::DescribeTransactionsResponse;
using Described = TransactionShard::Described;

namespace {

/// Collects the shards' answers, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  Gathering(const Services& services, const RequestContext& context,
            Reply<DescribeTransactionsResponse> reply, std::vector<std::string> ids)
      : services_(services),
        context_(context),
        reply_(std::move(reply)),
        ids_(std::move(ids)),
        missing_(ids_.size()) {
    response_.transaction_states.resize(missing_);
  }

  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_; }

  void put(std::size_t at, Described described) {
    std::erase_if(described.topics, [this](const auto& topic) {
      return !allowed(services_, context_, Operation::kDescribe, ResourceKind::kTopic, topic.topic);
    });
    std::lock_guard lock(mutex_);
    described.transactional_id = ids_[at];
    response_.transaction_states[at] = std::move(described);
    if (--missing_ == 0) reply_.send(response_);
  }
  void put_error(std::size_t at, ErrorCode error) {
    Described described;
    described.error_code = static_cast<std::int16_t>(error);
    put(at, std::move(described));
  }

 private:
  const Services& services_;
  const RequestContext context_;
  std::mutex mutex_;
  Reply<DescribeTransactionsResponse> reply_;  // guarded by mutex_
  const std::vector<std::string> ids_;
  std::size_t missing_;                    // guarded by mutex_
  DescribeTransactionsResponse response_;  // guarded by mutex_
};

void handle_describe_transactions(Services& services, const RequestContext& context,
                                  DescribeTransactionsRequest& request,
                                  Reply<DescribeTransactionsResponse> reply) {
  if (request.transactional_ids.empty()) return reply.send({});
  auto gathering =
      std::make_shared<Gathering>(services, context, std::move(reply), std::move(request.transactional_ids));
  for (std::size_t at = 0; at < gathering->ids().size(); ++at) {
    const std::string& id = gathering->ids()[at];
    if (!allowed(services, context, Operation::kDescribe, ResourceKind::kTransactionalId, id)) {
      gathering->put_error(at, ErrorCode::kTransactionalIdAuthorizationFailed);
    } else if (id.empty()) {
      gathering->put_error(at, ErrorCode::kInvalidRequest);
    } else {
      services.transactions.run(id, [gathering, at](ErrorCode refused, TransactionShard* shard, Step* step) {
        if (refused != ErrorCode::kNone) return gathering->put_error(at, refused);
        shard->describe(
            gathering->ids()[at],
            [gathering, at](const Described& described) { gathering->put(at, described); }, *step);
      });
    }
  }
}

}  // namespace

bool serve_describe_transactions(Services& services, const RequestContext& context, protocol::Reader& reader,
                                 ResponseSink sink) {
  return decode_and_handle<DescribeTransactionsRequest, DescribeTransactionsResponse,
                           handle_describe_transactions>(services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
