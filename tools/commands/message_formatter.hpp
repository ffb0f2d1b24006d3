// MessageFormatter: a record as kafka-console-consumer prints it.
//
// Owned by a command. Thread safety: none. Errors: INVALID_RECORD where a deserializer cannot read a field;
// then nothing of the record is printed. Source: Kafka's message formatters, measured on Kafka 4.3.1.
#pragma once

#include <memory>

#include "tools/client/consumer.hpp"
#include "tools/commands/deserializers.hpp"

namespace barnabas::tools {

class MessageFormatter {
 public:
  virtual ~MessageFormatter() = default;
  /// Appends to `to`.
  virtual Result<void> format(const ConsumedRecord& consumed, std::string& to) = 0;
};

/// By the name of Kafka's class; null if there is none.
std::unique_ptr<MessageFormatter> make_formatter(std::string_view class_name, const Properties& properties);
/// Those of the records in internal topics; null if `class_name` is none of them.
std::unique_ptr<MessageFormatter> make_internal_formatter(std::string_view class_name);

/// Timestamp, partition, offset, headers, key and value, as the properties choose.
class DefaultMessageFormatter final : public MessageFormatter {
 public:
  explicit DefaultMessageFormatter(const Properties& properties);
  Result<void> format(const ConsumedRecord& consumed, std::string& to) override;

 private:
  Result<void> put_field(const std::optional<ByteView>& field, Deserializer deserializer,
                         std::string& to) const;
  Result<void> put_headers(const protocol::RecordHeaders& headers, std::string& to) const;
  Result<void> put(const ConsumedRecord& consumed, std::string& to) const;

  bool print_timestamp_ = false;
  bool print_key_ = false;
  bool print_offset_ = false;
  bool print_epoch_ = false;
  bool print_partition_ = false;
  bool print_headers_ = false;
  bool print_value_ = true;
  bool print_delivery_ = false;
  std::string key_separator_ = "\t";
  std::string line_separator_ = "\n";
  std::string headers_separator_ = ",";
  std::string null_literal_ = "null";
  Deserializer key_deserializer_ = nullptr;  // null: the bytes as they are
  Deserializer value_deserializer_ = nullptr;
  Deserializer headers_deserializer_ = nullptr;
};

}  // namespace barnabas::tools
