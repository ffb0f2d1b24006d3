// Records as lines of JSON, as ../README.md has them. Not thread-safe. Errors: what cannot be parsed throws.
#pragma once

#include <librdkafka/rdkafkacpp.h>

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rdkafka_matrix {

using Bytes = std::optional<std::string>;  // nullopt is Kafka's null

struct InputRecord {
  std::int32_t partition = 0;
  std::int64_t timestamp_ms = 0;
  Bytes key;
  Bytes value;
  std::vector<std::pair<std::string, Bytes>> headers;
};

std::vector<InputRecord> read_records(const std::string& path);

// Prints one line and flushes it.
void say(const boost::json::value& line);
void say(RdKafka::Message& message);

}  // namespace rdkafka_matrix
