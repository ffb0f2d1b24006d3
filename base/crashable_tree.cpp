#include "base/crashable_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

namespace barnabas {
namespace {

void apply(const CrashableTree::Edit& edit, TreeNode::Entries& entries) {
  if (edit.child == nullptr) {
    entries.erase(edit.name);
  } else {
    entries[edit.name] = edit.child;
  }
}

void apply_durably(const CrashableTree::Change& change) {
  for (const CrashableTree::Edit& edit : change) apply(edit, edit.directory->synced_entries);
}

void restore(TreeNode& node, Random* random) {
  if (random == nullptr) {
    node.bytes.lose_unsynced();
  } else {
    node.bytes.lose_unsynced(*random);
  }
  node.entries = node.synced_entries;
  for (const auto& [name, child] : node.entries) restore(*child, random);
}

}  // namespace

PathComponents path_components(std::string_view path) {
  PathComponents parts;
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

std::uint64_t TreeNode::pages() const {
  std::uint64_t pages = bytes.allocated_pages();
  for (const auto& [name, child] : entries) pages += child->pages();
  return pages;
}

bool TreeNode::contains(const TreeNode* wanted) const {
  if (this == wanted) return true;
  return std::ranges::any_of(entries, [&](const auto& entry) { return entry.second->contains(wanted); });
}

CrashableTree::Found CrashableTree::find(const PathComponents& parts) const {
  Found found{.parent = nullptr, .name = {}, .node = root_};
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

void CrashableTree::make(Change change) {
  for (const Edit& edit : change) apply(edit, edit.directory->entries);
  unsynced_changes_.push_back(std::move(change));
}

void CrashableTree::remove_all(const TreeNodePtr& parent, const std::string& name, const TreeNodePtr& node) {
  const TreeNode::Entries children = node->entries;
  for (const auto& [child_name, child] : children) remove_all(node, child_name, child);
  make({{parent, name, nullptr}});
}

/// Makes every change of `directory` durable, and those that came before in directories it shares a rename
/// with.
void CrashableTree::sync(const TreeNode* directory) {
  std::set<const TreeNode*> wanted{directory};
  std::vector<bool> chosen(unsynced_changes_.size());
  for (std::size_t i = unsynced_changes_.size(); i-- > 0;) {
    const Change& change = unsynced_changes_[i];
    chosen[i] =
        std::ranges::any_of(change, [&](const Edit& e) { return wanted.contains(e.directory.get()); });
    if (!chosen[i]) continue;
    for (const Edit& edit : change) wanted.insert(edit.directory.get());
  }
  std::vector<Change> left;
  for (std::size_t i = 0; i < unsynced_changes_.size(); ++i) {
    if (chosen[i]) {
      apply_durably(unsynced_changes_[i]);
    } else {
      left.push_back(std::move(unsynced_changes_[i]));
    }
  }
  unsynced_changes_ = std::move(left);
}

void CrashableTree::crash(Random* random) {
  if (random != nullptr) {
    const std::uint64_t survivors = random->below(unsynced_changes_.size() + 1);
    for (std::uint64_t i = 0; i < survivors; ++i) apply_durably(unsynced_changes_[i]);
  }
  unsynced_changes_.clear();
  restore(*root_, random);
}

}  // namespace barnabas
