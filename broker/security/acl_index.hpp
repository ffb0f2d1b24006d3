// AclIndex: the ACLs of one metadata image, ordered for the question that every request asks: which of them
// are about this resource?
//
// Built once for each change of the ACLs, immutable after that; owned by the authorizer. Thread safety: any
// thread may read.
// Invariant: of a resource's name only the ACLs are visited that are about it: those of its literal name and
// of "*" by a hash, those of its prefixes by one binary search. Among sorted prefixes the last one not above
// a name either begins the name or begins, after some letters, with all that do: `shorter` leads to them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kraft/metadata_image.hpp"
#include "protocol/acl_terms.hpp"

namespace barnabas::broker {

class AclIndex {
 public:
  using Entries = std::vector<kraft::AclEntry>;

  explicit AclIndex(const kraft::AclsImage& acls);

  /// Calls visit(entry) for the ACLs of the resource, until it returns false.
  template <class Visit>
  void visit_resource(protocol::ResourceType type, std::string_view name, Visit visit) const {
    const OfType* of_type = find(type);
    if (of_type == nullptr) return;
    const auto visit_all = [&visit](const Entries& entries) {
      for (const kraft::AclEntry& entry : entries)
        if (!visit(entry)) return false;
      return true;
    };
    if (const Entries* entries = of_type->literal_named(name); entries && !visit_all(*entries)) return;
    if (name != protocol::kAclWildcard) {
      const Entries* entries = of_type->literal_named(protocol::kAclWildcard);
      if (entries && !visit_all(*entries)) return;
    }
    for (const Prefix* prefix = of_type->longest_prefix(name); prefix; prefix = of_type->shorter(*prefix))
      if (!visit_all(prefix->entries)) return;
  }

  /// Calls visit(entry) for every ACL of the type.
  template <class Visit>
  void visit_type(protocol::ResourceType type, Visit visit) const {
    const OfType* of_type = find(type);
    if (of_type == nullptr) return;
    for (const auto& [name, entries] : of_type->literal)
      for (const kraft::AclEntry& entry : entries) visit(entry);
    for (const Prefix& prefix : of_type->prefixes)
      for (const kraft::AclEntry& entry : prefix.entries) visit(entry);
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  struct Prefix {
    std::string text;
    Entries entries;
    std::size_t shorter = kNone;  // position of the longest other prefix that this one begins with
  };
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  struct OfType {
    std::unordered_map<std::string, Entries, TextHash, std::equal_to<>> literal;
    std::vector<Prefix> prefixes;  // sorted, no two alike

    [[nodiscard]] const Entries* literal_named(std::string_view name) const;
    [[nodiscard]] const Prefix* shorter(const Prefix& prefix) const {
      return prefix.shorter == kNone ? nullptr : &prefixes[prefix.shorter];
    }
    /// The longest prefix that `name` begins with; null when it begins with none.
    [[nodiscard]] const Prefix* longest_prefix(std::string_view name) const;
  };

  [[nodiscard]] const OfType* find(protocol::ResourceType type) const;

  std::vector<OfType> by_type_;  // by number
};

}  // namespace barnabas::broker
