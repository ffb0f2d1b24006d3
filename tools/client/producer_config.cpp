#include "tools/client/producer_config.hpp"

#include <fmt/format.h>

#include <array>

namespace barnabas::tools {
namespace {

using protocol::Codec;

constexpr std::array kCodecs = {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};

std::unexpected<Error> not_one_of(std::string_view key, std::string_view value, std::string_view allowed) {
  return fail(
      ErrorCode::kInvalidConfig,
      fmt::format("Invalid value {} for configuration {}: String must be one of: {}", value, key, allowed));
}

Result<void> read_acks(const Properties& properties, ProducerConfig& config) {
  const std::string acks = text_property(properties, "acks", "all");
  if (acks == "all" || acks == "-1") {
    config.acks = -1;
  } else if (acks == "0" || acks == "1") {
    config.acks = static_cast<std::int16_t>(acks[0] - '0');
  } else {
    return not_one_of("acks", acks, "all, -1, 0, 1");
  }
  return {};
}

Result<void> read_compression(const Properties& properties, ProducerConfig& config) {
  const std::string name = text_property(properties, "compression.type", "none");
  for (const Codec codec : kCodecs) {
    if (protocol::codec_name(codec) != name) continue;
    config.codec = codec;
    const protocol::LevelRange range = protocol::compression_levels(codec);
    if (range.min == range.max) return {};
    const std::string key = fmt::format("compression.{}.level", name);
    config.level =
        static_cast<int>(TRY(integer_property(properties, key, range.standard, {range.min, range.max})));
    return {};
  }
  return not_one_of("compression.type", name, "none, gzip, snappy, lz4, zstd");
}

/// Idempotence is on unless something that it needs is switched off; asked for, it insists.
Result<void> read_idempotence(const Properties& properties, ProducerConfig& config) {
  const bool is_set = properties.contains("enable.idempotence");
  config.idempotence = TRY(boolean_property(properties, "enable.idempotence", true));
  config.transactional_id = text_property(properties, "transactional.id", "");
  if (!config.idempotence) {
    if (config.transactional_id.empty()) return {};
    return fail(ErrorCode::kInvalidConfig,
                "Cannot set a transactional.id without also enabling idempotence.");
  }
  const char* conflict = nullptr;
  if (config.acks != -1)
    conflict =
        "Must set acks to all in order to use the idempotent producer. Otherwise we cannot guarantee "
        "idempotence.";
  if (config.retries == 0) conflict = "Must set retries to non-zero when using the idempotent producer.";
  if (config.max_in_flight > 5) {
    conflict = "Must set max.in.flight.requests.per.connection to at most 5 to use the idempotent producer.";
  }
  if (conflict == nullptr) return {};
  if (is_set || !config.transactional_id.empty()) return fail(ErrorCode::kInvalidConfig, conflict);
  config.idempotence = false;
  return {};
}

}  // namespace

Result<ProducerConfig> producer_config_of(const Properties& properties) {
  ProducerConfig config;
  config.client = TRY(client_config_of(properties));
  config.client.asker = "Producer clientId=" + config.client.client_id;
  const auto number = [&](const char* key, std::int64_t& to, IntegerRange range) -> Result<void> {
    to = TRY(integer_property(properties, key, to, range));
    return {};
  };
  const auto time = [&](const char* key, std::chrono::milliseconds& to,
                        std::int64_t most = INT64_MAX) -> Result<void> {
    to = std::chrono::milliseconds(TRY(integer_property(properties, key, to.count(), {0, most})));
    return {};
  };
  TRY(read_acks(properties, config));
  TRY(read_compression(properties, config));
  TRY(number("batch.size", config.batch_size, {0, INT32_MAX}));
  TRY(number("buffer.memory", config.buffer_memory, {0, INT64_MAX}));
  TRY(number("max.request.size", config.max_request_size, {0, INT32_MAX}));
  TRY(number("retries", config.retries, {0, INT32_MAX}));
  TRY(number("max.in.flight.requests.per.connection", config.max_in_flight, {1, INT32_MAX}));
  TRY(time("linger.ms", config.linger));
  TRY(time("delivery.timeout.ms", config.delivery_timeout, INT32_MAX));
  TRY(time("max.block.ms", config.max_block));
  TRY(time("metadata.max.age.ms", config.metadata_max_age));
  TRY(time("transaction.timeout.ms", config.transaction_timeout, INT32_MAX));
  TRY(read_idempotence(properties, config));
  if (config.delivery_timeout >= config.linger + config.client.request_timeout) return config;
  if (properties.contains("delivery.timeout.ms")) {
    return fail(ErrorCode::kInvalidConfig,
                "delivery.timeout.ms should be equal to or larger than linger.ms + request.timeout.ms");
  }
  config.delivery_timeout = config.linger + config.client.request_timeout;
  return config;
}

}  // namespace barnabas::tools
