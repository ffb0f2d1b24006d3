// Who is to be allowed or denied what when the node serves, in the words of kafka-acls.
//
// Pure functions. Thread safety: any. Errors: INVALID_CONFIG with a sentence about the entry.
#pragma once

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

/// The ACLs that `kafka-acls --add` would make of these options:
/// "--allow-principal User:alice --operation Read --topic orders". A value with spaces stands in quotes.
Result<std::vector<kraft::AclEntry>> parse_wanted_acls_entry(std::string_view options);

}  // namespace barnabas::broker
