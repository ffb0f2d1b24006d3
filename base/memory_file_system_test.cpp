#include "base/memory_file_system.hpp"

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "base/crashable_bytes.hpp"

namespace barnabas {
namespace {

std::unique_ptr<File> created(MemoryFileSystem& files, const std::string& path, std::string_view content) {
  auto file = files.open(path, OpenMode::kReadWriteCreate);
  REQUIRE(file);
  REQUIRE((*file)->write_at(0, as_bytes(content)));
  return std::move(*file);
}

void make_durable(MemoryFileSystem& files, const std::string& path, std::string_view content) {
  REQUIRE(created(files, path, content)->sync());
  REQUIRE(files.sync_directory("/"));
}

TEST_CASE("a crash keeps what was synced and nothing else") {
  MemoryFileSystem files;
  make_durable(files, "synced", "durable");
  REQUIRE(created(files, "unlisted", "its directory was never synced")->sync());
  const auto file = files.open("synced", OpenMode::kReadWrite);
  REQUIRE((*file)->write_at(3, as_bytes("XXXXXXXXXXXX")));
  REQUIRE((*file)->truncate(9000));
  files.crash();
  CHECK(*files.read_file("synced") == "durable");
  CHECK_FALSE(*files.exists("unlisted"));
  CHECK((*file)->size().error().detail.starts_with("ESTALE "));
  CHECK((*file)->write_at(0, as_bytes("x")).error().detail.starts_with("ESTALE "));
}

TEST_CASE("a crash undoes renames and removals whose directory was not synced") {
  MemoryFileSystem files;
  make_durable(files, "a", "1");
  make_durable(files, "b", "2");
  make_durable(files, "c", "3");
  REQUIRE(files.rename("a", "b"));
  REQUIRE(files.remove("c"));
  files.crash();
  CHECK(*files.read_file("a") == "1");
  CHECK(*files.read_file("b") == "2");
  CHECK(*files.read_file("c") == "3");
  REQUIRE(files.rename("a", "b"));
  REQUIRE(files.remove("c"));
  REQUIRE(files.sync_directory("/"));
  files.crash();
  CHECK_FALSE(*files.exists("a"));
  CHECK(*files.read_file("b") == "1");
  CHECK_FALSE(*files.exists("c"));
}

TEST_CASE("a new directory is durable when its parent is synced, its files when it is synced itself") {
  MemoryFileSystem files;
  REQUIRE(files.create_directories("/t-0"));
  REQUIRE(created(files, "/t-0/00.log", "x")->sync());
  REQUIRE(files.sync_directory("/"));
  files.crash();
  CHECK(files.list("/t-0")->empty());
  REQUIRE(created(files, "/t-0/00.log", "x")->sync());
  REQUIRE(files.sync_directory("/t-0"));
  files.crash();
  CHECK(*files.read_file("/t-0/00.log") == "x");
}

TEST_CASE("a rename between directories is never half durable") {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    MemoryFileSystem files;
    REQUIRE(files.create_directories("from"));
    REQUIRE(files.create_directories("to"));
    REQUIRE(created(files, "from/a", "1")->sync());
    REQUIRE(files.sync_directory("from"));
    REQUIRE(files.sync_directory("/"));
    REQUIRE(files.rename("from/a", "to/a"));
    SeededRandom random(seed);
    if (random.below(2) == 0) REQUIRE(files.sync_directory(random.below(2) == 0 ? "from" : "to"));
    files.crash(random);
    CHECK(*files.exists("from/a") != *files.exists("to/a"));
  }
}

TEST_CASE("by chance each unsynced sector is old, new or torn once, and all of these happen") {
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    MemoryFileSystem files;
    make_durable(files, "a", std::string(4 * 512, 'o'));
    REQUIRE((*files.open("a", OpenMode::kReadWrite))->write_at(512, as_bytes(std::string(1024, 'n'))));
    SeededRandom random(seed);
    files.crash(random);
    const std::string content = *files.read_file("a");
    REQUIRE(content.size() == 4 * 512);
    CHECK(content.substr(0, 512) == std::string(512, 'o'));
    CHECK(content.substr(3 * 512) == std::string(512, 'o'));
    for (std::size_t sector = 1; sector < 3; ++sector) {
      const std::string part = content.substr(sector * 512, 512);
      const std::size_t kept = std::min(part.find('o'), part.size());
      CHECK(part == std::string(kept, 'n') + std::string(512 - kept, 'o'));
      seen.insert(kept == 0 ? "old" : kept == 512 ? "new" : "torn");
    }
  }
  CHECK(seen == std::set<std::string>{"old", "new", "torn"});
}

TEST_CASE("by chance a crash leaves every byte as some write left it, and what was synced untouched") {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    SeededRandom random(seed);
    CrashableBytes bytes;
    std::string synced;
    const auto scribble = [&](int steps) {
      for (int step = 0; step < steps; ++step) {
        const std::size_t length = 1 + random.below(3000);
        const std::string text(length, static_cast<char>('a' + random.below(26)));
        bytes.write(random.below(12000), as_bytes(text));
        if (random.below(4) == 0) bytes.truncate(random.below(15000));
      }
    };
    const auto content = [&] {
      std::string text(bytes.size(), '?');
      REQUIRE(bytes.read(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}) == text.size());
      return text;
    };
    scribble(10);
    bytes.sync();
    synced = content();
    scribble(5);
    const std::uint64_t live_size = bytes.size();
    if (seed % 2 == 0) {
      bytes.lose_unsynced();
      REQUIRE(content() == synced);
    } else {
      bytes.lose_unsynced(random);
      REQUIRE(bytes.size() >= std::min<std::uint64_t>(live_size, synced.size()));
      REQUIRE(bytes.size() <= std::max<std::uint64_t>(live_size, synced.size()));
      const std::string after = content();
      bytes.lose_unsynced();  // the disk as it is now is durable
      REQUIRE(content() == after);
    }
  }
}

