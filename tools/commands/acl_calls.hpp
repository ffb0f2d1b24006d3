// What kafka-acls asks a cluster: DescribeAcls, CreateAcls, DeleteAcls.
#pragma once

#include "tools/client/admin.hpp"
#include "tools/commands/acl_entries.hpp"

namespace barnabas::tools {

Result<Acls> describe_acls(Admin& admin, const ResourcePattern& filter);
Result<void> create_acls(Admin& admin, const ResourcePattern& resource, const std::set<AccessEntry>& entries);
/// All entries of resources that match `filter`; only `entries` where there are some.
Result<void> delete_acls(Admin& admin, const ResourcePattern& filter, const std::set<AccessEntry>& entries);

}  // namespace barnabas::tools
