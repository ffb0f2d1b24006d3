// DirectorySwap: the renames by which a future log's directory takes the place of the current one's.
//
// A start takes a future log for a partition's only where it has no current one, so each rename is durable
// before the next: whatever a crash or a fault leaves is {current, future}, whose move goes on, {deleted,
// future}, where the future one is taken, or {deleted, live}. While the swap is under way both hold the same
// records.
//
// A value over a FileSystem that outlives it. Not thread-safe; the callers' locks keep both logs still.
#pragma once

#include <string>

#include "base/file_system.hpp"

namespace barnabas::log {

struct DirectorySwap {
  FileSystem& files;
  std::string current;  // what the old log is called, in its own log directory
  std::string deleted;  // beside it
  std::string future;   // what the new one is called, in another log directory
  std::string live;     // beside it

  /// After an error undo() is to be called.
  [[nodiscard]] Result<void> make() const;
  /// From wherever make() came to an end. After an error the old log must not be written any more: nobody
  /// knows by which name a start finds it.
  [[nodiscard]] Result<void> undo() const;
};

}  // namespace barnabas::log
