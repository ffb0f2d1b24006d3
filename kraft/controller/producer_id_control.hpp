// Blocks of producer ids: AllocateProducerIds, 1000 ids at a time (KIP-730). See control.hpp.
//
// Errors: 77 for a stale broker epoch, also of a broker that is not registered (measured on Kafka 4.3.1).
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_allocate_producer_ids.hpp"

namespace barnabas::kraft {

inline constexpr std::int32_t kProducerIdBlockSize = 1000;

ControllerResult<protocol::AllocateProducerIdsResponse> allocate_producer_ids(
    const ControlContext& context, const protocol::AllocateProducerIdsRequest& request);

}  // namespace barnabas::kraft
