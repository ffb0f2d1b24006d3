#include "kraft/controller/broker_sessions.hpp"

#include <catch2/catch.hpp>

namespace barnabas::kraft {
namespace {

constexpr std::int64_t kTimeout = 9000;
constexpr std::int64_t kEpoch = 12;
const BrokerId kBroker(4);

MetadataImage image_of(bool fenced) {
  MetadataImage image = *MetadataImage::empty();
  auto cluster = std::make_shared<ClusterImage>();
  BrokerRegistration& broker = cluster->brokers[kBroker];
  broker.id = kBroker;
  broker.epoch = kEpoch;
  broker.fenced = fenced;
  image.cluster = cluster;
  return image;
}

/// A broker that was heard at 1000.
BrokerSessions heard_at_1000() {
  BrokerSessions sessions(kTimeout);
  sessions.registered(kBroker, kEpoch, Offset(kEpoch));
  sessions.heard(kBroker, 20, 1000);
  return sessions;
}

TEST_CASE("a session ends when the broker was silent for too long") {
  BrokerSessions sessions = heard_at_1000();
  const MetadataImage image = image_of(false);
  CHECK(sessions.next_expiry_ms(image) == 10000);
  CHECK(sessions.expired(image, 9999).empty());
  CHECK(sessions.expired(image, 10000) == std::vector<BrokerId>{kBroker});
}

TEST_CASE("a session ends sooner when the connection ended and the broker did not come back") {
  BrokerSessions sessions = heard_at_1000();
  const MetadataImage image = image_of(false);
  sessions.disconnected(kBroker, kEpoch, 4500);
  CHECK(sessions.next_expiry_ms(image) == 4500);
  CHECK(sessions.is_alive(kBroker, kEpoch, 4499));
  CHECK_FALSE(sessions.is_alive(kBroker, kEpoch, 4500));
  CHECK(sessions.expired(image, 4500) == std::vector<BrokerId>{kBroker});
}

TEST_CASE("a broker that connects again keeps its session") {
  BrokerSessions sessions = heard_at_1000();
  const MetadataImage image = image_of(false);
  sessions.disconnected(kBroker, kEpoch, 4500);
  sessions.heard(kBroker, 21, 3000);
  CHECK(sessions.next_expiry_ms(image) == 12000);
}

TEST_CASE("the connection of a former life ends nothing, and never makes a session longer") {
  BrokerSessions sessions = heard_at_1000();
  const MetadataImage image = image_of(false);
  sessions.disconnected(kBroker, kEpoch - 1, 1500);
  CHECK(sessions.next_expiry_ms(image) == 10000);
  sessions.disconnected(kBroker, kEpoch, 20000);
  CHECK(sessions.next_expiry_ms(image) == 10000);
  sessions.disconnected(BrokerId(5), kEpoch, 1);  // nobody
  CHECK(sessions.next_expiry_ms(image_of(true)) == std::nullopt);
}

}  // namespace
}  // namespace barnabas::kraft
