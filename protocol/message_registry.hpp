// Every message by its name, for what does not know the types: tests, fuzzers, tools.
//
// Static data: thread-safe. A decoded message is never handed out; recode() decodes and encodes again in one
// go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/bytes.hpp"

namespace barnabas::protocol {

enum class MessageKind : std::uint8_t {
  kRequest,
  kResponse,
  kHeader,
  kData,
  kMetadata,
  kCoordinatorKey,
  kCoordinatorValue,
};

struct Recoded {
  const char* failure = nullptr;  // why it does not decode or encode; null when it did both
  bool decoded = false;
  std::size_t consumed = 0;   // bytes of the input that the message took
  std::size_t announced = 0;  // what size() said before it was encoded
  Bytes bytes;                // encoded again
};

struct MessageType {
  const char* name;
  MessageKind kind;
  std::int16_t key;  // API key or record type; -1 if it has none
  std::int16_t min_version;
  std::int16_t max_version;
  std::int16_t first_flexible_version;  // INT16_MAX if none
  Recoded (*recode)(std::int16_t version, ByteView input);
};

/// In the order of the names.
std::span<const MessageType> all_messages();
/// Null when there is none.
const MessageType* find_message(std::string_view name);

}  // namespace barnabas::protocol
