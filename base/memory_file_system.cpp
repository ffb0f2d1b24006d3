#include "base/memory_file_system.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <mutex>
#include <set>

#include "base/crashable_bytes.hpp"

namespace barnabas {
namespace {

struct Node;
using NodePtr = std::shared_ptr<Node>;
using Entries = std::map<std::string, NodePtr, std::less<>>;

struct Node {
  explicit Node(bool directory) : is_directory(directory), mode(directory ? 0777 : 0666) {}

  bool is_directory;
  unsigned mode;
  bool evicted = false;  // by drop_from_cache(), until load_into_cache(): all of it, whatever the range
  CrashableBytes bytes;
  Entries entries;
  Entries synced_entries;  // what a crash brings back
};

/// One name in a directory comes to mean something else, or nothing.
struct Edit {
  NodePtr directory;
  std::string name;
  NodePtr child;  // none: removed
};
/// Edits that reach the disk together: a rename is two.
using Change = std::vector<Edit>;

std::unexpected<Error> failed(int error_number, std::string_view call, std::string_view path) {
  return std::unexpected<Error>(storage_error(error_number, call, path));
}

/// The names that a path is made of: views into it.
using Components = std::vector<std::string_view>;

Components components_of(std::string_view path) {
  Components parts;
  parts.reserve(8);
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (!part.empty() && part != ".") {
      parts.emplace_back(part);
    }
  }
  return parts;
}

std::uint64_t pages_under(const Node& node) {
  std::uint64_t pages = node.bytes.allocated_pages();
  for (const auto& [name, child] : node.entries) pages += pages_under(*child);
  return pages;
}

bool contains(const Node& ancestor, const Node* wanted) {
  if (&ancestor == wanted) return true;
  return std::ranges::any_of(ancestor.entries,
                             [&](const auto& entry) { return contains(*entry.second, wanted); });
}

void restore(Node& node, Random* random) {
  if (random == nullptr) {
    node.bytes.lose_unsynced();
  } else {
    node.bytes.lose_unsynced(*random);
  }
  node.entries = node.synced_entries;
  for (const auto& [name, child] : node.entries) restore(*child, random);
}

}  // namespace

struct MemoryFileSystem::State {
  mutable std::mutex mutex;
  NodePtr root = std::make_shared<Node>(true);
  std::vector<Change> unsynced_changes;  // in the order they were made
  std::set<std::vector<std::string>> broken;
  std::set<const Node*> locked;
  std::uint64_t generation = 0;  // crashes so far
  std::uint64_t calls = 0;
  std::uint64_t failing_call = 0;
  bool fails_on = false;  // and with it all after
  int failing_error = EIO;
  bool struck = false;
  std::optional<std::uint64_t> capacity_bytes;

  /// Counts a call and returns the error number it fails with for no fault of its own, 0 when it goes on.
  int begin(const Components& parts) {
    ++calls;
    if (failing_call != 0 && (calls == failing_call || (fails_on && calls > failing_call))) {
      struck = true;
      return failing_error;
    }
    return is_broken(parts) ? EIO : 0;
  }
  [[nodiscard]] bool is_broken(const Components& parts) const {
    return std::ranges::any_of(broken, [&](const std::vector<std::string>& prefix) {
      return prefix.size() <= parts.size() && std::equal(prefix.begin(), prefix.end(), parts.begin());
    });
  }

  struct Found {
    NodePtr parent;  // none for the root, or when the way to it is broken off
    std::string name;
    NodePtr node;   // none when there is no such name
    int error = 0;  // why the parent was not reached
  };
  [[nodiscard]] Found find(const Components& parts) const {
    Found found{.parent = nullptr, .name = {}, .node = root};
    for (const std::string_view part : parts) {
      if (found.node == nullptr) return {.parent = nullptr, .name = {}, .node = nullptr, .error = ENOENT};
      if (!found.node->is_directory) {
        return {.parent = nullptr, .name = {}, .node = nullptr, .error = ENOTDIR};
      }
      found.parent = std::move(found.node);
      found.name = part;
      const auto entry = found.parent->entries.find(part);
      found.node = entry == found.parent->entries.end() ? nullptr : entry->second;
    }
    if (found.node == nullptr) found.error = ENOENT;
    return found;
  }

