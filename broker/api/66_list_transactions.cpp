// ListTransactions 0-2: the transactional ids that this node coordinates (KIP-664).
//
//   v1 by how long the transaction is open (KIP-994)   v2 by a pattern of the id (KIP-1152), which is RE2's
//   and must fit the whole id
//
// Ids that the client may not describe are left out, without a word.
#include <re2/re2.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>

#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/transaction_driver.hpp"
#include "protocol/messages/api_list_transactions.hpp"

namespace barnabas::broker {

using protocol::ListTransactionsRequest;
using protocol::ListTransactionsResponse;

namespace {

/// Collects the shards' answers, which come from several threads, and sends them when all are there.
class Gathering {
 public:
  struct Options {
    std::unique_ptr<const re2::RE2> pattern;  // null: every id
    std::vector<std::string> unknown_states;
    std::size_t shards = 0;
  };
  Gathering(const Services& services, const RequestContext& context, Reply<ListTransactionsResponse> reply,
            Options options)
      : services_(services),
        context_(context),
        pattern_(std::move(options.pattern)),
        reply_(std::move(reply)),
        missing_(options.shards) {
    response_.unknown_state_filters = std::move(options.unknown_states);
  }

  void put(const ListTransactionsResponse& part) {
    std::lock_guard lock(mutex_);
    if (part.error_code != 0) response_.error_code = part.error_code;
    std::ranges::copy_if(
        part.transaction_states, std::back_inserter(response_.transaction_states), [&](const auto& state) {
          const std::string& id = state.transactional_id;
          return (!pattern_ || re2::RE2::FullMatch(id, *pattern_)) &&
                 allowed(services_, context_, Operation::kDescribe, ResourceKind::kTransactionalId, id);
        });
    if (--missing_ > 0) return;
    if (response_.error_code != 0) response_.transaction_states.clear();
    reply_.send(response_);
  }

 private:
  const Services& services_;
  const RequestContext context_;
  const std::unique_ptr<const re2::RE2> pattern_;
  std::mutex mutex_;
  Reply<ListTransactionsResponse> reply_;  // guarded by mutex_, as all below
  std::size_t missing_;
  ListTransactionsResponse response_;
};

void handle_list_transactions(Services& services, const RequestContext& context,
                              ListTransactionsRequest& request, Reply<ListTransactionsResponse> reply) {
  std::unique_ptr<const re2::RE2> pattern;
  if (request.transactional_id_pattern && !request.transactional_id_pattern->empty()) {
    pattern = std::make_unique<const re2::RE2>(*request.transactional_id_pattern, re2::RE2::Quiet);
    if (!pattern->ok()) {
      ListTransactionsResponse response;
      response.error_code = static_cast<std::int16_t>(ErrorCode::kInvalidRegularExpression);
      return reply.send(response);
    }
  }
  Gathering::Options options{std::move(pattern), {}, services.transactions.shard_count()};
  std::ranges::copy_if(request.state_filters, std::back_inserter(options.unknown_states),
                       [](const std::string& name) { return !transaction_state_of(name); });
  const std::size_t shards = options.shards;
  if (shards == 0) {
    ListTransactionsResponse response;
    response.unknown_state_filters = std::move(options.unknown_states);
    return reply.send(response);
  }
  auto filter = std::make_shared<const ListTransactionsRequest>(std::move(request));
  auto gathering = std::make_shared<Gathering>(services, context, std::move(reply), std::move(options));
  for (std::size_t i = 0; i < shards; ++i) {
    services.transactions.run_on(
        i, [gathering, filter](ErrorCode refused, TransactionShard* shard, Step* step) {
          if (refused == ErrorCode::kNone) {
            return shard->list(
                *filter, [gathering](const ListTransactionsResponse& part) { gathering->put(part); }, *step);
          }
          // Shards of other nodes are their business; a shard that loads may know more.
          ListTransactionsResponse part;
          if (refused != ErrorCode::kNotCoordinator) part.error_code = static_cast<std::int16_t>(refused);
          gathering->put(part);
        });
  }
}

}  // namespace

bool serve_list_transactions(Services& services, const RequestContext& context, protocol::Reader& reader,
                             ResponseSink sink) {
  return decode_and_handle<ListTransactionsRequest, ListTransactionsResponse, handle_list_transactions>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
