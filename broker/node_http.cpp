#include "broker/node_http.hpp"

#include "base/logging.hpp"

namespace barnabas::broker {

Result<void> NodeHttp::start(const Endpoint& address) {
  server_ = TRY(HttpServer::start(address, [this](const HttpRequest& request) { return answer(request); }));
  log_info("kafka.server.BrokerServer", "HTTP calls are answered on {}", to_string(server_->local()));
  return {};
}

HttpResponse NodeHttp::answer(const HttpRequest& request) {
  const bool get = request.method == "GET" || request.method == "HEAD";
  const bool put = request.method == "PUT" || request.method == "POST";
  if (request.path == "/health" && get) return {200, "alive"};
  if (request.path == "/ready" && get)
    return is_serving_ ? HttpResponse{200, "ready"} : HttpResponse{503, "not serving yet"};
  if (request.path == "/metrics" && get) return {200, metrics_.prometheus_text()};
  if (request.path == "/advertised-listeners" && get)
    return is_bound_ ? HttpResponse{200, told_()} : HttpResponse{503, "not listening yet"};
  if (request.path == "/advertised-listeners" && put) return set_advertised(request.body);
  return {404, "There are GET /health, GET /ready, GET /metrics, and GET and PUT /advertised-listeners"};
}

HttpResponse NodeHttp::set_advertised(std::string_view text) {
  while (!text.empty() && isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  const auto done = advertised_.set(text);
  if (done) return {200, "set"};
  return {done.error().code == ErrorCode::kInvalidConfig ? 400U : 500U, done.error().detail};
}

}  // namespace barnabas::broker
