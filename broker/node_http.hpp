// NodeHttp: what a node answers to an operator's HTTP calls: GET /health, /ready, /metrics, and GET and PUT
// /advertised-listeners.
//
// Owned by the node. Thread safety: the marks may be set by the thread that starts the node while calls are
// answered on the server's own thread. What it is given outlives it. Errors: those of HttpServer::start and
// of LateListeners::set, the latter as answers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/metrics.hpp"
#include "base/result.hpp"
#include "broker/http/http_server.hpp"
#include "broker/late_listeners.hpp"

namespace barnabas::broker {

class NodeHttp {
 public:
  /// `told` gives the advertised listeners as a line; it is asked once listeners are bound.
  NodeHttp(MetricsRegistry& metrics, LateListeners& advertised, std::function<std::string()> told)
      : metrics_(metrics), advertised_(advertised), told_(std::move(told)) {}

  /// Calls are answered from now on.
  Result<void> start(const Endpoint& address);
  [[nodiscard]] const Endpoint& local() const { return server_->local(); }

  void mark_bound() { is_bound_ = true; }
  void mark_serving() { is_serving_ = true; }

  [[nodiscard]] HttpResponse answer(const HttpRequest& request);

 private:
  [[nodiscard]] HttpResponse set_advertised(std::string_view text);

  MetricsRegistry& metrics_;
  LateListeners& advertised_;
  std::function<std::string()> told_;
  std::atomic<bool> is_bound_ = false;
  std::atomic<bool> is_serving_ = false;
  std::unique_ptr<HttpServer> server_;  // last: its thread uses what is above
};

}  // namespace barnabas::broker
