// HttpServer: a small HTTP/1.1 server for an operator's calls. Off unless barnabas.http.listener names an
// address.
//
// Owned by the node. One thread of its own accepts and answers; the handler runs on it and may block for as
// long as a call may take. Thread safety: start and destruction by one thread; requests come on the server's
// thread. Limits: a body of 64 KiB, 5 s for a request to arrive. Errors: NETWORK_EXCEPTION when the address
// cannot be bound.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/network.hpp"
#include "base/result.hpp"

namespace barnabas::broker {

struct HttpRequest {
  std::string method;  // upper case
  std::string path;    // without the query
  std::string body;
};

struct HttpResponse {
  unsigned status = 200;
  std::string body;  // a line of text, or JSON when it begins with a brace
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  /// Port 0 takes any; local() tells which.
  static Result<std::unique_ptr<HttpServer>> start(const Endpoint& address, Handler handler);
  /// Open connections are closed.
  ~HttpServer();
  [[nodiscard]] const Endpoint& local() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace barnabas::broker
