// The ready file: tells whoever started a node that it serves, and where (one JSON object on a line).
//
// Functions; for the thread that starts and stops the node. Errors: INVALID_CONFIG with a line that names the
// file.
#pragma once

#include <map>
#include <string>

#include "base/ids.hpp"
#include "base/network.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

/// Complete when it appears: written beside, then renamed. Nothing for an empty path.
Result<void> write_ready_file(const std::string& path, BrokerId node, const std::string& cluster_id,
                              const std::map<std::string, Endpoint>& listeners);
void remove_ready_file(const std::string& path);

}  // namespace barnabas::broker
