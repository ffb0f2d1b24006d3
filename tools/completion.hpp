// What a shell needs to complete the tools' options.
#pragma once

#include <string>

namespace barnabas::tools {

/// A script for bash: `source <(barnabas-tools completion bash)`.
[[nodiscard]] std::string bash_completion();

}  // namespace barnabas::tools
