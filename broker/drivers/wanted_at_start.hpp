// Topics, users and ACLs that are to be there when the node serves (barnabas.create.topics,
// barnabas.create.users, barnabas.create.acls).
#pragma once

#include <vector>

#include "base/random.hpp"
#include "broker/config/own_settings.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

/// Creates those that are not there yet, as CreateTopics does, and returns when they serve. Not on the
/// driver's thread. The error names the topic and says what the controller said.
Result<void> create_wanted_topics(ControllerChannel& controller, const std::vector<WantedTopic>& topics);

/// Gives those that have no credential of that mechanism yet theirs, as AlterUserScramCredentials does. Not
/// on the driver's thread. The error names the user. Only the active controller does it: the request of other
/// nodes has no place for the keys.
Result<void> create_wanted_users(MetadataDriver& driver, Random& random,
                                 const std::vector<kraft::ScramUserSpec>& users);

/// Adds those that are not there yet, as CreateAcls does. Not on the driver's thread. The error names the
/// resource.
Result<void> create_wanted_acls(ControllerChannel& controller, const kraft::AclsImage& there,
                                const std::vector<kraft::AclEntry>& acls);

}  // namespace barnabas::broker
