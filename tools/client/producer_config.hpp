// ProducerConfig: the properties of Kafka's producer that are used here, with its defaults and its checks.
//
// A value. Units: bytes and milliseconds. Errors: INVALID_CONFIG, worded as Kafka's ConfigException.
#pragma once

#include "protocol/compression.hpp"
#include "tools/client/client_config.hpp"

namespace barnabas::tools {

struct ProducerConfig {
  ClientConfig client;
  std::int16_t acks = -1;
  std::int64_t batch_size = 16'384;
  std::chrono::milliseconds linger{5};
  protocol::Codec codec = protocol::Codec::kNone;
  int level = protocol::kStandardLevel;
  std::int64_t buffer_memory = 32 << 20;
  std::int64_t max_request_size = 1 << 20;
  std::int64_t retries = INT32_MAX;
  std::int64_t max_in_flight = 5;  // max.in.flight.requests.per.connection
  bool idempotence = true;         // enable.idempotence
  std::string transactional_id;    // empty: none
  std::chrono::milliseconds transaction_timeout{60'000};
  std::chrono::milliseconds delivery_timeout{120'000};
  std::chrono::milliseconds max_block{60'000};
  std::chrono::milliseconds metadata_max_age{300'000};
};

Result<ProducerConfig> producer_config_of(const Properties& properties);

}  // namespace barnabas::tools
