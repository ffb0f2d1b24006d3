// Topics that are to be there when the node serves (barnabas.create.topics).
#pragma once

#include <vector>

#include "broker/config/own_settings.hpp"
#include "broker/drivers/metadata_driver.hpp"

namespace barnabas::broker {

/// Creates those that are not there yet, as CreateTopics does, and returns when they serve. Not on the
/// driver's thread. The error names the topic and says what the controller said.
Result<void> create_wanted_topics(MetadataDriver& driver, const std::vector<WantedTopic>& topics);

}  // namespace barnabas::broker
