// What the node's part of the metadata quorum is made of, by the configuration: the replica, and its way to
// others. Pure functions. Errors: INVALID_CONFIG.
#pragma once

#include <string>
#include <vector>

#include "broker/config/broker_config.hpp"
#include "broker/drivers/quorum_network.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {

Result<kraft::MetadataNodeOptions> metadata_node_options(
    const BrokerConfig& config, const std::string& cluster_id, DirectoryId directory_id,
    std::vector<kraft::NamedEndpoint> controller_endpoints);

/// Whether the configuration and the metadata directory are of one quorum, before anything is opened.
Result<void> check_quorum(FileSystem& files, const BrokerConfig& config);

[[nodiscard]] QuorumNetworkOptions quorum_network_options(const BrokerConfig& config,
                                                          const std::string& cluster_id);

}  // namespace barnabas::broker
