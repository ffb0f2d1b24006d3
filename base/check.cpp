#include "base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace barnabas {

void check_failed(const char* file, int line, const char* condition, const char* message) noexcept {
  std::fprintf(stderr, "FATAL %s:%d: broken invariant: %s %s\n", file, line, condition, message);
  std::abort();
}

}  // namespace barnabas
