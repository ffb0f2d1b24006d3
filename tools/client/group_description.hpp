// What a cluster says of groups.
//
// Values. Source: ListGroups of every broker; ConsumerGroupDescribe, then DescribeGroups for groups that are
// not of KIP-848.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/client/admin.hpp"

namespace barnabas::tools {

struct GroupListing {
  std::string id;
  std::string protocol_type;
  std::string state;
  std::string type;  // "classic", "consumer", "share", "streams"; empty where brokers do not say
};

/// "Classic" of "classic".
[[nodiscard]] std::string capital_type(const std::string& type);

/// Sorted by id; empty filters let everything pass. BROKER_NOT_AVAILABLE when there is nobody to ask.
Result<std::vector<GroupListing>> list_groups(Admin& admin, const std::vector<std::string>& states = {},
                                              const std::vector<std::string>& types = {});

using Assignment = std::map<std::string, std::vector<std::int32_t>>;  // topic -> partitions, sorted

struct DescribedMember {
  std::string id;
  std::string instance_id;  // empty: none
  std::string client_id;
  std::string host;
  Assignment assignment;
  std::optional<Assignment> target = {};   // of KIP-848
  std::optional<std::int32_t> epoch = {};  // of KIP-848
  std::optional<bool> is_upgraded = {};    // of KIP-848, brokers that tell
};

struct GroupDescription {
  std::string id;
  bool is_classic = true;
  std::string state;  // "Stable"
  std::string protocol_type;
  std::string assignor;
  std::optional<std::int32_t> epoch = {};         // of KIP-848
  std::optional<std::int32_t> target_epoch = {};  // of KIP-848
  Node coordinator;
  std::vector<DescribedMember> members;
};

/// GROUP_ID_NOT_FOUND where there is none.
Result<GroupDescription> describe_group(Admin& admin, const std::string& id);

}  // namespace barnabas::tools
