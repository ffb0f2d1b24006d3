#include "protocol/message_registry.hpp"

#include <algorithm>

namespace barnabas::protocol {

const MessageType* find_message(std::string_view name) {
  std::span<const MessageType> types = all_messages();
  auto found = std::ranges::lower_bound(types, name, {},
                                        [](const MessageType& t) { return std::string_view(t.name); });
  return found != types.end() && name == found->name ? &*found : nullptr;
}

}  // namespace barnabas::protocol
