#include "tools/client/admin.hpp"

#include <fmt/format.h>

#include "protocol/error_table.hpp"

namespace barnabas::tools {

Result<void> refusal(std::int16_t code, const std::optional<std::string>& message) {
  if (code == 0) return {};
  const auto error = static_cast<ErrorCode>(code);
  const bool has_message = message && !message->empty();
  return fail(error, has_message ? *message : protocol::error_message(error));
}

Result<Connection*> Admin::connection_to(const Target& target) {
  switch (target.kind) {
    case Target::Kind::kAny:
      return cluster_.any();
    case Target::Kind::kController:
      return cluster_.controller();
    case Target::Kind::kNode:
      return cluster_.node(target.node);
    case Target::Kind::kCoordinator:
      return cluster_.coordinator(target.type, target.key);
  }
  return fail(ErrorCode::kUnknownServerError);
}

void Admin::forget(const Target& target) {
  if (target.kind == Target::Kind::kCoordinator) cluster_.forget_coordinator(target.type, target.key);
}

Error Admin::unanswered(Error error, std::string_view name) {
  if (error.code == ErrorCode::kNetworkException || error.code == ErrorCode::kRequestTimedOut)
    return {ErrorCode::kRequestTimedOut,
            fmt::format("Timed out waiting for a node assignment. Call: {}", name)};
  return error;
}

Result<Answer<protocol::MetadataResponse>> Admin::metadata(
    const std::optional<std::vector<std::string>>& topics, std::string_view name) {
  using Done = Answer<protocol::MetadataResponse>;
  if (cluster_.kind() == Cluster::Bootstrap::kControllers)
    return fail(
        ErrorCode::kUnsupportedEndpointType,
        "This Admin API is not yet supported when communicating directly with the controller quorum.");
  return with_name(cluster_.retrying<Done>([&] { return cluster_.metadata(topics); }), name);
}

Result<std::vector<Node>> Admin::nodes(std::string_view name) {
  using Done = std::vector<Node>;
  return with_name(cluster_.retrying<Done>([&] { return cluster_.nodes(true); }), name);
}

}  // namespace barnabas::tools
