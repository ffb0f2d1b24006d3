// The table of what is served: one row an API, one file a row (NN_name.cpp, numbered by the key).
//
// ApiVersions, the dispatcher and docs/apis.md follow from it: an API without a row is not advertised.
#pragma once

#include <cstdint>
#include <span>

#include "broker/api/request_context.hpp"
#include "broker/api/services.hpp"
#include "protocol/headers.hpp"
#include "protocol/reader.hpp"

namespace barnabas::broker {

/// Decodes and handles one request; false when the body does not parse (the connection is closed then, and
/// `reader.failure()` tells what was wrong). `sink` is answered once, now or later.
using ApiHandler = bool (*)(Services& services, const RequestContext& context, protocol::Reader& reader,
                            ResponseSink sink);

struct ApiRow {
  std::int16_t key;
  const char* name;
  std::int16_t min_version;
  std::int16_t max_version;
  /// The next request of the connection may start before this one is answered (answers keep the order).
  bool pipelined;
  ApiHandler handler;
};

[[nodiscard]] std::span<const ApiRow> api_table();
/// Null when the API is not served.
[[nodiscard]] const ApiRow* find_api(std::int16_t key);
/// Whether an API of the table belongs to listeners of this kind. A request that does not ends its
/// connection, and ApiVersions does not mention it (measured on Kafka 4.3.1).
[[nodiscard]] bool is_served_on(const ApiRow& row, bool controller_listener);

/// Adapts `void handle_x(Services&, const RequestContext&, XRequest&, Reply<XResponse>)` to a row's handler.
template <class Request, class Response,
          void (*Handle)(Services&, const RequestContext&, Request&, Reply<Response>)>
bool decode_and_handle(Services& services, const RequestContext& context, protocol::Reader& reader,
                       ResponseSink sink) {
  Request request;
  request.read(reader, context.api_version);
  if (!reader.ok()) return false;
  Handle(services, context, request,
         Reply<Response>(std::move(sink), context.api_version, context.correlation_id,
                         protocol::response_header_version(context.api_key, context.api_version)));
  return true;
}

}  // namespace barnabas::broker
