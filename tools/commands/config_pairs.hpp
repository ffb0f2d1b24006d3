// `--add-config k=v,k2=[v1,v2]`: pairs, with brackets around values that have commas.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace barnabas::tools {

using ConfigPairs = std::map<std::string, std::string>;

/// kMisuse with Kafka's sentence. The brackets are gone from the values.
Result<ConfigPairs> parse_config_pairs(std::string_view text);

}  // namespace barnabas::tools
