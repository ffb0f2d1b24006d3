// Finalized feature levels: UpdateFeatures, and the records of a new cluster. See control.hpp.
//
// Errors: 95 INVALID_UPDATE_VERSION for levels that are not supported or need an unsafe downgrade, 42 for
// unknown upgrade types. kraft.version is a control record and is refused here (KIP-1022, KIP-584).
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_update_features.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::UpdateFeaturesResponse> update_features(
    const ControlContext& context, const protocol::UpdateFeaturesRequest& request, std::int16_t version);

}  // namespace barnabas::kraft
