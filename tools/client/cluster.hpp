// Cluster: the brokers behind a bootstrap address, one connection to each, and who answers what.
//
// Owned by a command. Thread safety: none. Connections are opened when they are first needed, and opened
// again after they broke. Errors: those of Connection; REQUEST_TIMED_OUT once the time of a call with its
// retries is over. Source: what Kafka's AdminClient asks whom, measured on Kafka 4.3.1 (through a proxy).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "tools/client/client_config.hpp"
#include "tools/client/connection.hpp"

namespace barnabas::tools {

struct Node {
  BrokerId id;
  Address address;
  std::string rack;  // empty: none
};

enum class CoordinatorType : std::int8_t { kGroup = 0, kTransaction = 1, kShare = 2 };

class Cluster {
 public:
  enum class Bootstrap { kBrokers, kControllers };  // --bootstrap-server, --bootstrap-controller

  /// Connects to nobody yet.
  Cluster(std::vector<Address> bootstrap, ClientConfig config, Bootstrap kind = Bootstrap::kBrokers);

  [[nodiscard]] const ClientConfig& config() const { return config_; }
  [[nodiscard]] Bootstrap kind() const { return kind_; }

  /// Any node that answers: the bootstrap addresses in turn until one can be reached.
  Result<Connection*> any();
  Result<Connection*> node(BrokerId id);
  /// With controllers as bootstrap the active one, else the broker that the metadata name.
  Result<Connection*> controller();
  /// Waits while there is no coordinator yet.
  Result<Connection*> coordinator(CoordinatorType type, const std::string& key);
  /// One try; does not remember what it finds.
  Result<Address> find_coordinator(CoordinatorType type, const std::string& key);
  /// So that the next call looks for it again.
  void forget_coordinator(CoordinatorType type, const std::string& key);

  /// Metadata of the topics named, of all where nothing is given; topics are not created. Errors of topics
  /// are in the answer.
  Result<Answer<protocol::MetadataResponse>> metadata(const std::optional<std::vector<std::string>>& topics,
                                                      bool allow_auto_creation = false);
  /// Nodes that are alive, by id. Asks when `refresh` is set or nobody asked before.
  Result<std::vector<Node>> nodes(bool refresh = false);

  /// Calls `attempt` until it succeeds, its error is one that no retry mends, or default.api.timeout.ms is
  /// over (REQUEST_TIMED_OUT).
  template <class T>
  Result<T> retrying(const std::function<Result<T>()>& attempt);

  /// A request to `connection` with request.timeout.ms.
  template <class Response, class Request>
  Result<Answer<Response>> call(Connection& connection, const Request& request,
                                std::int16_t most = Request::kMaxVersion) {
    return connection.call<Response>(request, deadline_after(config_.request_timeout), most);
  }

 private:
  /// Sleeps before the retry number `retries` (from 0); an error where there shall be none.
  Result<void> wait_for_retry(const Error& error, int retries, Deadline deadline);
  Result<Connection*> connection_to(const Address& address);
  Result<void> ask_metadata();
  Result<void> ask_controllers();

  std::vector<Address> bootstrap_;
  ClientConfig config_;
  Bootstrap kind_;
  std::vector<Node> nodes_;
  std::optional<BrokerId> controller_;
  std::map<std::string, Connection> connections_;  // by "host:port"
  std::map<std::pair<CoordinatorType, std::string>, Address> coordinators_;
};

template <class T>
Result<T> Cluster::retrying(const std::function<Result<T>()>& attempt) {
  const Deadline deadline = deadline_after(config_.default_api_timeout);
  for (int retries = 0;; ++retries) {
    Result<T> done = attempt();
    if (done) return done;
    TRY(wait_for_retry(done.error(), retries, deadline));
  }
}

}  // namespace barnabas::tools
