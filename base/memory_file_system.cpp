#include "base/memory_file_system.hpp"

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <set>

#include "base/crashable_tree.hpp"

namespace barnabas {
namespace {

std::unexpected<Error> failed(int error_number, std::string_view call, std::string_view path) {
  return std::unexpected<Error>(storage_error(error_number, call, path));
}

}  // namespace

struct MemoryFileSystem::State {
  mutable std::mutex mutex;
  CrashableTree tree;
  std::set<std::vector<std::string>> broken;
  std::set<const TreeNode*> locked;
  std::uint64_t generation = 0;  // crashes so far
  std::uint64_t calls = 0;
  std::uint64_t failing_call = 0;
  bool fails_on = false;  // and with it all after
  int failing_error = EIO;
  bool struck = false;
  std::optional<std::uint64_t> capacity_bytes;

  /// Counts a call and returns the error number it fails with for no fault of its own, 0 when it goes on.
  int begin(const PathComponents& parts) {
    ++calls;
    if (failing_call != 0 && (calls == failing_call || (fails_on && calls > failing_call))) {
      struck = true;
      return failing_error;
    }
    return is_broken(parts) ? EIO : 0;
  }
  [[nodiscard]] bool is_broken(const PathComponents& parts) const {
    return std::ranges::any_of(broken, [&](const std::vector<std::string>& prefix) {
      return prefix.size() <= parts.size() && std::equal(prefix.begin(), prefix.end(), parts.begin());
    });
  }

  void crash(Random* random) {
    const std::lock_guard guard(mutex);
    tree.crash(random);
    locked.clear();
    ++generation;
  }
};

namespace {

template <class State>
class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<State> state, TreeNodePtr node, std::string path, bool writable)
      : state_(std::move(state)),
        node_(std::move(node)),
        path_(std::move(path)),
        parts_(path_components(path_)),
        generation_(state_->generation),
        writable_(writable) {}

  Result<std::size_t> read_at(std::uint64_t position, MutableByteView into) const override {
    const std::lock_guard guard(state_->mutex);
    if (const int error = begin()) return failed(error, "pread", path_);
    return node_->bytes.read(position, into);
  }

  Result<void> write_at(std::uint64_t position, ByteView from) override {
    const std::lock_guard guard(state_->mutex);
    return write_locked(position, from);
  }

  Result<void> write_pieces_at(std::uint64_t position, std::span<const ByteView> pieces) override {
    const std::lock_guard guard(state_->mutex);
    Bytes joined;
    for (const ByteView piece : pieces) joined.insert(joined.end(), piece.begin(), piece.end());
    return write_locked(position, joined);
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard guard(state_->mutex);
    if (const int error = begin()) return failed(error, "fstat", path_);
    return node_->bytes.size();
  }

  Result<void> truncate(std::uint64_t size) override {
    const std::lock_guard guard(state_->mutex);
    if (const int error = begin()) return failed(error, "ftruncate", path_);
    if (!writable_) return failed(EINVAL, "ftruncate", path_);
    node_->bytes.truncate(size);
    return {};
  }

  Result<void> sync() override {
    const std::lock_guard guard(state_->mutex);
    if (const int error = begin()) {
      if (is_current()) node_->bytes.fail_sync();
      return failed(error, "fdatasync", path_);
    }
    node_->bytes.sync();
    return {};
  }

  [[nodiscard]] bool is_cached(std::uint64_t /*position*/, std::uint64_t /*size*/) const override {
    const std::lock_guard guard(state_->mutex);
    return !node_->evicted;
  }
  void load_into_cache(std::uint64_t /*position*/, std::uint64_t /*size*/) const override {
    const std::lock_guard guard(state_->mutex);
    node_->evicted = false;
  }
  void drop_from_cache(std::uint64_t /*position*/, std::uint64_t /*size*/) const override {
    const std::lock_guard guard(state_->mutex);
    node_->evicted = true;
  }
  [[nodiscard]] int native_handle() const override { return -1; }

 private:
  [[nodiscard]] bool is_current() const { return generation_ == state_->generation; }
  [[nodiscard]] int begin() const { return is_current() ? state_->begin(parts_) : ESTALE; }

  Result<void> write_locked(std::uint64_t position, ByteView from) {
    if (!is_current()) return failed(ESTALE, "pwrite", path_);
    if (!writable_) return failed(EBADF, "pwrite", path_);
    const int error = state_->begin(parts_);
    const ByteView wanted = error != 0 ? from.first(from.size() / 2) : from;
    const ByteView fitting = wanted.first(fitting_bytes(position, wanted.size()));
    node_->bytes.write(position, fitting);
    if (error != 0) return failed(error, "pwrite", path_);
    if (fitting.size() < from.size()) return failed(ENOSPC, "pwrite", path_);
    return {};
  }

