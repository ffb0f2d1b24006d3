// What several modes begin with: a topic that takes records.
#pragma once

#include <string>

#include "base/bytes.hpp"

namespace barnabas::wirebench {

/// Sends `produce_body` until it is taken: a new topic may have no leader yet. Gives up after ten seconds.
void wait_until_writable(const std::string& address, ByteView produce_body);

}  // namespace barnabas::wirebench
