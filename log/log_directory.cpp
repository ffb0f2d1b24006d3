#include "log/log_directory.hpp"

#include "base/file_system.hpp"
#include "base/logging.hpp"

namespace barnabas::log {

void LogDirectory::fail(const Error& why) {
  if (failed_.exchange(true)) return;
  log_error(
      "kafka.log.LogManager",
      "Log directory {} has failed and is offline, with all its partitions, until the disk is mended and "
      "the node started again: {}",
      path_, why.detail);
  if (on_failure_) on_failure_(path_, why);
}

void LogDirectory::note(const Error& error) {
  if (is_disk_failure(error)) fail(error);
}

}  // namespace barnabas::log
