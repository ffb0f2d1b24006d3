#include "broker/drivers/start_reserve.hpp"

#include <catch2/catch.hpp>

#include "base/memory_file_system.hpp"

namespace barnabas::broker {
namespace {

struct Reserved {
  MemoryFileSystem files;
  StartReserve reserve{files, {"/a", "/b"}};

  Reserved() {
    for (const char* directory : {"/a", "/b"}) REQUIRE(files.create_directories(directory));
  }
  std::uint64_t size(const std::string& directory) {
    const auto content = files.read_file(directory + StartReserve::kName);
    return content ? content->size() : 0;
  }
};

TEST_CASE_METHOD(Reserved, "there is room for a start on a full disk, and again for the next") {
  reserve.fill();
  CHECK(size("/a") == StartReserve::kBytes);
  CHECK(size("/b") == StartReserve::kBytes);
  reserve.release_where_full();
  CHECK(size("/a") == StartReserve::kBytes);
  files.set_capacity_bytes(files.used_bytes());
  reserve.release_where_full();
  CHECK(size("/a") + size("/b") == StartReserve::kBytes);  // the first gave enough for both: it is one disk
  const auto file = files.open("/written", OpenMode::kReadWriteCreate);
  REQUIRE(file);
  REQUIRE((*file)->write_at(0, Bytes(100 << 10)));
  reserve.fill();
  CHECK(size("/a") < StartReserve::kBytes);
  CHECK(size("/a") > StartReserve::kBytes * 3 / 4);
  CHECK(files.read_file("/a/.barnabas_probe").error().code == ErrorCode::kKafkaStorageError);
}

TEST_CASE_METHOD(Reserved, "a directory that refuses a call has no reserve, and the others do") {
  files.fail_nth_call(1);
  reserve.fill();
  files.fail_nth_call(0);
  CHECK(size("/a") == 0);
  CHECK(size("/b") == StartReserve::kBytes);
}

}  // namespace
}  // namespace barnabas::broker
