// UpdateFeatures 0-2: raises and lowers the finalized levels of features, all or none (KIP-584).
//
//   v1 kinds of downgrade, validation only (KIP-778)   v2 one error for the whole request (KIP-1022)
#include "broker/api/api_table.hpp"
#include "broker/api/authorization.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

using protocol::UpdateFeaturesRequest;
using protocol::UpdateFeaturesResponse;

namespace {

void handle_update_features(Services& services, const RequestContext& context, UpdateFeaturesRequest& request,
                            Reply<UpdateFeaturesResponse> reply) {
  if (!allowed_on_cluster(services, context, Operation::kAlter)) {
    UpdateFeaturesResponse refused;
    refused.error_code = static_cast<std::int16_t>(ErrorCode::kClusterAuthorizationFailed);
    refused.error_message = "Cluster authorization failed.";
    return reply.send(refused);
  }
  services.controller.submit([request = std::move(request), version = context.api_version,
                              reply = std::move(reply)](kraft::MetadataNode& node, std::int64_t) mutable {
    node.submit(
        std::move(request), version,
        [reply = std::move(reply)](UpdateFeaturesResponse response) mutable { reply.send(response); });
  });
}

}  // namespace

bool serve_update_features(Services& services, const RequestContext& context, protocol::Reader& reader,
                           ResponseSink sink) {
  return decode_and_handle<UpdateFeaturesRequest, UpdateFeaturesResponse, handle_update_features>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
