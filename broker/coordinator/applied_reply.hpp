// The answer to an operation that writes records, as what runs when they are applied (Step::applied).
#pragma once

#include <utility>

#include "broker/coordinator/step.hpp"

namespace barnabas::broker {

/// Answers with `response`, which says that the operation failed where its records could not be written.
template <class Response>
[[nodiscard]] auto reply_when_applied(Answer<Response> answer, Response response) {
  return [answer = std::move(answer), response = std::move(response)](ErrorCode error, Step& next) mutable {
    if (error != ErrorCode::kNone) set_failed(response, error);
    next.reply(answer, std::move(response));
  };
}

}  // namespace barnabas::broker
