// Admin: calls of administering APIs, each to the node that answers it, repeated until it does.
//
// Owned by a command. Thread safety: none. Errors: what the broker answered, with its own sentence or the
// code's; REQUEST_TIMED_OUT when nobody answered within default.api.timeout.ms. Source: measured on Kafka
// 4.3.1.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "tools/client/cluster.hpp"

namespace barnabas::tools {

/// An error code of an answer as a Result; the detail is never empty.
Result<void> refusal(std::int16_t code, const std::optional<std::string>& message = {});

/// The first error among the results of an answer, each with a code and a sentence.
template <class Results>
Result<void> first_refusal(const Results& results) {
  for (const auto& result : results) {
    if (auto refused = refusal(result.error_code, result.error_message); !refused) return refused;
  }
  return {};
}

/// Whom a call is for.
struct Target {
  enum class Kind { kAny, kController, kNode, kCoordinator };
  Kind kind = Kind::kAny;
  BrokerId node = {};
  CoordinatorType type = CoordinatorType::kGroup;
  std::string key = {};

  static Target any() { return {}; }
  static Target controller() { return {.kind = Kind::kController}; }
  static Target broker(BrokerId id) { return {.kind = Kind::kNode, .node = id}; }
  static Target group(std::string id) { return {.kind = Kind::kCoordinator, .key = std::move(id)}; }
  static Target transaction(std::string id) {
    return {.kind = Kind::kCoordinator, .type = CoordinatorType::kTransaction, .key = std::move(id)};
  }
};

class Admin {
 public:
  explicit Admin(Cluster cluster) : cluster_(std::move(cluster)) {}

  [[nodiscard]] Cluster& cluster() { return cluster_; }

  /// Sends `request` until it is answered without an error that a retry mends. The error of the whole answer
  /// counts, and what `check` finds in it. `name` is what Kafka's AdminClient calls the call.
  template <class Response, class Request>
  Result<Answer<Response>> call(const Target& target, const Request& request, std::string_view name,
                                const std::function<Result<void>(const Response&)>& check = {},
                                std::int16_t most = Request::kMaxVersion) {
    using Done = Answer<Response>;
    return with_name(cluster_.retrying<Done>([&]() -> Result<Done> {
      Connection* connection = TRY(connection_to(target));
      Done answer = TRY(cluster_.call<Response>(*connection, request, most));
      const Result<void> checked = checked_answer(answer.body, check);
      if (checked) return answer;
      forget(target);
      return std::unexpected(checked.error());
    }),
                     name);
  }

  /// Metadata of the topics named, of all where nothing is given.
  Result<Answer<protocol::MetadataResponse>> metadata(const std::optional<std::vector<std::string>>& topics,
                                                      std::string_view name);
  /// By id, asked anew.
  Result<std::vector<Node>> nodes(std::string_view name);

 private:
  Result<Connection*> connection_to(const Target& target);
  void forget(const Target& target);

  template <class Response>
  static Result<void> checked_answer(const Response& answer,
                                     const std::function<Result<void>(const Response&)>& check) {
    if constexpr (requires { answer.error_code; }) {
      if constexpr (requires { answer.error_message; }) {
        TRY(refusal(answer.error_code, answer.error_message));
      } else {
        TRY(refusal(answer.error_code));
      }
    }
    return check ? check(answer) : Result<void>{};
  }

  /// Whoever could not be reached did not take the call.
  static Error unanswered(Error error, std::string_view name);
  template <class T>
  static Result<T> with_name(Result<T> done, std::string_view name) {
    if (done) return done;
    return std::unexpected(unanswered(std::move(done).error(), name));
  }

  Cluster cluster_;
};

}  // namespace barnabas::tools
