#include "log/offset_index.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "base/memory_file_system.hpp"
#include "base/random.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log::testing {
namespace {

TEST_CASE("look-ups of an offset index find the last entry at or below, whatever was read before") {
  const std::uint64_t seed = GENERATE(range(0, 20));
  CAPTURE(seed);
  SeededRandom random(seed);
  MemoryFileSystem files;
  OffsetIndex index(Offset(1000));
  must(index.create(files, "/i", 1 << 20));
  std::map<Offset, std::uint64_t> model{{Offset(1000), 0}};
  Offset next(1000);
  std::uint64_t position = 0;
  auto append = [&] {
    next = next + 1 + static_cast<std::int64_t>(random.below(9));
    position += 1 + random.below(9000);
    must(index.append(next, position));
    model[next] = position;
  };
  auto look_up = [&](Offset offset) {
    const OffsetPosition found = must(index.lookup(offset));
    const auto wanted = std::prev(model.upper_bound(offset));
    REQUIRE(found.offset == wanted->first);
    REQUIRE(found.position == wanted->second);
  };
  Offset reader(1000);
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t dice = random.below(1000);
    if (dice < 400) {
      append();
    } else if (dice < 800) {
      look_up(reader);
      reader = reader < next ? reader + 1 + static_cast<std::int64_t>(random.below(20)) : Offset(1000);
    } else if (dice < 998) {
      look_up(Offset(1000) +
              static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(next - Offset(1000)) + 20)));
    } else {
      position = random.below(position + 1) + 1;
      must(index.truncate_to_size(position));
      std::erase_if(model, [&](const auto& entry) { return entry.second >= position; });
      next = model.rbegin()->first;
      position = model.rbegin()->second;
    }
  }
}

}  // namespace
}  // namespace barnabas::log::testing
