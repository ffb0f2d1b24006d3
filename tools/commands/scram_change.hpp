// Passwords of users as kafka-configs takes them: SCRAM-SHA-256=[iterations=8192,password=secret].
#pragma once

#include <string>
#include <vector>

#include "tools/client/admin.hpp"
#include "tools/commands/config_pairs.hpp"

namespace barnabas::tools {

/// kMisuse for what the tool refuses itself.
Result<void> alter_scram_credentials(Admin& admin, const std::string& user, const ConfigPairs& added,
                                     const std::vector<std::string>& deleted);

}  // namespace barnabas::tools
