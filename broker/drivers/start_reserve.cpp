#include "broker/drivers/start_reserve.hpp"

#include "base/logging.hpp"

namespace barnabas::broker {
namespace {

constexpr const char* kComponent = "kafka.log.LogManager";

}  // namespace

void StartReserve::release_where_full() {
  for (const std::string& directory : directories_) {
    const std::string path = directory + kName;
    const auto exists = files_.exists(path);
    if (!exists || !*exists || !is_full(directory)) continue;
    if (files_.remove(path))
      log_warn(kComponent, "The disk of {} is full: the room that is kept for this is used", directory);
  }
}

void StartReserve::fill() {
  for (const std::string& directory : directories_) {
    const auto filled = fill_file(directory + kName, kBytes);
    if (!filled && is_disk_full(filled.error()))
      log_warn(kComponent, "There is no room in {} to keep for the next start: {}", directory,
               filled.error().detail);
  }
}

bool StartReserve::is_full(const std::string& directory) {
  const std::string path = directory + "/.barnabas_probe";
  const auto written = fill_file(path, kBytes / 2);
  (void)files_.remove(path);
  return !written && is_disk_full(written.error());
}

/// What there is room for is kept.
Result<void> StartReserve::fill_file(const std::string& path, std::uint64_t size) {
  const auto file = TRY(files_.open(path, OpenMode::kReadWriteCreate));
  const Bytes zeros(std::size_t{16} << 10);
  for (std::uint64_t at = TRY(file->size()); at < size; at += zeros.size()) TRY(file->write_at(at, zeros));
  return {};
}

}  // namespace barnabas::broker
