// The names of a MemoryFileSystem: its directories and the files in them, with a memory of what a crash would
// bring back.
//
// Fault model: a change of names is on the disk once its directory is synced, and so are those made before it
// in directories that it shares a rename with. A crash keeps the first few of the others, in the order they
// were made, as a journaling file system does.
//
// Not thread-safe; its file system's lock protects it. Nodes live as long as somebody holds them, also those
// whose name is gone.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/crashable_bytes.hpp"
#include "base/random.hpp"

namespace barnabas {

/// The names that a path is made of, "." and ".." resolved: views into it.
using PathComponents = std::vector<std::string_view>;
PathComponents path_components(std::string_view path);

struct TreeNode;
using TreeNodePtr = std::shared_ptr<TreeNode>;

/// A directory or a file.
struct TreeNode {
  using Entries = std::map<std::string, TreeNodePtr, std::less<>>;

  explicit TreeNode(bool directory) : is_directory(directory), mode(directory ? 0777 : 0666) {}

  /// Of the bytes of all files from here on down.
  [[nodiscard]] std::uint64_t pages() const;
  [[nodiscard]] bool contains(const TreeNode* wanted) const;

  bool is_directory;
  unsigned mode;
  bool evicted = false;  // by drop_from_cache(), until load_into_cache(): all of it, whatever the range
  CrashableBytes bytes;
  Entries entries;
  Entries synced_entries;  // what a crash brings back
};

class CrashableTree {
 public:
  /// One name in a directory comes to mean something else, or nothing.
  struct Edit {
    TreeNodePtr directory;
    std::string name;
    TreeNodePtr child;  // none: removed
  };
  /// Edits that reach the disk together: a rename is two.
  using Change = std::vector<Edit>;

  struct Found {
    TreeNodePtr parent;  // none for the root, or when the way to it is broken off
    std::string name;
    TreeNodePtr node;  // none when there is no such name
    int error = 0;     // an errno: why the node was not reached
  };

  [[nodiscard]] const TreeNodePtr& root() const { return root_; }
  [[nodiscard]] Found find(const PathComponents& parts) const;
  void make(Change change);
  /// The node's name and all under it, from the leaves on up.
  void remove_all(const TreeNodePtr& parent, const std::string& name, const TreeNodePtr& node);
  void sync(const TreeNode* directory);
  /// Nothing unsynced survives where there is no chance.
  void crash(Random* random);

 private:
  TreeNodePtr root_ = std::make_shared<TreeNode>(true);
  std::vector<Change> unsynced_changes_;  // in the order they were made
};

}  // namespace barnabas
