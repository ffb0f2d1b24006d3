// AlterConfigs 0-2: replaces all overrides of a resource. Deprecated by IncrementalAlterConfigs, still served
// by 4.3.
//
//   v1 throttled after the answer   v2 flexible
#include "broker/api/alter_configs.hpp"
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_alter_configs.hpp"

namespace barnabas::broker {

using protocol::AlterConfigsRequest;
using protocol::AlterConfigsResponse;

bool serve_alter_configs(Services& services, const RequestContext& context, protocol::Reader& reader,
                         ResponseSink sink) {
  return decode_and_handle<AlterConfigsRequest, AlterConfigsResponse, alter_configs>(services, context,
                                                                                     reader, std::move(sink));
}

}  // namespace barnabas::broker
