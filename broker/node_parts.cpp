#include "broker/node_parts.hpp"

#include <fmt/format.h>

#include <utility>

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kAttemptTimeout{30};
constexpr seconds kProducerIdsTimeout{60};

}  // namespace

ControllerChannels make_controller_channels(Reactor& reactor, Clock& clock, Random& random,
                                            MetadataDriver& driver, const BrokerSettings& settings) {
  const auto make = [&](const char* purpose, std::chrono::nanoseconds attempt_timeout) {
    ControllerChannelOptions options;
    options.client_id = fmt::format("{}-{}", settings.node_id.value(), purpose);
    options.attempt_timeout = attempt_timeout;
    return std::make_unique<ControllerChannel>(reactor, clock, random, driver, options);
  };
  return {make("heartbeat", milliseconds(settings.broker_session_timeout_ms / 2)),
          make("forwarding", kAttemptTimeout), make("alter-partition", kAttemptTimeout)};
}

std::unique_ptr<ReplicaManager> make_replicas(const Clock& clock, const BrokerConfig& config,
                                              log::LogManager& logs) {
  const auto settings = config.settings();
  ReplicationOptions options;
  options.clock = &clock;
  options.max_lag = milliseconds(settings->replica_lag_time_max_ms);
  options.topic_value = [&config](const kraft::MetadataImage& image, std::string_view topic,
                                  std::string_view name) { return config.topic_value(image, topic, name); };
  return std::make_unique<ReplicaManager>(
      settings->node_id, logs,
      [&config](const kraft::MetadataImage& image, std::string_view topic) {
        return config.log_config_for(image, topic);
      },
      std::move(options));
}

std::unique_ptr<ProducerIdAllocator> make_producer_ids(ControllerChannel& controller,
                                                       const MetadataDriver& driver, BrokerId self) {
  return std::make_unique<ProducerIdAllocator>([&controller, &driver, self](auto answer) {
    protocol::AllocateProducerIdsRequest request;
    request.broker_id = self.value();
    request.broker_epoch = driver.broker_epoch();
    auto take = [answer = std::move(answer)](Result<protocol::AllocateProducerIdsResponse> told) mutable {
      if (!told)
        answer(std::unexpected(std::move(told).error()));
      else if (told->error_code != 0)
        answer(fail(static_cast<ErrorCode>(told->error_code)));
      else
        answer(ProducerIdBlock{told->producer_id_start, told->producer_id_len});
    };
    controller.ask<protocol::AllocateProducerIdsResponse>(std::move(request), kProducerIdsTimeout,
                                                          std::move(take));
  });
}

Coordinators make_coordinators(const CoordinatorsDependencies& with) {
  const auto settings = with.config.settings();
  const BrokerId self = settings->node_id;
  Coordinators made;
  made.groups = std::make_unique<GroupDriver>(GroupDriverDependencies{
      with.clock, with.random, with.config, with.replicas, with.metrics, self, with.reactors});
  made.transaction_peers = std::make_unique<PeerTransactions>(
      *with.reactors.front(), with.clock, with.random, with.cache,
      PeerTransactionsOptions{.listener = settings->inter_broker_listener_name,
                              .client_id = fmt::format("broker-{}-txn-marker-sender", self.value())});
  made.transactions =
      std::make_unique<TransactionDriver>(TransactionDriverDependencies{.clock = with.clock,
                                                                        .config = with.config,
                                                                        .metadata = with.cache,
                                                                        .replicas = with.replicas,
                                                                        .groups = *made.groups,
                                                                        .producer_ids = with.producer_ids,
                                                                        .metrics = with.metrics,
                                                                        .peers = made.transaction_peers.get(),
                                                                        .self = self,
                                                                        .reactors = with.reactors});
  with.driver.add_listener([&groups = *made.groups, &transactions = *made.transactions](
                               const kraft::MetadataImagePtr& image, const kraft::MetadataChanges* changes) {
    groups.on_image(image, changes);
    transactions.on_image(image);
  });
  return made;
}

BrokerIdentity identity_of(const log::LogManager& logs, std::string cluster_id,
                           std::vector<kraft::NamedEndpoint> endpoints) {
  BrokerIdentity identity;
  identity.cluster_id = std::move(cluster_id);
  identity.endpoints = std::move(endpoints);
  for (const auto& directory : logs.directories())
    if (logs.is_online(directory)) identity.directories.push_back(logs.directory_id(directory));
  identity.previous_epoch = logs.previous_broker_epoch();
  return identity;
}

}  // namespace barnabas::broker