TEST_CASE("the same seed leaves the same disk after a crash") {
  const auto disk_after = [](std::uint64_t seed) {
    MemoryFileSystem files;
    for (int i = 0; i < 20; ++i) created(files, "f" + std::to_string(i), std::string(2000, 'x'));
    SeededRandom random(seed);
    files.crash(random);
    std::string all;
    const auto entries = files.list("/");
    for (const DirectoryEntry& entry : *entries) all += entry.name + *files.read_file(entry.name);
    return all;
  };
  CHECK(disk_after(7) == disk_after(7));
  CHECK(disk_after(7) != disk_after(8));
}

TEST_CASE("an atomic write is all or nothing, whichever call fails and wherever the crash falls") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    bool untouched = false;
    for (std::uint64_t n = 1; !untouched; ++n) {
      REQUIRE(n < 50);
      MemoryFileSystem files;
      REQUIRE(files.write_file_atomically("a", std::string(3000, 'o')));
      files.fail_nth_call(n);
      const Result<void> written = files.write_file_atomically("a", std::string(5000, 'n'));
      untouched = !files.fault_struck();
      REQUIRE(written.has_value() == untouched);
      files.fail_nth_call(0);
      SeededRandom random(seed);
      files.crash(random);
      const std::string content = *files.read_file("a");
      const bool is_old = content == std::string(3000, 'o');
      const bool is_new = content == std::string(5000, 'n');
      CHECK((is_new || (is_old && !untouched)));
    }
  }
}

TEST_CASE("a sync that failed has lost the data, and a later sync does not bring it back") {
  MemoryFileSystem files;
  make_durable(files, "a", "old");
  const auto file = files.open("a", OpenMode::kReadWrite);
  REQUIRE((*file)->write_at(0, as_bytes("new")));
  files.fail_nth_call(1);
  CHECK((*file)->sync().error().detail == "EIO fdatasync a: Input/output error");
  CHECK((*file)->sync());
  CHECK(*files.read_file("a") == "new");
  files.crash();
  CHECK(*files.read_file("a") == "old");
}

TEST_CASE("a write that fails has written its first half") {
  MemoryFileSystem files;
  const auto file = created(files, "a", "");
  files.fail_nth_call(1);
  CHECK_FALSE(file->write_at(0, as_bytes("12345678")));
  CHECK(files.fault_struck());
  CHECK(*files.read_file("a") == "1234");
}

TEST_CASE("a full disk takes what fits, reads and deletes on, and has room again after a removal") {
  MemoryFileSystem files;
  files.set_capacity_bytes(3 * 4096);
  const auto first = created(files, "a", std::string(4096, 'a'));
  const auto second = created(files, "b", "");
  const Result<void> written = second->write_at(0, as_bytes(std::string(20000, 'b')));
  REQUIRE(!written);
  CHECK(is_disk_full(written.error()));
  CHECK(*second->size() == 2 * 4096);
  CHECK(files.used_bytes() == 3 * 4096);
  CHECK(first->write_at(0, as_bytes("within a page that is there")));
  CHECK(first->truncate(1 << 20));
  CHECK_FALSE(first->write_at(1 << 19, as_bytes("in a hole")));
  REQUIRE(files.remove("b"));
  CHECK(first->write_at(1 << 19, as_bytes("in a hole")));
}

TEST_CASE("a broken path fails for everything under it and nothing beside it") {
  MemoryFileSystem files;
  REQUIRE(files.create_directories("/d1"));
  REQUIRE(files.create_directories("/d10"));
  const auto inside = created(files, "/d1/a", "1");
  const auto beside = created(files, "/d10/a", "1");
  files.break_path("/d1");
  CHECK_FALSE(inside->size());
  CHECK_FALSE(files.list("/d1"));
  CHECK_FALSE(files.rename("/d10/a", "/d1/b"));
  CHECK(beside->size());
  files.mend_path("/d1");
  CHECK(inside->size());
}

TEST_CASE("corruption is in what is read and in what a crash brings back") {
  MemoryFileSystem files;
  make_durable(files, "a", std::string(100, 'a'));
  REQUIRE((*files.open("a", OpenMode::kReadWrite))->write_at(99, as_bytes("z")));
  REQUIRE(files.corrupt("a", 10, 1));
  std::string expected(100, 'a');
  expected[10] = static_cast<char>('a' ^ 0x5A);
  files.crash();
  CHECK(*files.read_file("a") == expected);
}

TEST_CASE("locks and modes: a crash frees the lock, the mode is remembered") {
  MemoryFileSystem files;
  const auto held = files.lock(".lock");
  REQUIRE(held);
  files.crash();
  CHECK(files.lock(".lock"));
  make_durable(files, "a", "1");
  CHECK(*files.mode_of("a") == 0666);
  REQUIRE(files.set_mode("a", 0400));
  CHECK(*files.mode_of("a") == 0400);
}

}  // namespace
}  // namespace barnabas
