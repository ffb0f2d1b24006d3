// Lines of JSON that the verifiable tools print: one event each, with the time in front.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string_view>

#include "base/bytes.hpp"
#include "tools/client/group_member.hpp"

namespace barnabas::tools {

/// Prints {"timestamp":now,"name":name,...fields} and flushes.
void print_event(std::string_view name, const boost::json::object& fields = {});
/// A key or value as text; null where it is none.
[[nodiscard]] boost::json::value text_json(const std::optional<ByteView>& field);
[[nodiscard]] boost::json::object partition_json(const TopicPartition& partition);

}  // namespace barnabas::tools