  [[nodiscard]] std::size_t fitting_bytes(std::uint64_t position, std::size_t size) const {
    if (!state_->capacity_bytes) return size;
    constexpr std::uint64_t kPage = CrashableBytes::kPageBytes;
    const std::uint64_t used = state_->tree.root()->pages();
    const std::uint64_t total = *state_->capacity_bytes / kPage;
    std::uint64_t free = used < total ? total - used : 0;
    std::uint64_t end = position;
    const std::uint64_t wanted_end = position + size;
    while (end < wanted_end) {
      const std::uint64_t page_end = std::min(wanted_end, (end / kPage + 1) * kPage);
      const std::size_t missing = node_->bytes.missing_pages(end, page_end - end);
      if (missing > free) break;
      free -= missing;
      end = page_end;
    }
    return static_cast<std::size_t>(end - position);
  }

  std::shared_ptr<State> state_;
  TreeNodePtr node_;
  std::string path_;
  PathComponents parts_;  // of path_
  std::uint64_t generation_;
  bool writable_;
};

template <class State>
class MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(std::shared_ptr<State> state, TreeNodePtr node)
      : state_(std::move(state)), node_(std::move(node)), generation_(state_->generation) {}
  ~MemoryLock() override {
    const std::lock_guard guard(state_->mutex);
    if (generation_ == state_->generation) state_->locked.erase(node_.get());
  }

 private:
  std::shared_ptr<State> state_;
  TreeNodePtr node_;
  std::uint64_t generation_;
};

}  // namespace

MemoryFileSystem::MemoryFileSystem() : state_(std::make_shared<State>()) {}
MemoryFileSystem::~MemoryFileSystem() = default;

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "open", path);
  CrashableTree::Found found = state_->tree.find(parts);
  if (found.node == nullptr) {
    const bool creates = mode == OpenMode::kReadWriteCreate || mode == OpenMode::kReadWriteNew;
    if (found.parent == nullptr || !creates) return failed(found.error, "open", path);
    found.node = std::make_shared<TreeNode>(false);
    state_->tree.make({{found.parent, found.name, found.node}});
  } else if (mode == OpenMode::kReadWriteNew) {
    return failed(EEXIST, "open", path);
  }
  if (found.node->is_directory) return failed(EISDIR, "open", path);
  return std::make_unique<MemoryFile<State>>(state_, std::move(found.node), path,
                                             mode != OpenMode::kReadOnly);
}

Result<bool> MemoryFileSystem::exists(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "stat", path);
  return state_->tree.find(parts).node != nullptr;
}

Result<void> MemoryFileSystem::create_directories(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "mkdir", path);
  TreeNodePtr directory = state_->tree.root();
  for (const std::string_view part : parts) {
    const auto entry = directory->entries.find(part);
    TreeNodePtr next = entry == directory->entries.end() ? nullptr : entry->second;
    if (next == nullptr) {
      next = std::make_shared<TreeNode>(true);
      state_->tree.make({{directory, std::string(part), next}});
    }
    if (!next->is_directory) return failed(ENOTDIR, "mkdir", path);
    directory = std::move(next);
  }
  return {};
}

Result<std::vector<DirectoryEntry>> MemoryFileSystem::list(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "opendir", path);
  const CrashableTree::Found found = state_->tree.find(parts);
  if (found.node == nullptr) return failed(found.error, "opendir", path);
  if (!found.node->is_directory) return failed(ENOTDIR, "opendir", path);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, child] : found.node->entries) entries.push_back({name, child->is_directory});
  return entries;
}

Result<void> MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(state_->mutex);
  const std::string both = from + " to " + to;
  const auto to_parts = path_components(to);
  if (const int error = state_->begin(path_components(from))) return failed(error, "rename", both);
  if (state_->is_broken(to_parts)) return failed(EIO, "rename", both);
  const CrashableTree::Found source = state_->tree.find(path_components(from));
  const CrashableTree::Found target = state_->tree.find(to_parts);
  if (source.node == nullptr) return failed(source.error, "rename", both);
  if (source.parent == nullptr) return failed(EBUSY, "rename", both);
  if (target.parent == nullptr) return failed(target.error != 0 ? target.error : EBUSY, "rename", both);
  if (source.node == target.node) return {};
  if (source.node->contains(target.parent.get())) return failed(EINVAL, "rename", both);
  if (target.node != nullptr) {
    if (target.node->is_directory && !source.node->is_directory) return failed(EISDIR, "rename", both);
    if (!target.node->is_directory && source.node->is_directory) return failed(ENOTDIR, "rename", both);
    if (!target.node->entries.empty()) return failed(ENOTEMPTY, "rename", both);
  }
  state_->tree.make({{source.parent, source.name, nullptr}, {target.parent, target.name, source.node}});
  return {};
}

