// The formatters of internal topics: offsets, groups, transactions and share groups, as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <span>

#include "tools/commands/message_formatter.hpp"
#include "tools/records/record_json.hpp"

namespace barnabas::tools {
namespace {

/// What a formatter shows of a topic: the types that the keys of its records begin with.
struct Shown {
  CoordinatorTopic topic;
  std::span<const std::int16_t> types;
};

constexpr std::int16_t kOffsetTypes[] = {0, 1};
constexpr std::int16_t kGroupTypes[] = {2};
constexpr std::int16_t kTransactionTypes[] = {0};
constexpr std::int16_t kShareTypes[] = {0, 1};

/// `{"key":...,"value":...}`; nothing for types that there are not.
Result<std::optional<boost::json::value>> record_json(CoordinatorTopic topic, ByteView key,
                                                      std::optional<ByteView> value, std::int16_t& type) {
  protocol::Reader reader(key);
  type = reader.int16();
  if (!reader.ok()) return fail(ErrorCode::kCorruptMessage, "Could not read version from key's buffer.");
  if (!is_coordinator_type(topic, type)) return std::nullopt;
  const CoordinatorKey parsed = TRY(parse_coordinator_key(topic, key));
  boost::json::value value_json = nullptr;
  if (value) {
    const VersionedMessage message = TRY(parse_coordinator_value(parsed.message_name, *value));
    value_json = {{"version", message.version}, {"data", message.data}};
  }
  return boost::json::value{{"key", {{"type", type}, {"data", parsed.data}}}, {"value", value_json}};
}

class InternalFormatter final : public MessageFormatter {
 public:
  explicit InternalFormatter(Shown shown) : shown_(shown) {}

  /// Records without a key and of other types print nothing. One of the topic that cannot be read is an
  /// error, of whatever type it is.
  Result<void> format(const ConsumedRecord& consumed, std::string& to) override {
    if (!consumed.record.key) return {};
    std::int16_t type = -1;
    const auto line = record_json(shown_.topic, *consumed.record.key, consumed.record.value, type);
    if (!line)
      return fail(ErrorCode::kCorruptMessage,
                  fmt::format("Could not read record at offset {} due to: {}", consumed.record.offset.value(),
                              line.error().detail));
    if (*line && std::ranges::find(shown_.types, type) != shown_.types.end())
      to += boost::json::serialize(**line);
    return {};
  }

 private:
  Shown shown_;
};

}  // namespace

std::unique_ptr<MessageFormatter> make_internal_formatter(std::string_view class_name) {
  if (class_name == "OffsetsMessageFormatter")
    return std::make_unique<InternalFormatter>(Shown{CoordinatorTopic::kGroup, kOffsetTypes});
  if (class_name == "GroupMetadataMessageFormatter")
    return std::make_unique<InternalFormatter>(Shown{CoordinatorTopic::kGroup, kGroupTypes});
  if (class_name == "TransactionLogMessageFormatter")
    return std::make_unique<InternalFormatter>(Shown{CoordinatorTopic::kTransaction, kTransactionTypes});
  if (class_name == "ShareGroupStateMessageFormatter")
    return std::make_unique<InternalFormatter>(Shown{CoordinatorTopic::kShare, kShareTypes});
  return nullptr;
}

}  // namespace barnabas::tools
