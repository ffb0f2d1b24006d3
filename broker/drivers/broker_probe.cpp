#include "broker/drivers/broker_probe.hpp"

#include <algorithm>
#include <memory>

#include "base/logging.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {
namespace {

constexpr int kAttempts = 2;
constexpr std::chrono::milliseconds kBetween{250};

class Probing : public std::enable_shared_from_this<Probing> {
 public:
  Probing(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
          const kraft::BrokerRegistration& broker, Endpoint listener)
      : reactor_(reactor),
        clock_(clock),
        driver_(driver),
        broker_(broker.id),
        epoch_(broker.epoch),
        listener_(std::move(listener)) {}

  void attempt() {
    reactor_.connect(listener_, [self = shared_from_this()](Result<std::shared_ptr<Connection>> connection) {
      if (connection) return (*connection)->close();
      if (connection.error().detail.starts_with("ECONNREFUSED")) self->on_refused();
    });
  }

 private:
  void on_refused() {
    if (++refused_ < kAttempts) {
      reactor_.schedule_at(clock_.monotonic() + kBetween, [self = shared_from_this()] { self->attempt(); });
      return;
    }
    log_info("org.apache.kafka.controller.QuorumController",
             "Broker {} is gone: it does not beat, and {} refuses connections", broker_.value(),
             to_string(listener_));
    driver_.submit([broker = broker_, epoch = epoch_](kraft::MetadataNode& node, std::int64_t) {
      node.broker_gone(broker, epoch);
    });
  }

  Reactor& reactor_;
  const Clock& clock_;
  MetadataDriver& driver_;
  BrokerId broker_;
  std::int64_t epoch_;
  Endpoint listener_;
  int refused_ = 0;
};

}  // namespace

void probe_broker(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
                  const kraft::BrokerRegistration& broker, std::string_view listener) {
  if (broker.endpoints.empty()) return;
  auto found = std::ranges::find(broker.endpoints, listener, &kraft::NamedEndpoint::listener);
  if (found == broker.endpoints.end()) found = broker.endpoints.begin();
  auto probing = std::make_shared<Probing>(reactor, clock, driver, broker, found->endpoint);
  reactor.post([probing] { probing->attempt(); });
}

void probe_brokers(Reactor& reactor, const Clock& clock, MetadataDriver& driver,
                   const kraft::MetadataImage& image, BrokerId self, std::string_view listener) {
  for (const auto& [id, broker] : image.cluster->brokers)
    if (id != self && !broker.fenced) probe_broker(reactor, clock, driver, broker, listener);
}

}  // namespace barnabas::broker
