// ActiveController: who leads the metadata quorum and where it listens, as one node knows it. A plain value.
#pragma once

#include <optional>

#include "base/ids.hpp"
#include "base/network.hpp"

namespace barnabas::kraft {

struct ActiveController {
  BrokerId id = kNoBroker;  // kNoBroker: nobody is known to lead
  LeaderEpoch epoch = kNoLeaderEpoch;
  /// Its listener of the first name in controller.listener.names; nothing while that is not known.
  std::optional<Endpoint> endpoint;
  /// This node leads and its epoch is committed: requests go to MetadataNode::submit(), not over the network.
  bool is_local = false;
  bool operator==(const ActiveController&) const = default;
};

}  // namespace barnabas::kraft
