// CHECK: an invariant that holds in release builds too. A broken one stops the process with file, line and
// text.
#pragma once

namespace barnabas {
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const char* message = "") noexcept;
}  // namespace barnabas

#define CHECK(condition, ...)   \
  (static_cast<bool>(condition) \
       ? void(0)                \
       : ::barnabas::check_failed(__FILE__, __LINE__, #condition __VA_OPT__(, ) __VA_ARGS__))
#ifdef NDEBUG
#define DCHECK(condition, ...) void(sizeof(!(condition)))
#else
#define DCHECK(condition, ...) CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#endif
