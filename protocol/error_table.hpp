// Name, default text and retriability of every error code. The enum is base/error_code.hpp.
//
// Static data: thread-safe, never freed. Source: protocol/schemas/errors.tsv, measured on Kafka 4.3.1 (its
// clients show these texts, and its broker sends some of them on the wire).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/error_code.hpp"

namespace barnabas::protocol {

struct ErrorInfo {
  ErrorCode code;
  const char* name;       // "UNKNOWN_TOPIC_OR_PARTITION"
  const char* exception;  // the class in Kafka's clients, below org.apache.kafka.common; "-" for kNone
  const char* message;    // the default text; "NONE" for kNone
  bool retriable;
  bool refresh_retriable;  // retriable after the client has refreshed its metadata
  bool invalid_metadata;   // tells that the client's metadata are stale
};

/// In the order of the codes.
std::span<const ErrorInfo> all_errors();
/// A code that is not in the table is answered as kUnknownServerError, as Kafka's clients do.
const ErrorInfo& error_info(ErrorCode code);
/// "org.apache.kafka.common.errors.TimeoutException": what Kafka's tools call the error.
std::string exception_name(ErrorCode code);
/// Null when no error has the name.
const ErrorInfo* find_error(std::string_view name);

inline const char* error_name(ErrorCode code) {
  return error_info(code).name;
}
inline const char* error_message(ErrorCode code) {
  return error_info(code).message;
}

}  // namespace barnabas::protocol
