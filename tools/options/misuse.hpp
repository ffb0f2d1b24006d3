// Errors that are the tool's own: a mistake in what the user gave, without a code of the protocol.
#pragma once

#include <string>

#include "base/result.hpp"

namespace barnabas::tools {

inline constexpr ErrorCode kMisuse = ErrorCode::kNone;

[[nodiscard]] inline std::unexpected<Error> misuse(std::string sentence) {
  return fail(kMisuse, std::move(sentence));
}

}  // namespace barnabas::tools
