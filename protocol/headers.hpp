// Request and response headers: which version of them an API's version uses, and the first bytes of a
// request.
//
// Stateless, thread-safe. Source: the header schemas, KIP-482 (flexible versions), KIP-511 (ApiVersions).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace barnabas::protocol {

class Reader;
class Writer;

struct RequestPrefix {
  std::int16_t api_key = 0;
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  std::int16_t header_version = 0;
};

/// 0, 1 or 2. ControlledShutdown v0 alone has no client id; the flexible versions end with tagged fields. A
/// version beyond the API's last counts as flexible if the last is: a client asks with its own newest
/// ApiVersions. The key must be an API's.
std::int16_t request_header_version(std::int16_t api_key, std::int16_t api_version);
/// 0, or 1 with tagged fields. Always 0 for ApiVersions, which a client reads before it knows the broker.
std::int16_t response_header_version(std::int16_t api_key, std::int16_t api_version);

/// Leaves the reader at the body. Fails the reader at an unknown API key; the API's version is not judged.
RequestPrefix read_request_header(Reader& r);
/// For clients and forwarding: chooses the header's version itself and ignores `header_version`.
void write_request_header(Writer& w, const RequestPrefix& header);

}  // namespace barnabas::protocol
