// Looking up an offset in a segment's index, on the machine's own file system. The argument is the number of
// entries; a segment of 1 GiB has up to 262,144.
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>

#include "base/posix_file_system.hpp"
#include "bench/micro/micro_batches.hpp"
#include "log/offset_index.hpp"

namespace barnabas::bench {
namespace {

/// A directory that goes with its one index.
class IndexOnDisk {
 public:
  explicit IndexOnDisk(std::int64_t entries) : index_(Offset(0)) {
    if (mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("cannot make " + directory_);
    if (!index_.create(files_, directory_ + "/index", 10 << 20)) throw std::runtime_error("no index");
    for (std::int64_t number = 1; number <= entries; ++number) {
      const auto position = static_cast<std::uint64_t>(number) * 4096;
      if (!index_.append(Offset(number * 40), position)) throw std::runtime_error("cannot append");
    }
  }
  ~IndexOnDisk() {
    // What cannot be removed stays behind in the directory for temporary files.
    (void)files_.remove_all(directory_);
  }
  IndexOnDisk(const IndexOnDisk&) = delete;
  IndexOnDisk& operator=(const IndexOnDisk&) = delete;
  [[nodiscard]] log::OffsetIndex& index() { return index_; }

 private:
  PosixFileSystem files_;
  std::string directory_ = "/tmp/microbench-XXXXXX";
  log::OffsetIndex index_;
};

void look_up_offset(benchmark::State& state) {
  IndexOnDisk on_disk(state.range(0));
  std::minstd_rand chance(1);
  for (auto _ : state) {
    const auto wanted = static_cast<std::int64_t>(chance()) % (state.range(0) * 40);
    benchmark::DoNotOptimize(on_disk.index().lookup(Offset(wanted)).value().position);
  }
}
BENCHMARK(look_up_offset)->Arg(100)->Arg(10'000)->Arg(262'144);

}  // namespace
}  // namespace barnabas::bench
