#include "tools/commands/acl_entries.hpp"

#include <fmt/format.h>

namespace barnabas::tools {

std::string to_string(const ResourcePattern& resource) {
  return fmt::format("ResourcePattern(resourceType={}, name={}, patternType={})", name_of(resource.type),
                     resource.name.value_or("<any>"), name_of(resource.pattern));
}

std::string to_string(const AccessEntry& entry) {
  return fmt::format("(principal={}, host={}, operation={}, permissionType={})", entry.principal, entry.host,
                     name_of(entry.operation), name_of(entry.permission));
}

}  // namespace barnabas::tools
