// Chance, passed in. From a seed it is a fixed sequence; SystemRandom is fed by the kernel.
#pragma once

#include <cstdint>
#include <memory>

namespace barnabas {

/// Thread safety: stated by each implementation.
class Random {
 public:
  virtual ~Random() = default;
  [[nodiscard]] virtual std::uint64_t next() = 0;
  /// Uniform in [0, bound). Requires bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
};

/// xoshiro256** from one seed: the same seed, the same sequence. Not thread-safe.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  [[nodiscard]] std::uint64_t next() override;

 private:
  std::uint64_t state_[4];
};

/// getrandom(2), buffered for each thread: safe from any thread.
class SystemRandom final : public Random {
 public:
  [[nodiscard]] std::uint64_t next() override;
};

}  // namespace barnabas
