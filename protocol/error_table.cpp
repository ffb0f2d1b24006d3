#include "protocol/error_table.hpp"

namespace barnabas::protocol {

const ErrorInfo& error_info(ErrorCode code) {
  std::span<const ErrorInfo> errors = all_errors();
  // The codes run from -1 without a hole, as a test holds.
  auto index = static_cast<std::size_t>(static_cast<std::int16_t>(code) + 1);
  return index < errors.size() ? errors[index] : errors[0];
}

std::string exception_name(ErrorCode code) {
  return std::string("org.apache.kafka.common.") + error_info(code).exception;
}

const ErrorInfo* find_error(std::string_view name) {
  for (const ErrorInfo& error : all_errors()) {
    if (name == error.name) return &error;
  }
  return nullptr;
}

}  // namespace barnabas::protocol