  void make(Change change) {
    for (const Edit& edit : change) apply(edit, edit.directory->entries);
    unsynced_changes.push_back(std::move(change));
  }
  static void apply(const Edit& edit, Entries& entries) {
    if (edit.child == nullptr) {
      entries.erase(edit.name);
    } else {
      entries[edit.name] = edit.child;
    }
  }
  static void apply_durably(const Change& change) {
    for (const Edit& edit : change) apply(edit, edit.directory->synced_entries);
  }

  /// Makes every change of `directory` durable, and those that came before in directories it shares a rename
  /// with.
  void sync(const Node* directory) {
    std::set<const Node*> wanted{directory};
    std::vector<bool> chosen(unsynced_changes.size());
    for (std::size_t i = unsynced_changes.size(); i-- > 0;) {
      const Change& change = unsynced_changes[i];
      chosen[i] =
          std::ranges::any_of(change, [&](const Edit& e) { return wanted.contains(e.directory.get()); });
      if (!chosen[i]) continue;
      for (const Edit& edit : change) wanted.insert(edit.directory.get());
    }
    std::vector<Change> left;
    for (std::size_t i = 0; i < unsynced_changes.size(); ++i) {
      if (chosen[i]) {
        apply_durably(unsynced_changes[i]);
      } else {
        left.push_back(std::move(unsynced_changes[i]));
      }
    }
    unsynced_changes = std::move(left);
  }

  void remove_tree(const NodePtr& parent, const std::string& name, const NodePtr& node) {
    const Entries children = node->entries;
    for (const auto& [child_name, child] : children) remove_tree(node, child_name, child);
    make({Edit{parent, name, nullptr}});
  }

  void crash(Random* random) {
    const std::lock_guard guard(mutex);
    if (random != nullptr) {
      const std::uint64_t survivors = random->below(unsynced_changes.size() + 1);
      for (std::uint64_t i = 0; i < survivors; ++i) apply_durably(unsynced_changes[i]);
    }
    unsynced_changes.clear();
    restore(*root, random);
    locked.clear();
    ++generation;
  }
};

namespace {

template <class State>
class MemoryFile final : public File {
 public:
  MemoryFile(std::shared_ptr<State> state, NodePtr node, std::string path, bool writable)
      : state_(std::move(state)),
        node_(std::move(node)),
        path_(std::move(path)),
        parts_(components_of(path_)),
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
    const std::uint64_t used = pages_under(*state_->root);
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
  NodePtr node_;
  std::string path_;
  Components parts_;  // of path_
  std::uint64_t generation_;
  bool writable_;
};

template <class State>
class MemoryLock final : public DirectoryLock {
 public:
  MemoryLock(std::shared_ptr<State> state, NodePtr node)
      : state_(std::move(state)), node_(std::move(node)), generation_(state_->generation) {}
  ~MemoryLock() override {
    const std::lock_guard guard(state_->mutex);
    if (generation_ == state_->generation) state_->locked.erase(node_.get());
  }

 private:
  std::shared_ptr<State> state_;
  NodePtr node_;
  std::uint64_t generation_;
};

}  // namespace

MemoryFileSystem::MemoryFileSystem() : state_(std::make_shared<State>()) {}
MemoryFileSystem::~MemoryFileSystem() = default;

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "open", path);
  State::Found found = state_->find(parts);
  if (found.node == nullptr) {
    const bool creates = mode == OpenMode::kReadWriteCreate || mode == OpenMode::kReadWriteNew;
    if (found.parent == nullptr || !creates) return failed(found.error, "open", path);
    found.node = std::make_shared<Node>(false);
    state_->make({Edit{found.parent, found.name, found.node}});
  } else if (mode == OpenMode::kReadWriteNew) {
    return failed(EEXIST, "open", path);
  }
  if (found.node->is_directory) return failed(EISDIR, "open", path);
  return std::make_unique<MemoryFile<State>>(state_, std::move(found.node), path,
                                             mode != OpenMode::kReadOnly);
}

Result<bool> MemoryFileSystem::exists(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "stat", path);
  return state_->find(parts).node != nullptr;
}

Result<void> MemoryFileSystem::create_directories(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "mkdir", path);
  NodePtr directory = state_->root;
  for (const std::string_view part : parts) {
    const auto entry = directory->entries.find(part);
    NodePtr next = entry == directory->entries.end() ? nullptr : entry->second;
    if (next == nullptr) {
      next = std::make_shared<Node>(true);
      state_->make({Edit{directory, std::string(part), next}});
    }
    if (!next->is_directory) return failed(ENOTDIR, "mkdir", path);
    directory = std::move(next);
  }
  return {};
}

