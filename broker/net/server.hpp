// Server: the listeners of a node and the sessions of its clients.
//
// Owns both. Thread safety: start(), drain() and stop() are called by the node's main thread; everything else
// happens on the reactors. Reactors outlive the server.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/net/session.hpp"

namespace barnabas::broker {

struct ListenerOptions {
  std::string name;
  Endpoint bind;
  bool privileged = false;  // inter-broker or controller listener
  bool controller = false;  // serves the controller's APIs
};

struct ServerOptions {
  SessionLimits session;
  std::int64_t max_request_memory_bytes = -1;  // queued.max.request.bytes
};

class Server {
 public:
  Server(Services& services, const ServerOptions& options);
  ~Server();

  /// Binds and accepts on `reactor`. Returns the bound address: the real port where 0 was asked for.
  Result<Endpoint> listen(Reactor& reactor, const ListenerOptions& listener);
  /// No new connections; each session ends once what it has taken is answered.
  void drain();
  /// Ends every session now.
  void stop();
  [[nodiscard]] std::size_t session_count() const;

 private:
  struct Entry {
    std::shared_ptr<Session> session;
    Reactor* reactor;
    std::string host;
  };

  /// Whether another connection of `host` would exceed max.connections, max.connections.per.ip or its
  /// override.
  [[nodiscard]] bool is_full(const std::string& host);
  void accept(const ListenerOptions& listener, std::shared_ptr<Connection> stream);
  void on_end(std::uint64_t id);
  template <class Call>
  void for_each_session(Call call);

  Services& services_;
  ServerOptions options_;
  std::shared_ptr<MemoryBudget> budget_;
  std::vector<std::pair<Reactor*, std::unique_ptr<Listener>>> listeners_;
  mutable std::mutex mutex_;
  bool accepting_ = true;                                  // guarded by mutex_
  std::uint64_t next_id_ = 1;                              // guarded by mutex_
  std::unordered_map<std::uint64_t, Entry> sessions_;      // guarded by mutex_
  std::unordered_map<std::string, std::int32_t> by_host_;  // guarded by mutex_
};

}  // namespace barnabas::broker
