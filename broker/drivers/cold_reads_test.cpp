#include "broker/drivers/cold_reads.hpp"

#include <catch2/catch.hpp>

#include "base/memory_file_system.hpp"

namespace barnabas::broker {
namespace {

std::shared_ptr<const File> evicted_file(FileSystem& files, const std::string& path) {
  std::shared_ptr<const File> file = files.open(path, OpenMode::kReadWriteCreate).value();
  file->drop_from_cache(0, 1);
  return file;
}

TEST_CASE("of what was loaded the last bytes stay, the oldest goes") {
  MemoryFileSystem files;
  MetricsRegistry metrics;
  ColdReads reads(metrics, {.threads = 0, .read_ahead_bytes = 10, .kept_bytes = 220});
  const auto a = evicted_file(files, "/a");
  const auto b = evicted_file(files, "/b");
  const auto load = [&](const std::shared_ptr<const File>& file, std::uint64_t position) {
    bool done = false;
    reads.load({{file, position, 100}}, [&] { done = true; });
    return done;
  };
  CHECK(load(a, 0));
  CHECK(load(a, 50));  // 50 to 110 was loaded already
  CHECK(load(b, 0));   // 160 and 110: the first of a is too much
  CHECK_FALSE(a->is_cached(0, 1));
  CHECK(b->is_cached(0, 1));
  CHECK(metrics.counter("barnabas_log_cold_reads_total").value() == 3);
  CHECK(metrics.counter("barnabas_log_cold_read_dropped_bytes_total").value() == 110);
}

TEST_CASE("what was loaded does not keep a deleted file open") {
  MemoryFileSystem files;
  MetricsRegistry metrics;
  ColdReads reads(metrics, {.threads = 0, .read_ahead_bytes = 0, .kept_bytes = 1000});
  auto file = evicted_file(files, "/a");
  const std::weak_ptr<const File> seen = file;
  reads.load({{file, 0, 100}}, [] {});
  file.reset();
  CHECK(seen.expired());
}

TEST_CASE(
    "without a bound nothing is dropped; what was asked for before the stop is answered, and after it") {
  MemoryFileSystem files;
  MetricsRegistry metrics;
  ColdReads reads(metrics, {.threads = 2, .read_ahead_bytes = 0, .kept_bytes = 0});
  std::atomic<int> done = 0;
  for (int i = 0; i < 20; ++i)
    reads.load({{evicted_file(files, "/f" + std::to_string(i)), 0, 1}}, [&] { ++done; });
  reads.stop();
  CHECK(done == 20);
  CHECK(metrics.counter("barnabas_log_cold_read_dropped_bytes_total").value() == 0);
  reads.load({}, [&] { ++done; });
  CHECK(done == 21);
}

}  // namespace
}  // namespace barnabas::broker
