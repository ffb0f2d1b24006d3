#include "tools/commands/event_json.hpp"

#include <fmt/format.h>

#include "base/clock.hpp"

namespace barnabas::tools {

void print_event(std::string_view name, const boost::json::object& fields) {
  boost::json::object event{{"timestamp", SystemClock().wall_ms()},
                            {"name", boost::json::string_view(name.data(), name.size())}};
  for (const auto& [key, value] : fields) event[key] = value;
  fmt::print("{}\n", boost::json::serialize(event));
  std::fflush(stdout);
}

boost::json::value text_json(const std::optional<ByteView>& field) {
  if (!field) return nullptr;
  return boost::json::string(reinterpret_cast<const char*>(field->data()), field->size());
}

boost::json::object partition_json(const TopicPartition& partition) {
  return {{"topic", partition.topic}, {"partition", partition.partition.value()}};
}

}  // namespace barnabas::tools