Result<void> MemoryFileSystem::remove(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "remove", path);
  const CrashableTree::Found found = state_->tree.find(parts);
  if (found.error == ENOENT) return {};
  if (found.error != 0) return failed(found.error, "remove", path);
  if (found.parent == nullptr) return failed(EBUSY, "remove", path);
  if (!found.node->entries.empty()) return failed(ENOTEMPTY, "remove", path);
  state_->tree.make({{found.parent, found.name, nullptr}});
  return {};
}

Result<void> MemoryFileSystem::remove_all(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "remove_all", path);
  const CrashableTree::Found found = state_->tree.find(parts);
  if (found.node == nullptr) return {};
  if (found.parent == nullptr) return failed(EBUSY, "remove_all", path);
  state_->tree.remove_all(found.parent, found.name, found.node);
  return {};
}

Result<void> MemoryFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "fsync", path);
  const CrashableTree::Found found = state_->tree.find(parts);
  if (found.node == nullptr) return failed(found.error, "open", path);
  if (!found.node->is_directory) return failed(ENOTDIR, "open", path);
  state_->tree.sync(found.node.get());
  return {};
}

Result<void> MemoryFileSystem::set_mode(const std::string& path, unsigned mode) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  if (const int error = state_->begin(parts)) return failed(error, "chmod", path);
  const CrashableTree::Found found = state_->tree.find(parts);
  if (found.node == nullptr) return failed(found.error, "chmod", path);
  found.node->mode = mode;
  return {};
}

Result<std::unique_ptr<DirectoryLock>> MemoryFileSystem::lock(const std::string& path) {
  const auto file = open(path, OpenMode::kReadWriteCreate);
  if (!file) return std::unexpected<Error>(file.error());
  const std::lock_guard guard(state_->mutex);
  TreeNodePtr node = state_->tree.find(path_components(path)).node;
  if (node == nullptr || !state_->locked.insert(node.get()).second) return failed(EAGAIN, "lock", path);
  return std::make_unique<MemoryLock<State>>(state_, std::move(node));
}

void MemoryFileSystem::crash() {
  state_->crash(nullptr);
}

void MemoryFileSystem::crash(Random& random) {
  state_->crash(&random);
}

void MemoryFileSystem::fail_nth_call(std::uint64_t n, int error_number) {
  const std::lock_guard guard(state_->mutex);
  state_->failing_error = error_number;
  state_->failing_call = n == 0 ? 0 : state_->calls + n;
  state_->fails_on = false;
  state_->struck = false;
}

void MemoryFileSystem::fail_calls_from(std::uint64_t n) {
  fail_nth_call(n);
  const std::lock_guard guard(state_->mutex);
  state_->fails_on = true;
}

bool MemoryFileSystem::fault_struck() const {
  const std::lock_guard guard(state_->mutex);
  return state_->struck;
}

std::uint64_t MemoryFileSystem::calls() const {
  const std::lock_guard guard(state_->mutex);
  return state_->calls;
}

void MemoryFileSystem::set_capacity_bytes(std::optional<std::uint64_t> capacity) {
  const std::lock_guard guard(state_->mutex);
  state_->capacity_bytes = capacity;
}

std::uint64_t MemoryFileSystem::used_bytes() const {
  const std::lock_guard guard(state_->mutex);
  return state_->tree.root()->pages() * CrashableBytes::kPageBytes;
}

void MemoryFileSystem::break_path(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  state_->broken.emplace(parts.begin(), parts.end());
}

void MemoryFileSystem::mend_path(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = path_components(path);
  state_->broken.erase({parts.begin(), parts.end()});
}

Result<void> MemoryFileSystem::corrupt(const std::string& path, std::uint64_t position, std::uint64_t size) {
  const std::lock_guard guard(state_->mutex);
  const CrashableTree::Found found = state_->tree.find(path_components(path));
  if (found.node == nullptr) return failed(found.error, "corrupt", path);
  found.node->bytes.corrupt(position, size);
  return {};
}

Result<unsigned> MemoryFileSystem::mode_of(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  const CrashableTree::Found found = state_->tree.find(path_components(path));
  if (found.node == nullptr) return failed(found.error, "stat", path);
  return found.node->mode;
}

}  // namespace barnabas
