#include "broker/security/acl_index.hpp"

#include <algorithm>
#include <map>

namespace barnabas::broker {

AclIndex::AclIndex(const kraft::AclsImage& acls) {
  std::vector<std::map<std::string_view, Entries>> prefixed;
  for (const auto& [id, entry] : acls) {
    if (!protocol::is_known_resource_type(entry.resource_type)) continue;
    const auto type = static_cast<std::size_t>(entry.resource_type);
    if (by_type_.size() <= type) {
      by_type_.resize(type + 1);
      prefixed.resize(type + 1);
    }
    switch (static_cast<protocol::PatternType>(entry.pattern_type)) {
      case protocol::PatternType::kLiteral:
        by_type_[type].literal[entry.resource_name].push_back(entry);
        break;
      case protocol::PatternType::kPrefixed:
        prefixed[type][entry.resource_name].push_back(entry);
        break;
      default:
        break;
    }
  }
  for (std::size_t type = 0; type < prefixed.size(); ++type) {
    std::vector<Prefix>& prefixes = by_type_[type].prefixes;
    for (auto& [text, entries] : prefixed[type]) {
      std::size_t shorter = prefixes.empty() ? kNone : prefixes.size() - 1;
      while (shorter != kNone && !text.starts_with(prefixes[shorter].text))
        shorter = prefixes[shorter].shorter;
      prefixes.push_back({std::string(text), std::move(entries), shorter});
    }
  }
}

const AclIndex::OfType* AclIndex::find(protocol::ResourceType type) const {
  const auto number = static_cast<std::size_t>(type);
  return number < by_type_.size() ? &by_type_[number] : nullptr;
}

const AclIndex::Entries* AclIndex::OfType::literal_named(std::string_view name) const {
  const auto found = literal.find(name);
  return found == literal.end() ? nullptr : &found->second;
}

const AclIndex::Prefix* AclIndex::OfType::longest_prefix(std::string_view name) const {
  const auto above = std::ranges::upper_bound(prefixes, name, {}, &Prefix::text);
  if (above == prefixes.begin()) return nullptr;
  const Prefix* prefix = &*std::prev(above);
  while (prefix != nullptr && !name.starts_with(prefix->text)) prefix = shorter(*prefix);
  return prefix;
}

}  // namespace barnabas::broker
