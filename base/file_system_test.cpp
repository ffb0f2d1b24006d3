// What every FileSystem promises, asked of the POSIX and of the in-memory one alike.
#include "base/file_system.hpp"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "base/memory_file_system.hpp"
#include "base/posix_file_system.hpp"
#include "base/random.hpp"

namespace barnabas {
namespace {

class PosixPlace {
 public:
  PosixPlace() {
    std::string pattern = (std::filesystem::temp_directory_path() / "barnabas-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
  }
  ~PosixPlace() { std::filesystem::remove_all(root_); }
  FileSystem& files() { return files_; }
  [[nodiscard]] std::string at(const std::string& name) const { return root_ + "/" + name; }
  [[nodiscard]] const std::string& root() const { return root_; }

 private:
  PosixFileSystem files_;
  std::string root_;
};

class MemoryPlace {
 public:
  MemoryPlace() { REQUIRE(files_.create_directories(root())); }
  FileSystem& files() { return files_; }
  [[nodiscard]] std::string at(const std::string& name) const { return root() + "/" + name; }
  [[nodiscard]] std::string root() const { return "/data"; }

 private:
  MemoryFileSystem files_;
};

std::unique_ptr<File> opened(FileSystem& files, const std::string& path, OpenMode mode) {
  auto file = files.open(path, mode);
  REQUIRE(file);
  return std::move(*file);
}

void put(FileSystem& files, const std::string& path, std::string_view content) {
  REQUIRE(opened(files, path, OpenMode::kReadWriteNew)->write_at(0, as_bytes(content)));
}

template <class T>
std::string error_of(const Result<T>& result) {
  REQUIRE(!result);
  REQUIRE(result.error().code == ErrorCode::kKafkaStorageError);
  return result.error().detail;
}

TEMPLATE_TEST_CASE("open keeps to its mode", "", PosixPlace, MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  const std::string path = place.at("a");
  CHECK(is_not_found(files.open(path, OpenMode::kReadOnly).error()));
  CHECK(is_not_found(files.open(path, OpenMode::kReadWrite).error()));
  CHECK(is_not_found(files.open(place.at("no/a"), OpenMode::kReadWriteCreate).error()));
  put(files, path, "text");
  CHECK(error_of(files.open(path, OpenMode::kReadWriteNew)).starts_with("EEXIST open " + path + ": "));
  CHECK(*opened(files, path, OpenMode::kReadWriteCreate)->size() == 4);
  const auto read_only = opened(files, path, OpenMode::kReadOnly);
  CHECK(error_of(read_only->write_at(0, as_bytes("x"))).starts_with("EBADF pwrite " + path + ": "));
  CHECK_FALSE(read_only->truncate(0));
  CHECK(*files.read_file(path) == "text");
}

TEMPLATE_TEST_CASE("a file is what was written to it, for any sequence of writes, cuts and extensions", "",
                   PosixPlace, MemoryPlace) {
  TestType place;
  SeededRandom random(GENERATE(1, 2, 3));
  const auto file = opened(place.files(), place.at("a"), OpenMode::kReadWriteNew);
  std::string model;
  for (int step = 0; step < 300; ++step) {
    const std::uint64_t choice = random.below(10);
    if (choice < 7) {
      const std::size_t position = random.below(20000);
      const std::size_t length = 1 + random.below(choice < 5 ? 100 : 9000);
      std::string text(length, static_cast<char>('a' + random.below(26)));
      if (position + text.size() > model.size()) model.resize(position + text.size());
      model.replace(position, text.size(), text);
      REQUIRE(file->write_at(position, as_bytes(text)));
    } else if (choice < 9) {
      model.resize(random.below(30000));
      REQUIRE(file->truncate(model.size()));
    } else {
      REQUIRE(file->sync());
    }
    REQUIRE(*file->size() == model.size());
    if (step % 10 == 0) REQUIRE(*place.files().read_file(place.at("a")) == model);
    std::string part(random.below(5000), '?');
    const std::size_t position = random.below(31000);
    const auto got = file->read_at(position, {reinterpret_cast<std::uint8_t*>(part.data()), part.size()});
    REQUIRE(*got == (position >= model.size() ? 0 : std::min(part.size(), model.size() - position)));
    REQUIRE(part.substr(0, *got) == (position >= model.size() ? "" : model.substr(position, *got)));
  }
}

TEMPLATE_TEST_CASE("pieces are written one behind the other, empty ones and many of them too", "", PosixPlace,
                   MemoryPlace) {
  TestType place;
  const std::size_t count = GENERATE(0, 1, 63, 64, 65, 3000);
  std::vector<Bytes> stored;
  std::vector<ByteView> pieces;
  std::string expected = "head";
  for (std::size_t i = 0; i < count; ++i) {
    stored.emplace_back(i % 5, static_cast<std::uint8_t>('a' + i % 26));
    expected.append(i % 5, static_cast<char>('a' + i % 26));
  }
  for (const Bytes& bytes : stored) pieces.emplace_back(bytes);
  const auto file = opened(place.files(), place.at("a"), OpenMode::kReadWriteNew);
  REQUIRE(file->write_at(0, as_bytes("head")));
  REQUIRE(file->write_pieces_at(4, pieces));
  CHECK(*place.files().read_file(place.at("a")) == expected);
}

TEMPLATE_TEST_CASE("directories are made with their parents and listed by name", "", PosixPlace,
                   MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  REQUIRE(files.create_directories(place.at("b/c")));
  REQUIRE(files.create_directories(place.at("b/c")));
  put(files, place.at("z"), "1");
  put(files, place.at("a"), "1");
  const auto entries = files.list(place.root());
  REQUIRE(entries);
  REQUIRE(entries->size() == 3);
  CHECK(((*entries)[0].name == "a" && !(*entries)[0].is_directory));
  CHECK(((*entries)[1].name == "b" && (*entries)[1].is_directory));
  CHECK(((*entries)[2].name == "z" && !(*entries)[2].is_directory));
  CHECK(*files.exists(place.at("b/c")));
  CHECK_FALSE(*files.exists(place.at("b/d")));
  CHECK_FALSE(*files.exists(place.at("a/below a file")));
  CHECK(error_of(files.create_directories(place.at("a/d"))).starts_with("ENOTDIR mkdir "));
  CHECK(is_not_found(files.list(place.at("none")).error()));
  CHECK(error_of(files.list(place.at("a"))).starts_with("ENOTDIR opendir "));
}

TEMPLATE_TEST_CASE("rename replaces a file, keeps open files open, and refuses what POSIX refuses", "",
                   PosixPlace, MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  put(files, place.at("a"), "from a");
  put(files, place.at("b"), "from b");
  const auto old_b = opened(files, place.at("b"), OpenMode::kReadOnly);
  REQUIRE(files.rename(place.at("a"), place.at("b")));
  CHECK(*files.read_file(place.at("b")) == "from a");
  CHECK_FALSE(*files.exists(place.at("a")));
  std::string text(6, '?');
  CHECK(*old_b->read_at(0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()}) == 6);
  CHECK(text == "from b");
  REQUIRE(files.create_directories(place.at("d/e")));
  CHECK(is_not_found(files.rename(place.at("none"), place.at("x")).error()));
  CHECK(error_of(files.rename(place.at("b"), place.at("d"))).starts_with("EISDIR rename "));
  CHECK(error_of(files.rename(place.at("d"), place.at("b"))).starts_with("ENOTDIR rename "));
  CHECK(error_of(files.rename(place.at("d"), place.at("d/e/f"))).starts_with("EINVAL rename "));
  REQUIRE(files.create_directories(place.at("g")));
  CHECK(error_of(files.rename(place.at("g"), place.at("d"))).starts_with("ENOTEMPTY rename "));
  REQUIRE(files.rename(place.at("d"), place.at("g")));
  CHECK(*files.exists(place.at("g/e")));
}

TEMPLATE_TEST_CASE(
    "remove takes files and empty directories, remove_all everything, and neither minds a miss", "",
    PosixPlace, MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  REQUIRE(files.create_directories(place.at("d/e")));
  put(files, place.at("d/e/f"), "1");
  CHECK(error_of(files.remove(place.at("d"))).starts_with("ENOTEMPTY remove "));
  REQUIRE(files.remove(place.at("d/e/f")));
  REQUIRE(files.remove(place.at("d/e/f")));
  REQUIRE(files.remove(place.at("d/e")));
  put(files, place.at("d/f"), "1");
  const auto open_file = opened(files, place.at("d/f"), OpenMode::kReadWrite);
  REQUIRE(files.remove_all(place.at("d")));
  REQUIRE(files.remove_all(place.at("d")));
  CHECK_FALSE(*files.exists(place.at("d")));
  CHECK(*open_file->size() == 1);
}

TEMPLATE_TEST_CASE("an atomic write replaces the file and leaves no temporary one", "", PosixPlace,
                   MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  put(files, place.at("a.tmp"), "a longer rest of a write that a crash interrupted");
  REQUIRE(files.write_file_atomically(place.at("a"), "one"));
  CHECK(*files.read_file(place.at("a")) == "one");
  REQUIRE(files.write_file_atomically(place.at("a"), ""));
  CHECK(files.read_file(place.at("a"))->empty());
  CHECK_FALSE(*files.exists(place.at("a.tmp")));
}

TEMPLATE_TEST_CASE("a lock has one holder, and is free when that one lets go", "", PosixPlace, MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  auto held = files.lock(place.at(".lock"));
  REQUIRE(held);
  CHECK(*files.exists(place.at(".lock")));
  CHECK(error_of(files.lock(place.at(".lock"))).starts_with("EAGAIN lock "));
  // Closing another descriptor of the file would release a lock that belongs to the process.
  REQUIRE(files.read_file(place.at(".lock")));
  CHECK_FALSE(files.lock(place.at(".lock")));
  held->reset();
  CHECK(files.lock(place.at(".lock")));
}

TEMPLATE_TEST_CASE("modes and directory syncs need what they name", "", PosixPlace, MemoryPlace) {
  TestType place;
  FileSystem& files = place.files();
  put(files, place.at("a"), "1");
  CHECK(files.set_mode(place.at("a"), 0400));
  CHECK(is_not_found(files.set_mode(place.at("b"), 0400).error()));
  CHECK(files.sync_directory(place.root()));
  CHECK_FALSE(files.sync_directory(place.at("b")));
  CHECK_FALSE(files.sync_directory(place.at("a")));
}

TEST_CASE("set_mode changes the mode bits of a real file") {
  PosixPlace place;
  put(place.files(), place.at("a"), "1");
  REQUIRE(place.files().set_mode(place.at("a"), 0400));
  const auto status = std::filesystem::status(place.at("a"));
  CHECK(status.permissions() == std::filesystem::perms::owner_read);
}

TEST_CASE("a full device is told from other failures") {
  PosixFileSystem files;
  auto full = files.open("/dev/full", OpenMode::kReadWrite);
  if (!full) return;  // a container without the device
  const Result<void> written = (*full)->write_at(0, as_bytes("x"));
  REQUIRE(!written);
  CHECK(is_disk_full(written.error()));
  CHECK(written.error().detail == "ENOSPC pwrite /dev/full: No space left on device");
}

}  // namespace
}  // namespace barnabas
