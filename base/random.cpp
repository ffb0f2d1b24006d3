#include "base/random.hpp"

#include <sys/random.h>

#include <array>
#include <bit>
#include <cerrno>

#include "base/check.hpp"

namespace barnabas {

std::uint64_t Random::below(std::uint64_t bound) {
  CHECK(bound > 0);
  // The lowest 2^64 mod bound values are thrown away, so that every remainder is equally likely.
  const std::uint64_t threshold = (0 - bound) % bound;
  std::uint64_t value = next();
  while (value < threshold) value = next();
  return value % bound;
}

SeededRandom::SeededRandom(std::uint64_t seed) {
  // splitmix64 spreads a small seed over the whole state, which must not be all zero.
  for (std::uint64_t& word : state_) {
    seed += 0x9E3779B97F4A7C15ULL;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    word = mixed ^ (mixed >> 31);
  }
}

std::uint64_t SeededRandom::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

namespace {

struct KernelWords {
  std::array<std::uint64_t, 64> words;
  std::size_t left = 0;

  void refill() {
    auto* into = reinterpret_cast<char*>(words.data());
    std::size_t filled = 0;
    while (filled < sizeof(words)) {
      const ssize_t got = ::getrandom(into + filled, sizeof(words) - filled, 0);
      CHECK(got > 0 || errno == EINTR, "getrandom failed");
      if (got > 0) filled += static_cast<std::size_t>(got);
    }
    left = words.size();
  }
};

}  // namespace

std::uint64_t SystemRandom::next() {
  thread_local KernelWords kernel;
  if (kernel.left == 0) kernel.refill();
  // A word is handed out once and forgotten, so that no key stays behind in memory.
  const std::uint64_t word = kernel.words[--kernel.left];
  kernel.words[kernel.left] = 0;
  return word;
}

}  // namespace barnabas
