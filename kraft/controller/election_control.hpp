// Elections of leaders: ElectLeaders, and those that the controller holds by itself from time to time.
// See control.hpp.
//
// Errors, of one partition: 3, 84 already led as asked for, 80 and 83 nobody may lead; of the whole request:
// 42 for an unknown type. Source: KIP-183, KIP-460; measured on Kafka 4.3.1.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_elect_leaders.hpp"

namespace barnabas::kraft {

ControllerResult<protocol::ElectLeadersResponse> elect_leaders(const ControlContext& context,
                                                               const protocol::ElectLeadersRequest& request);

inline constexpr std::size_t kMaxElectionsAtOnce = 1000;  // as Kafka 4.3.1

/// Gives partitions back to their preferred leaders (auto.leader.rebalance.enable), `max` of them at most.
[[nodiscard]] MetadataRecords balance_leaders(const ControlContext& context, std::size_t max);
/// Elects leaders out of sync for partitions that have none and whose topics allow it.
[[nodiscard]] MetadataRecords elect_unclean_leaders(const ControlContext& context, std::size_t max);

}  // namespace barnabas::kraft
