// The formatters of internal topics: offsets, groups, transactions and share groups, as JSON.
#include <boost/json.hpp>

#include "protocol/json/message_json.hpp"
#include "tools/commands/message_formatter.hpp"

namespace barnabas::tools {
namespace {

/// A type of record: the number that its key begins with, and the messages of its key and value.
struct RecordKind {
  std::int16_t type;
  const char* key;
  const char* value;
};

constexpr RecordKind kOffsets[] = {{0, "LegacyOffsetCommitKey", "LegacyOffsetCommitValue"},
                                   {1, "OffsetCommitKey", "OffsetCommitValue"}};
constexpr RecordKind kGroups[] = {{2, "GroupMetadataKey", "GroupMetadataValue"}};
constexpr RecordKind kTransactions[] = {{0, "TransactionLogKey", "TransactionLogValue"}};
constexpr RecordKind kShareStates[] = {{0, "ShareSnapshotKey", "ShareSnapshotValue"},
                                       {1, "ShareUpdateKey", "ShareUpdateValue"}};

/// Nothing where the bytes are no such message.
std::optional<boost::json::value> json_of(const char* message, std::int16_t version, ByteView bytes) {
  const protocol::MessageJson* converter = protocol::find_message_json(message);
  if (converter == nullptr) return std::nullopt;
  protocol::JsonContext context;
  boost::json::value json = converter->to_json(context, version, bytes);
  if (!context.ok()) return std::nullopt;
  return json;
}

class InternalFormatter final : public MessageFormatter {
 public:
  explicit InternalFormatter(std::span<const RecordKind> kinds) : kinds_(kinds) {}

  /// Records of other kinds print nothing, nor do those that cannot be read.
  Result<void> format(const ConsumedRecord& consumed, std::string& to) override {
    if (!consumed.record.key) return {};
    protocol::Reader key(*consumed.record.key);
    const std::int16_t type = key.int16();
    const auto kind = std::ranges::find(kinds_, type, &RecordKind::type);
    if (!key.ok() || kind == kinds_.end()) return {};
    // Keys have one version, and their type stands where others have it.
    const auto key_json = json_of(kind->key, 0, key.rest());
    if (!key_json) return {};
    boost::json::value value_json = nullptr;
    if (consumed.record.value) {
      protocol::Reader value(*consumed.record.value);
      const std::int16_t version = value.int16();
      const auto data = json_of(kind->value, version, value.rest());
      if (!value.ok() || !data) return {};
      value_json = {{"version", version}, {"data", *data}};
    }
    const boost::json::value line = {{"key", {{"type", type}, {"data", *key_json}}}, {"value", value_json}};
    to += boost::json::serialize(line);
    return {};
  }

 private:
  std::span<const RecordKind> kinds_;
};

}  // namespace

std::unique_ptr<MessageFormatter> make_internal_formatter(std::string_view class_name) {
  if (class_name == "OffsetsMessageFormatter") return std::make_unique<InternalFormatter>(kOffsets);
  if (class_name == "GroupMetadataMessageFormatter") return std::make_unique<InternalFormatter>(kGroups);
  if (class_name == "TransactionLogMessageFormatter")
    return std::make_unique<InternalFormatter>(kTransactions);
  if (class_name == "ShareGroupStateMessageFormatter")
    return std::make_unique<InternalFormatter>(kShareStates);
  return nullptr;
}

}  // namespace barnabas::tools
