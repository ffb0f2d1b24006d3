#include "broker/drivers/lifecycle_driver.hpp"

#include <algorithm>

#include "broker/config/broker_config.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

/// Of a broker that nobody can take over from: what it asks for changes nothing for anybody.
constexpr nanoseconds kPatienceAlone = milliseconds(700);

bool is_alone(const kraft::MetadataImage& image, BrokerId self) {
  return std::ranges::none_of(image.cluster->brokers, [self](const auto& entry) {
    return entry.first != self && !entry.second.fenced;
  });
}

}  // namespace

void LifecycleDriver::begin(BrokerIdentity identity) {
  const auto settings = dependencies_.config.settings();
  BrokerLifecycleOptions options;
  options.id = settings->node_id;
  options.heartbeat_interval = milliseconds(settings->broker_heartbeat_interval_ms);
  options.registration_timeout = milliseconds(settings->initial_broker_registration_timeout_ms);
  options.directory_failure_timeout = milliseconds(settings->log_dir_failure_timeout_ms);
  identity.rack = settings->broker_rack;
  life_ = std::make_unique<BrokerLifecycle>(options, std::move(identity), Uuid::random(dependencies_.random),
                                            now());
}

/// As Kafka's: half a session, so that a second attempt is in time.
nanoseconds LifecycleDriver::patience() const {
  return milliseconds(dependencies_.config.settings()->broker_session_timeout_ms / 2);
}

void LifecycleDriver::register_with(kraft::MetadataNode& node) {
  life_->begin_registration();
  node.submit(
      life_->registration(),
      [this, &node](const protocol::BrokerRegistrationResponse& response) {
        // The reply of the heartbeat comes in the same run.
        on_registration(node, response);
        if (life_->epoch() >= 0) life_->serve(now());
      },
      [this](const protocol::BrokerHeartbeatResponse& response) {
        if (life_->epoch() >= 0) life_->on_heartbeat(response, now());
      });
}

void LifecycleDriver::on_registration(kraft::MetadataNode& node, const RegistrationAnswer& answer) {
  life_->on_registration(answer, now());
  life_->on_metadata(node.image()->offset, now());
  epoch_.store(life_->epoch());
  const bool accepted = answer && answer->error_code == 0;
  for (auto& done : std::exchange(announcing_, {})) {
    if (accepted)
      done({});
    else
      done(answer ? fail(static_cast<ErrorCode>(answer->error_code),
                         "The controller refused the advertised listeners")
                  : std::unexpected(answer.error()));
  }
}

Result<nanoseconds> LifecycleDriver::run(kraft::MetadataNode& node) {
  life_->on_metadata(node.image()->offset, now());
  auto work = TRY(life_->next(now()));
  if (auto* registration = std::get_if<protocol::BrokerRegistrationRequest>(&work))
    send(std::move(*registration));
  else if (auto* heartbeat = std::get_if<protocol::BrokerHeartbeatRequest>(&work))
    send(std::move(*heartbeat));
  return life_->deadline();
}

void LifecycleDriver::send(protocol::BrokerRegistrationRequest request) {
  std::ranges::move(std::exchange(announced_, {}), std::back_inserter(announcing_));
  auto answer = [this](RegistrationAnswer told) {
    dependencies_.driver.submit([this, told = std::move(told)](kraft::MetadataNode& node, std::int64_t) {
      on_registration(node, told);
    });
  };
  dependencies_.controller.ask<protocol::BrokerRegistrationResponse>(std::move(request), patience(),
                                                                     std::move(answer));
}

void LifecycleDriver::send(protocol::BrokerHeartbeatRequest request) {
  auto answer = [this](HeartbeatAnswer told) {
    dependencies_.driver.submit([this, told = std::move(told)](kraft::MetadataNode&, std::int64_t) {
      life_->on_heartbeat(told, now());
    });
  };
  dependencies_.controller.ask<protocol::BrokerHeartbeatResponse>(std::move(request), patience(),
                                                                  std::move(answer));
}

/// A broker that leaves waits until the others know it, so they tell at once that they do.
void LifecycleDriver::on_published(const kraft::MetadataImage& image) {
  life_->on_metadata(image.offset, now());
  life_->serve(now());
  const BrokerId self = dependencies_.config.settings()->node_id;
  const auto leaving =
      static_cast<std::size_t>(std::ranges::count_if(image.cluster->brokers, [self](const auto& entry) {
        return entry.first != self && entry.second.in_controlled_shutdown && !entry.second.fenced;
      }));
  if (leaving > leaving_others_) life_->hurry(now());
  leaving_others_ = leaving;
}

void LifecycleDriver::announce(std::vector<kraft::NamedEndpoint> endpoints,
                               std::move_only_function<void(Result<void>)> done) {
  dependencies_.driver.submit([this, endpoints = std::move(endpoints), done = std::move(done)](
                                  kraft::MetadataNode&, std::int64_t) mutable {
    announced_.push_back(std::move(done));
    life_->announce(std::move(endpoints), now());
  });
}

void LifecycleDriver::lose_directory(DirectoryId directory) {
  dependencies_.driver.submit(
      [this, directory](kraft::MetadataNode&, std::int64_t) { life_->lose_directory(directory, now()); });
}

void LifecycleDriver::leave(kraft::MetadataNode& node) {
  if (is_alone(*node.image(), dependencies_.config.settings()->node_id)) life_->leave_within(kPatienceAlone);
  life_->leave(now());
}

}  // namespace barnabas::broker
