// What a topic's configuration comes to: its overrides above the broker's layers, and the LogConfig of that.
#include <algorithm>
#include <charconv>

#include "base/check.hpp"
#include "broker/config/broker_config.hpp"

namespace barnabas::broker {
namespace {

/// The value of one synonym in the topic's unit; nothing when the broker has none.
std::optional<std::string> broker_value(const ConfigLayers& layers, const ConfigSynonym& synonym) {
  auto value = layers.value(synonym.name);
  if (!value || synonym.factor == 1) return value;
  std::int64_t number = 0;
  std::from_chars(value->data(), value->data() + value->size(), number);
  // Negative hours and minutes mean no limit, as -1 milliseconds does.
  return std::to_string(number < 0 ? -1 : number * synonym.factor);
}

class TopicReader {
 public:
  TopicReader(const ConfigLayers& layers, const ConfigMap& overrides)
      : layers_(layers), overrides_(overrides) {}

  [[nodiscard]] std::string text(std::string_view name) const {
    const auto* definition = find_definition(topic_config_definitions(), name);
    CHECK(definition != nullptr);
    return topic_config_value(layers_, overrides_, *definition).value_or("");
  }
  template <class Integer>
  void number(std::string_view name, Integer& into) const {
    const std::string value = text(name);
    std::from_chars(value.data(), value.data() + value.size(), into);
  }

 private:
  const ConfigLayers& layers_;
  const ConfigMap& overrides_;
};

log::CompressionSetting compression_of(std::string_view name) {
  using enum log::CompressionSetting;
  if (name == "uncompressed") return kUncompressed;
  if (name == "gzip") return kGzip;
  if (name == "snappy") return kSnappy;
  if (name == "lz4") return kLz4;
  if (name == "zstd") return kZstd;
  return kProducer;
}

}  // namespace

std::optional<std::string> topic_config_value(const ConfigLayers& layers, const ConfigMap& topic_overrides,
                                              const ConfigDefinition& definition) {
  const auto found = topic_overrides.find(std::string(definition.name));
  if (found != topic_overrides.end())
    if (auto normal = normalize_value(definition, found->second)) return std::move(*normal);
  for (const ConfigSynonym& synonym : definition.synonyms)
    if (auto value = broker_value(layers, synonym)) return value;
  if (!definition.has_default) return std::nullopt;
  return std::string(definition.default_value);
}

log::LogConfig make_log_config(const ConfigLayers& layers, const ConfigMap& topic_overrides) {
  const TopicReader read(layers, topic_overrides);
  log::LogConfig config;
  read.number("segment.bytes", config.segment_bytes);
  read.number("internal.segment.bytes", config.segment_bytes);
  read.number("segment.ms", config.segment_ms);
  read.number("segment.jitter.ms", config.segment_jitter_ms);
  read.number("segment.index.bytes", config.segment_index_bytes);
  read.number("index.interval.bytes", config.index_interval_bytes);
  read.number("retention.ms", config.retention_ms);
  read.number("retention.bytes", config.retention_bytes);
  read.number("file.delete.delay.ms", config.file_delete_delay_ms);
  read.number("flush.messages", config.flush_messages);
  read.number("flush.ms", config.flush_ms);
  read.number("max.message.bytes", config.max_message_bytes);
  const auto policies = split_list(read.text("cleanup.policy"));
  config.cleanup_delete = std::ranges::find(policies, "delete") != policies.end();
  config.cleanup_compact = std::ranges::find(policies, "compact") != policies.end();
  config.preallocate = read.text("preallocate") == "true";
  config.message_timestamp_type = read.text("message.timestamp.type") == "LogAppendTime"
                                      ? log::TimestampType::kLogAppendTime
                                      : log::TimestampType::kCreateTime;
  read.number("message.timestamp.before.max.ms", config.message_timestamp_before_max_ms);
  read.number("message.timestamp.after.max.ms", config.message_timestamp_after_max_ms);
  config.compression = compression_of(read.text("compression.type"));
  read.number("compression.gzip.level", config.gzip_level);
  read.number("compression.lz4.level", config.lz4_level);
  read.number("compression.zstd.level", config.zstd_level);
  read.number("delete.retention.ms", config.delete_retention_ms);
  read.number("min.compaction.lag.ms", config.min_compaction_lag_ms);
  read.number("max.compaction.lag.ms", config.max_compaction_lag_ms);
  read.number("min.cleanable.dirty.ratio", config.min_cleanable_dirty_ratio);
  config.verifies_transactions =
      layers.value("transaction.partition.verification.enable").value_or("true") == "true";
  const auto expiration = layers.value("producer.id.expiration.ms").value_or("86400000");
  std::from_chars(expiration.data(), expiration.data() + expiration.size(), config.producer_id_expiration_ms);
  return config;
}

}  // namespace barnabas::broker
