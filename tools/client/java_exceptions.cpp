#include "tools/client/java_exceptions.hpp"

#include "protocol/error_table.hpp"

namespace barnabas::tools {

std::string exception_class(ErrorCode code) {
  return protocol::exception_name(code);
}

std::string exception_text(const Error& error) {
  return exception_class(error.code) + ": " + error.detail;
}

}  // namespace barnabas::tools
