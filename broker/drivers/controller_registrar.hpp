// ControllerRegistrar: tells the active controller what this node's controller is: its listeners and features
// (KIP-919), whenever the metadata has nothing or something else about it.
//
// Owned by the node. Thread safety: everything on the metadata driver's thread. A registration that was not
// taken is tried again after a time that doubles.
#pragma once

#include <chrono>

#include "base/clock.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "broker/drivers/metadata_driver.hpp"

namespace barnabas::broker {

class ControllerRegistrar {
 public:
  ControllerRegistrar(const Clock& clock, MetadataDriver& driver, ControllerChannel& controller)
      : clock_(clock), driver_(driver), controller_(controller) {}

  /// Registers when that is due; when it wants to be called again.
  std::chrono::nanoseconds run(kraft::MetadataNode& node);

 private:
  void on_answer(const Result<protocol::ControllerRegistrationResponse>& answer);

  const Clock& clock_;
  MetadataDriver& driver_;
  ControllerChannel& controller_;
  bool is_asking_ = false;
  int failures_ = 0;
  std::chrono::nanoseconds not_before_{0};
};

}  // namespace barnabas::broker
