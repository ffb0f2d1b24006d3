#include "log/directory_swap.hpp"

namespace barnabas::log {
namespace {

Result<void> sync_parent(FileSystem& files, const std::string& path) {
  return files.sync_directory(path.substr(0, path.rfind('/')));
}

Result<void> rename_for_good(FileSystem& files, const std::string& from, const std::string& to) {
  TRY(files.rename(from, to));
  return sync_parent(files, to);
}

/// A rename that told an error may have been made nevertheless, and one that was undone may not have been
/// durable: so the name is looked for, and always synced.
Result<void> take_back(FileSystem& files, const std::string& to, const std::string& from) {
  if (!TRY(files.exists(from))) TRY(files.rename(to, from));
  return sync_parent(files, from);
}

}  // namespace

Result<void> DirectorySwap::make() const {
  TRY(rename_for_good(files, current, deleted));
  return rename_for_good(files, future, live);
}

/// The future one first: there are never two by the live name.
Result<void> DirectorySwap::undo() const {
  TRY(take_back(files, live, future));
  return take_back(files, deleted, current);
}

}  // namespace barnabas::log
