// Result<T>: a value, or an Error that a client may be told.
//
// Expected conditions (a client's mistake, a missing topic, a full disk) are values of this type in every
// layer; a broken invariant is a CHECK (check.hpp) and exceptions are left to the libraries that throw them.
#pragma once

#include <expected>
#include <string>
#include <utility>

#include "base/error_code.hpp"

namespace barnabas {

struct Error {
  ErrorCode code = ErrorCode::kUnknownServerError;
  /// What an operator or a client reads; empty where Kafka sends its default text.
  std::string detail;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(ErrorCode code, std::string detail = {}) {
  return std::unexpected<Error>(Error{code, std::move(detail)});
}

}  // namespace barnabas

/// The value of a Result, or an early return of its error from the enclosing function. Not for coroutines.
#define TRY(...)                                                                                 \
  __extension__({                                                                                \
    auto try_result_ = (__VA_ARGS__);                                                            \
    if (!try_result_) return std::unexpected<::barnabas::Error>(std::move(try_result_).error()); \
    *std::move(try_result_);                                                                     \
  })
