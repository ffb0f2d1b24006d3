// Records of internal topics as JSON: what the coordinators and the metadata quorum keep.
//
// Pure functions, safe from any thread. Errors: INVALID_RECORD for types and versions without a schema and
// for bytes that do not parse. Bytes behind a coordinator's key or value are ignored, as Kafka ignores them.
// Source: the coordinator and metadata schemas; the form measured on Kafka 4.3.1.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/result.hpp"

namespace barnabas::tools {

enum class CoordinatorTopic { kGroup, kTransaction, kShare };

/// Has the topic records whose keys begin with this number?
[[nodiscard]] bool is_coordinator_type(CoordinatorTopic topic, std::int16_t type);

/// A record's key: {"type": ..., "data": {...}}, and the message that its value is.
struct CoordinatorKey {
  std::int16_t type = 0;
  std::string message_name;  // "OffsetCommitValue"
  boost::json::value data;
};
Result<CoordinatorKey> parse_coordinator_key(CoordinatorTopic topic, ByteView key);

/// A record's value: the message `message_name` of a version.
struct VersionedMessage {
  std::int16_t version = 0;
  boost::json::value data;
};
Result<VersionedMessage> parse_coordinator_value(const std::string& message_name, ByteView value);

/// A framed record of the metadata log or of the remote log's: {"type": "TOPIC_RECORD", "version": 0, "data":
/// {...}}.
enum class FramedTopic { kMetadata, kRemoteLog };
Result<boost::json::object> framed_record_json(FramedTopic topic, ByteView value);

/// As Kafka's tools print it: numbers with a fraction are written as Java writes them.
[[nodiscard]] std::string json_text(const boost::json::value& value);

/// A message of a version, which `bytes` are wholly.
Result<boost::json::value> message_json(const std::string& message_name, std::int16_t version,
                                        ByteView bytes);

}  // namespace barnabas::tools
