// Node: a whole broker. The one place that builds everything, in order, and takes it apart again.
//
// Owned by main (and by tests). Thread safety: start and stop are called by one thread. After start() the
// node works on its own threads: one reactor a core, the metadata driver, log maintenance.
// Errors: start() gives INVALID_CONFIG, KAFKA_STORAGE_ERROR or NETWORK_EXCEPTION with a line that says what
// to do; nothing is left running then.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/network.hpp"
#include "base/result.hpp"
#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

struct NodeOptions {
  ConfigMap properties;
  std::string ready_file;  // empty: none
  /// Asked while the start waits for advertised listeners: true makes it fail with REQUEST_TIMED_OUT. Null:
  /// never.
  std::function<bool()> give_up;
  /// A part that the node cannot do without failed; called once, from any thread. The node must be stopped.
  std::function<void(const Error&)> on_failure;
};

class Node {
 public:
  /// Returns when every listener accepts and the broker is unfenced.
  static Result<std::unique_ptr<Node>> start(NodeOptions options);
  /// Stops if stop() was not called.
  ~Node();

  /// Fetches what the first clients will need, such as producer ids. Left to the caller, because a start must
  /// not wait for the disk more often than it has to.
  void prefetch();
  /// A clean stop: leaves the cluster, answers what it has taken, closes the logs.
  Result<void> stop();

  /// Where HTTP calls are answered; nothing when barnabas.http.listener is not set.
  [[nodiscard]] std::optional<Endpoint> http_address() const;
  /// Bound addresses by listener name.
  [[nodiscard]] const std::map<std::string, Endpoint>& listeners() const;
  [[nodiscard]] const std::string& cluster_id() const;
  [[nodiscard]] BrokerId id() const;

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace barnabas::broker
