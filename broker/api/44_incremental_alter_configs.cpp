// IncrementalAlterConfigs 0-1: sets, deletes, appends to and subtracts from single configurations (KIP-339).
//
//   v1 flexible
#include "broker/api/alter_configs.hpp"
#include "broker/api/api_table.hpp"
#include "protocol/messages/api_incremental_alter_configs.hpp"

namespace barnabas::broker {

using protocol::IncrementalAlterConfigsRequest;
using protocol::IncrementalAlterConfigsResponse;

bool serve_incremental_alter_configs(Services& services, const RequestContext& context,
                                     protocol::Reader& reader, ResponseSink sink) {
  return decode_and_handle<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, alter_configs>(
      services, context, reader, std::move(sink));
}

}  // namespace barnabas::broker
