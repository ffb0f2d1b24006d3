// How Kafka's tools name an error: by the class of its exception.
#pragma once

#include <string>

#include "base/result.hpp"

namespace barnabas::tools {

/// "org.apache.kafka.common.errors.TopicExistsException".
[[nodiscard]] std::string exception_class(ErrorCode code);
/// The same with ": " and the error's sentence.
[[nodiscard]] std::string exception_text(const Error& error);

}  // namespace barnabas::tools
