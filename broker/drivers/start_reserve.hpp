// StartReserve: room in a log directory that a node keeps for its next start.
//
// A start has to write: a new epoch of the quorum, the broker's registration, what recovery makes anew. On a
// disk that is full it could not, and then nobody could read, delete records or let retention make room. So a
// file of zeros lies in each log directory, where Apache Kafka looks at directories alone; it is removed when
// a start or a stop finds the disk full, and filled up again, as far as there is room, once that is done.
//
// Owned by the node. Thread safety: one caller at a time. A reserve that cannot be made is none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file_system.hpp"

namespace barnabas::broker {

class StartReserve {
 public:
  static constexpr const char* kName = "/.barnabas_reserve";
  static constexpr std::uint64_t kBytes = std::uint64_t{1} << 20;

  StartReserve(FileSystem& files, std::vector<std::string> directories)
      : files_(files), directories_(std::move(directories)) {}

  /// Gives the reserves of those directories back that have no room for as much as half of one.
  void release_where_full();
  void fill();

 private:
  [[nodiscard]] bool is_full(const std::string& directory);
  Result<void> fill_file(const std::string& path, std::uint64_t size);

  FileSystem& files_;
  std::vector<std::string> directories_;
};

}  // namespace barnabas::broker
