// A log beside its model: the same random operations, compared after each (model_operations.hpp).
//
// BARNABAS_MODEL_OPERATIONS=1000000 sets how many operations a policy gets, BARNABAS_MODEL_SEED=n makes one
// run of that seed instead of several. A run that fails is repeated with ever fewer operations, and what is
// left is printed.
#include <cstdlib>

#include "log/model_operations.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

constexpr std::size_t kOperationsOfARun = 2'000;
constexpr std::size_t kToldAtMost = 40;

struct Failure {
  std::size_t at = 0;
  std::string what;
  std::vector<std::string> told;
};

struct Run {
  std::uint64_t seed;
  ModelPolicy policy;

  [[nodiscard]] std::vector<std::uint64_t> operations(std::size_t count) const {
    SeededRandom random(seed);
    std::vector<std::uint64_t> numbers(count);
    for (std::uint64_t& number : numbers) number = random.next();
    return numbers;
  }

  [[nodiscard]] std::optional<Failure> fails(const std::vector<std::uint64_t>& numbers) const {
    ModelOperations both(seed, policy);
    Failure failure;
    for (std::uint64_t number : numbers) {
      try {
        both.step(number);
      } catch (const Mismatch& mismatch) {
        failure.told.push_back(both.told());
        failure.what = mismatch.what();
        return failure;
      }
      failure.told.push_back(both.told());
      ++failure.at;
    }
    return std::nullopt;
  }

  /// Leaves operations away, in ever smaller pieces, as long as what is left fails.
  [[nodiscard]] Failure shrink(std::vector<std::uint64_t> numbers, Failure failure) const {
    numbers.resize(failure.at + 1);
    for (std::size_t piece = numbers.size() / 2; piece > 0; piece /= 2) {
      for (std::size_t from = 0; from + piece < numbers.size();) {
        std::vector<std::uint64_t> fewer = numbers;
        auto begin = fewer.begin() + static_cast<std::ptrdiff_t>(from);
        fewer.erase(begin, begin + static_cast<std::ptrdiff_t>(piece));
        if (auto still = fails(fewer)) {
          fewer.resize(still->at + 1);
          numbers = std::move(fewer);
          failure = std::move(*still);
        } else {
          from += piece;
        }
      }
    }
    return failure;
  }

  void check(std::size_t count) const {
    std::vector<std::uint64_t> numbers = operations(count);
    auto failure = fails(numbers);
    if (!failure) return;
    std::size_t at = failure->at;
    Failure shortest = shrink(std::move(numbers), std::move(*failure));
    std::string told;
    std::size_t from = shortest.told.size() - std::min(shortest.told.size(), kToldAtMost);
    for (std::size_t i = from; i < shortest.told.size(); ++i)
      told += fmt::format("\n  {:3} {}", i, shortest.told[i]);
    FAIL("seed " << seed << " of policy " << static_cast<int>(policy) << " fails at operation " << at
                 << "; as short as it gets: " << shortest.what << told);
  }
};

std::optional<std::uint64_t> from_environment(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? std::nullopt : std::optional<std::uint64_t>(std::strtoull(text, nullptr, 10));
}

void check_many(ModelPolicy policy) {
  std::size_t count = from_environment("BARNABAS_MODEL_OPERATIONS").value_or(2 * kOperationsOfARun);
  auto seed = from_environment("BARNABAS_MODEL_SEED");
  if (seed) return Run{*seed, policy}.check(std::min(count, kOperationsOfARun));
  for (std::uint64_t next = 1; (next - 1) * kOperationsOfARun < count; ++next)
    Run{next, policy}.check(kOperationsOfARun);
}

TEST_CASE("a log that deletes equals its model after every operation") {
  check_many(ModelPolicy::kDelete);
}
TEST_CASE("a log that compacts equals its model after every operation") {
  check_many(ModelPolicy::kCompact);
}
TEST_CASE("a log that compacts and deletes equals its model after every operation") {
  check_many(ModelPolicy::kBoth);
}
TEST_CASE("a log whose policy changes equals its model after every operation") {
  check_many(ModelPolicy::kChanging);
}

TEST_CASE("a run of the model test is the same when it is repeated") {
  std::vector<std::string> told;
  for (int round = 0; round < 2; ++round) {
    ModelOperations both(7, ModelPolicy::kBoth);
    std::vector<std::string> here;
    for (std::uint64_t number : Run{7, ModelPolicy::kBoth}.operations(300)) {
      both.step(number);
      here.push_back(both.told());
    }
    if (round == 0) told = here;
    CHECK(here == told);
  }
}

}  // namespace
}  // namespace barnabas::log
