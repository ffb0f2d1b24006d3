// ApiVersions 0-4: what this node speaks. KIP-35, KIP-511 (client software), KIP-584 (features), KIP-848 era
// v4.
//
//   v1 throttle time   v3 flexible, client software, features   v4 features whose lowest level is 0
//
// Answered in version 0 with UNSUPPORTED_VERSION to a version we do not know, whatever its body is: the
// client then asks again. Measured on Kafka 4.3.1: that answer holds the single entry 18:0-4 and the
// connection stays usable. Of an API that is forwarded a broker tells what the active controller has too.
#include <algorithm>

#include "broker/api/api_table.hpp"
#include "broker/api/forwarding.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "protocol/messages/api_api_versions.hpp"

namespace barnabas::broker {

using protocol::ApiVersionsRequest;
using protocol::ApiVersionsResponse;

namespace {

struct SupportedFeature {
  const char* name;
  std::int16_t min;
  std::int16_t max;
};

// In the order Kafka 4.3.1 lists them.
constexpr SupportedFeature kSupportedFeatures[] = {
    {"group.version", 0, 1},
    {"kraft.version", 0, 1},
    {"metadata.version", 7, 30},
    {"share.version", 0, 1},
    {"streams.version", 0, 1},
    {"transaction.version", 0, 2},
    {"eligible.leader.replicas.version", 0, 1},
};

constexpr std::int16_t kFirstVersionWithZeroMinimum = 4;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?
bool is_software_name(std::string_view text) {
  if (text.empty() || !is_letter_or_digit(text.front()) || !is_letter_or_digit(text.back())) return false;
  for (char c : text) {
    if (!is_letter_or_digit(c) && c != '-' && c != '.') return false;
  }
  return true;
}

void add_features(const MetadataCache& metadata, std::int16_t version, ApiVersionsResponse& response) {
  const kraft::MetadataImagePtr image = metadata.image();
  for (const SupportedFeature& feature : kSupportedFeatures) {
    if (feature.min == 0 && version < kFirstVersionWithZeroMinimum) continue;
    response.supported_features.push_back({feature.name, feature.min, feature.max});
  }
  response.finalized_features_epoch = image->offset.value();
  for (const auto& [name, level] : image->features->levels) {
    if (level > 0) response.finalized_features.push_back({name, level, level});
  }
  // The quorum's version is of its log, not of the image. Measured on Kafka 4.3.1: listed when it is not 0.
  const std::int16_t kraft_version = metadata.kraft_version();
  if (kraft_version > 0)
    response.finalized_features.push_back({"kraft.version", kraft_version, kraft_version});
  const std::int16_t metadata_version = image->features->metadata_version;
  response.finalized_features.push_back({"metadata.version", metadata_version, metadata_version});
}

/// What this node and the active controller have in common of an API that is forwarded; the row itself where
/// the controller is this node or was not reached yet.
std::optional<ApiRow> shared_versions(const ApiRow& row, const PeerVersions& controller) {
  if (!controller || find_forwardable(row.key) == nullptr) return row;
  const auto theirs = std::ranges::find(*controller, row.key, &PeerVersion::api_key);
  if (theirs == controller->end()) return std::nullopt;
  ApiRow shared = row;
  shared.min_version = std::max(row.min_version, theirs->min);
  shared.max_version = std::min(row.max_version, theirs->max);
  return shared.min_version <= shared.max_version ? std::optional(shared) : std::nullopt;
}

void handle_api_versions(Services& services, const RequestContext& context, ApiVersionsRequest& request,
                         Reply<ApiVersionsResponse> reply) {
  ApiVersionsResponse response;
  if (context.api_version >= 3) {
    if (!is_software_name(request.client_software_name) ||
        !is_software_name(request.client_software_version)) {
      response.error_code = static_cast<std::int16_t>(ErrorCode::kInvalidRequest);
      return reply.send(response);
    }
    context.connection->software_name = std::move(request.client_software_name);
    context.connection->software_version = std::move(request.client_software_version);
  }
  const bool on_controller = context.connection->controller_listener;
  const PeerVersions controller = on_controller ? nullptr : services.to_controller.controller_versions();
  for (const ApiRow& row : api_table()) {
    if (!is_served_on(row, on_controller)) continue;
    if (const auto shared = shared_versions(row, controller))
      response.api_keys.push_back({shared->key, shared->min_version, shared->max_version});
  }
  if (context.api_version >= 3) add_features(services.metadata, context.api_version, response);
  reply.send(response);
}

}  // namespace

bool serve_api_versions(Services& services, const RequestContext& context, protocol::Reader& reader,
                        ResponseSink sink) {
  if (context.api_version < ApiVersionsRequest::kMinVersion ||
      context.api_version > ApiVersionsRequest::kMaxVersion) {
    ApiVersionsResponse response;
    response.error_code = static_cast<std::int16_t>(ErrorCode::kUnsupportedVersion);
    response.api_keys.push_back(
        {ApiVersionsRequest::kApiKey, ApiVersionsRequest::kMinVersion, ApiVersionsRequest::kMaxVersion});
    sink(encode_response(response, 0, context.correlation_id, 0));
    return true;
  }
  return decode_and_handle<ApiVersionsRequest, ApiVersionsResponse, handle_api_versions>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
