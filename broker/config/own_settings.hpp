// OwnSettings: the properties `barnabas.*`, which Apache Kafka does not have.
//
// Values. Thread safety: pure functions. Errors: INVALID_CONFIG names the key, the value and what is allowed;
// a name that is not known is an error too, because no other program could have meant it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/network.hpp"
#include "base/result.hpp"
#include "kraft/bootstrap.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

/// A topic that is to be there when the node serves.
struct WantedTopic {
  std::string name;
  std::int32_t partitions = -1;          // -1: num.partitions
  std::int16_t replication_factor = -1;  // -1: default.replication.factor
  std::map<std::string, std::string> configs;
  bool operator==(const WantedTopic&) const = default;
};

struct OwnSettings {
  /// barnabas.http.listener=HOST:PORT: where HTTP calls are answered; nothing: nowhere.
  std::optional<Endpoint> http_listener;
  /// barnabas.advertised.listeners.file: read at the start and whenever it changes; empty: none.
  std::string advertised_listeners_file;
  /// barnabas.advertised.listeners.wait: the node joins its cluster only when it was told what to advertise.
  bool advertised_listeners_wait = false;
  /// barnabas.create.topics
  std::vector<WantedTopic> create_topics;
  /// barnabas.create.users
  std::vector<kraft::ScramUserSpec> create_users;
  /// barnabas.cold.read.cache.bytes: how much of what lagging consumers had read from disk stays in the page
  /// cache; 0: all of it.
  std::uint64_t cold_read_cache_bytes = std::uint64_t{64} << 20;
  /// barnabas.log.scrub.bytes.per.second: how fast closed segments are read through for rot; 0: not at all.
  std::uint64_t log_scrub_bytes_per_second = std::uint64_t{4} << 20;
  /// barnabas.log.scrub.interval.ms: from the begin of a pass over all of them to that of the next.
  std::uint64_t log_scrub_interval_ms = std::uint64_t{24} * 60 * 60 * 1000;
  /// barnabas.broker.disconnect.timeout.ms: when the active controller fences a broker whose connection ended
  /// and that does not come back; 0: only when broker.session.timeout.ms is over. Nothing: 1.25 times
  /// broker.heartbeat.interval.ms, by which a living broker has connected again.
  std::optional<std::uint64_t> broker_disconnect_timeout_ms;
  /// barnabas.create.acls
  std::vector<kraft::AclEntry> create_acls;
};

/// Takes every `barnabas.*` out of `properties`.
Result<OwnSettings> take_own_settings(kraft::ConfigMap& properties);

/// "NAME[:PARTITIONS[:REPLICAS[:KEY=VALUE]...]],...". A value may have colons. "@FILE" reads the entries of a
/// file, one a line, whose values may have commas; # begins a comment.
Result<std::vector<WantedTopic>> parse_wanted_topics(std::string_view text);
/// "MECHANISM=[name=NAME,password=PASSWORD],...", each as kafka-storage's --add-scram has it. "@FILE" as
/// above.
Result<std::vector<kraft::ScramUserSpec>> parse_wanted_users(std::string_view text);
/// "--allow-principal TYPE:NAME --operation OPERATION --topic NAME,...", each as kafka-acls --add takes its
/// options (wanted_acls.hpp). "@FILE" as above, where values may have commas.
Result<std::vector<kraft::AclEntry>> parse_wanted_acls(std::string_view text);

}  // namespace barnabas::broker