Result<std::vector<DirectoryEntry>> MemoryFileSystem::list(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "opendir", path);
  const State::Found found = state_->find(parts);
  if (found.node == nullptr) return failed(found.error, "opendir", path);
  if (!found.node->is_directory) return failed(ENOTDIR, "opendir", path);
  std::vector<DirectoryEntry> entries;
  for (const auto& [name, child] : found.node->entries) entries.push_back({name, child->is_directory});
  return entries;
}

Result<void> MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(state_->mutex);
  const std::string both = from + " to " + to;
  const auto to_parts = components_of(to);
  if (const int error = state_->begin(components_of(from))) return failed(error, "rename", both);
  if (state_->is_broken(to_parts)) return failed(EIO, "rename", both);
  const State::Found source = state_->find(components_of(from));
  const State::Found target = state_->find(to_parts);
  if (source.node == nullptr) return failed(source.error, "rename", both);
  if (source.parent == nullptr) return failed(EBUSY, "rename", both);
  if (target.parent == nullptr) return failed(target.error != 0 ? target.error : EBUSY, "rename", both);
  if (source.node == target.node) return {};
  if (contains(*source.node, target.parent.get())) return failed(EINVAL, "rename", both);
  if (target.node != nullptr) {
    if (target.node->is_directory && !source.node->is_directory) return failed(EISDIR, "rename", both);
    if (!target.node->is_directory && source.node->is_directory) return failed(ENOTDIR, "rename", both);
    if (!target.node->entries.empty()) return failed(ENOTEMPTY, "rename", both);
  }
  state_->make({Edit{source.parent, source.name, nullptr}, Edit{target.parent, target.name, source.node}});
  return {};
}

Result<void> MemoryFileSystem::remove(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "remove", path);
  const State::Found found = state_->find(parts);
  if (found.error == ENOENT) return {};
  if (found.error != 0) return failed(found.error, "remove", path);
  if (found.parent == nullptr) return failed(EBUSY, "remove", path);
  if (!found.node->entries.empty()) return failed(ENOTEMPTY, "remove", path);
  state_->make({Edit{found.parent, found.name, nullptr}});
  return {};
}

Result<void> MemoryFileSystem::remove_all(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "remove_all", path);
  const State::Found found = state_->find(parts);
  if (found.node == nullptr) return {};
  if (found.parent == nullptr) return failed(EBUSY, "remove_all", path);
  state_->remove_tree(found.parent, found.name, found.node);
  return {};
}

Result<void> MemoryFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "fsync", path);
  const State::Found found = state_->find(parts);
  if (found.node == nullptr) return failed(found.error, "open", path);
  if (!found.node->is_directory) return failed(ENOTDIR, "open", path);
  state_->sync(found.node.get());
  return {};
}

Result<void> MemoryFileSystem::set_mode(const std::string& path, unsigned mode) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  if (const int error = state_->begin(parts)) return failed(error, "chmod", path);
  const State::Found found = state_->find(parts);
  if (found.node == nullptr) return failed(found.error, "chmod", path);
  found.node->mode = mode;
  return {};
}

Result<std::unique_ptr<DirectoryLock>> MemoryFileSystem::lock(const std::string& path) {
  const auto file = open(path, OpenMode::kReadWriteCreate);
  if (!file) return std::unexpected<Error>(file.error());
  const std::lock_guard guard(state_->mutex);
  NodePtr node = state_->find(components_of(path)).node;
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
  return pages_under(*state_->root) * CrashableBytes::kPageBytes;
}

void MemoryFileSystem::break_path(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  state_->broken.emplace(parts.begin(), parts.end());
}

void MemoryFileSystem::mend_path(const std::string& path) {
  const std::lock_guard guard(state_->mutex);
  const auto parts = components_of(path);
  state_->broken.erase({parts.begin(), parts.end()});
}

Result<void> MemoryFileSystem::corrupt(const std::string& path, std::uint64_t position, std::uint64_t size) {
  const std::lock_guard guard(state_->mutex);
  const State::Found found = state_->find(components_of(path));
  if (found.node == nullptr) return failed(found.error, "corrupt", path);
  found.node->bytes.corrupt(position, size);
  return {};
}

Result<unsigned> MemoryFileSystem::mode_of(const std::string& path) const {
  const std::lock_guard guard(state_->mutex);
  const State::Found found = state_->find(components_of(path));
  if (found.node == nullptr) return failed(found.error, "stat", path);
  return found.node->mode;
}

}  // namespace barnabas
