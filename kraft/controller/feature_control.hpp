// Finalized feature levels: UpdateFeatures, and the records of a new cluster. See control.hpp.
//
// All updates of a request or none; an error is one of the whole request at every version (measured on
// Kafka 4.3.1). Errors: 95 INVALID_UPDATE_VERSION. kraft.version is no record of the metadata but one of the
// quorum's own: whoever appends the records raises it (KIP-853, KIP-1022, KIP-584).
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_update_features.hpp"

namespace barnabas::kraft {

struct FeatureUpdates : ControllerResult<protocol::UpdateFeaturesResponse> {
  bool upgrades_kraft_version = false;  // before `records`
};

/// `quorum` are the nodes that controller.quorum.voters names: each must have registered. None for voters
/// that stand in the log.
FeatureUpdates update_features(const ControlContext& context, const protocol::UpdateFeaturesRequest& request,
                               std::int16_t version, const std::vector<BrokerId>& quorum = {});

}  // namespace barnabas::kraft
