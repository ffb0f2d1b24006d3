#include "protocol/headers.hpp"

#include "protocol/api_keys.hpp"
#include "protocol/message_codec.hpp"

namespace barnabas::protocol {

namespace {

bool is_flexible(std::int16_t api_key, std::int16_t api_version) {
  const ApiInfo* api = find_api(api_key);
  return api != nullptr && api_version >= api->first_flexible_version;
}

bool is(std::int16_t api_key, ApiKey key) {
  return api_key == static_cast<std::int16_t>(key);
}

}  // namespace

std::int16_t request_header_version(std::int16_t api_key, std::int16_t api_version) {
  if (is(api_key, ApiKey::kControlledShutdown) && api_version == 0) return 0;
  return is_flexible(api_key, api_version) ? 2 : 1;
}

std::int16_t response_header_version(std::int16_t api_key, std::int16_t api_version) {
  if (is(api_key, ApiKey::kApiVersions)) return 0;
  return is_flexible(api_key, api_version) ? 1 : 0;
}

RequestPrefix read_request_header(Reader& r) {
  RequestPrefix header;
  header.api_key = r.int16();
  header.api_version = r.int16();
  header.correlation_id = r.int32();
  if (!r.ok()) return header;
  if (find_api(header.api_key) == nullptr) {
    r.fail("an unknown API key");
    return header;
  }
  header.header_version = request_header_version(header.api_key, header.api_version);
  // The client id keeps its old encoding in the flexible header too.
  if (header.header_version >= 1) header.client_id = r.nullable_string(false);
  if (header.header_version >= 2) skip_tagged_fields(r);
  return header;
}

void write_request_header(Writer& w, const RequestPrefix& header) {
  w.int16(header.api_key);
  w.int16(header.api_version);
  w.int32(header.correlation_id);
  std::int16_t version = request_header_version(header.api_key, header.api_version);
  if (version >= 1) put_string(w, false, header.client_id);
  if (version >= 2) w.uvarint(0);
}

}  // namespace barnabas::protocol
