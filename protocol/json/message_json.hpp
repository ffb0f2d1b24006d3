// Messages as JSON, in the form of Kafka's own converters: camelCase names, uuids as 22 characters of
// base64url, bytes and records as base64, tagged fields only where they differ from their default.
//
// Typed calls: to_json and from_json of the generated protocol/json/messages_json.hpp. By name: here.
// Thread-safe. Library barnabas_protocol_json, apart because the broker's hot path has no use for it.
#pragma once

#include <boost/json/fwd.hpp>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.hpp"

namespace barnabas::protocol {

/// Errors of a conversion; the first one stays. Owns the bytes that a message made from JSON refers to, so it
/// must live as long as the message.
class JsonContext {
 public:
  [[nodiscard]] bool ok() const { return failure_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failure_; }
  void fail(std::string what) {
    if (ok()) failure_ = std::move(what);
  }
  ByteView keep(Bytes bytes) { return storage_.emplace_back(std::move(bytes)); }

 private:
  std::string failure_;
  std::deque<Bytes> storage_;
};

struct MessageJson {
  const char* name;
  /// The JSON of an encoded message that fills `input` wholly.
  boost::json::value (*to_json)(JsonContext& context, std::int16_t version, ByteView input);
  /// The encoded message.
  Bytes (*from_json)(JsonContext& context, std::int16_t version, const boost::json::value& from);
};

/// In the order of the names: the messages of all_messages().
std::span<const MessageJson> all_message_jsons();
/// Null when there is none.
const MessageJson* find_message_json(std::string_view name);

std::string base64(ByteView bytes);
/// False when the text is not base64 with its padding.
bool parse_base64(std::string_view text, Bytes& to);

}  // namespace barnabas::protocol
