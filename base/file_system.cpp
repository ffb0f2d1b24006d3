#include "base/file_system.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace barnabas {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Error storage_error(int error_number, std::string_view call, std::string_view path) {
  const char* name = ::strerrorname_np(error_number);
  const char* text = ::strerrordesc_np(error_number);
  std::string detail = name != nullptr ? name : "E" + std::to_string(error_number);
  detail.append(" ").append(call).append(" ").append(path).append(": ");
  detail.append(text != nullptr ? text : "unknown error");
  return {ErrorCode::kKafkaStorageError, std::move(detail)};
}

bool is_disk_full(const Error& error) {
  return error.code == ErrorCode::kKafkaStorageError && error.detail.starts_with("ENOSPC ");
}

bool is_not_found(const Error& error) {
  return error.code == ErrorCode::kKafkaStorageError && error.detail.starts_with("ENOENT ");
}

bool is_locked_elsewhere(const Error& error) {
  return error.code == ErrorCode::kKafkaStorageError && error.detail.starts_with("EAGAIN ");
}

bool is_disk_failure(const Error& error) {
  if (error.code != ErrorCode::kKafkaStorageError) return false;
  const std::string_view name = std::string_view(error.detail).substr(0, error.detail.find(' '));
  const bool is_errno = name.size() > 1 && name.front() == 'E' && std::ranges::all_of(name, [](char c) {
                          return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
                        });
  constexpr std::array<std::string_view, 6> kOthers = {"ENOSPC", "EDQUOT", "EMFILE",
                                                       "ENFILE", "ENOMEM", "EAGAIN"};
  return is_errno && std::ranges::find(kOthers, name) == kOthers.end();
}

Result<std::string> FileSystem::read_file(const std::string& path) {
  const std::unique_ptr<File> file = TRY(open(path, OpenMode::kReadOnly));
  std::string content(TRY(file->size()), '\0');
  const MutableByteView into(reinterpret_cast<std::uint8_t*>(content.data()), content.size());
  content.resize(TRY(file->read_at(0, into)));
  return content;
}

Result<void> FileSystem::write_file_atomically(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  {
    const std::unique_ptr<File> file = TRY(open(temporary, OpenMode::kReadWriteCreate));
    // A crash may have left a longer one behind.
    TRY(file->truncate(0));
    TRY(file->write_at(0, as_bytes(content)));
    TRY(file->sync());
  }
  TRY(rename(temporary, path));
  return sync_directory(directory_of(path));
}

Result<void> FileSystem::replace_file(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  {
    const std::unique_ptr<File> file = TRY(open(temporary, OpenMode::kReadWriteCreate));
    TRY(file->truncate(0));
    TRY(file->write_at(0, as_bytes(content)));
  }
  return rename(temporary, path);
}

}  // namespace barnabas
