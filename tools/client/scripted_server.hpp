// ScriptedServer: a broker for tests, on 127.0.0.1, that answers what a function tells it to.
//
// Owned by a test. The function is called by the server's threads, one call at a time; a request for which
// it gives nothing closes the connection. ApiVersions are answered by the versions given at the start, as
// brokers of all ages do.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "protocol/headers.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"
#include "tools/client/address.hpp"

namespace barnabas::tools {

struct ServedApi {
  std::int16_t key;
  std::int16_t min;
  std::int16_t max;
};

class ScriptedServer {
 public:
  /// Writes the body of an answer; false closes the connection.
  using Script = std::function<bool(const protocol::RequestPrefix&, protocol::Reader&, protocol::Writer&)>;

  ScriptedServer(std::vector<ServedApi> apis, Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] Address address() const { return {"127.0.0.1", port_}; }
  /// Keys and versions of the requests so far.
  [[nodiscard]] std::vector<std::pair<std::int16_t, std::int16_t>> requests();

 private:
  void accept_all();
  void serve(int descriptor);
  std::optional<Bytes> answer(ByteView request);
  bool answer_versions(const protocol::RequestPrefix& header, protocol::Writer& body) const;

  std::vector<ServedApi> apis_;
  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<int> descriptors_;  // of the accepted connections; closed at the end
  std::vector<std::pair<std::int16_t, std::int16_t>> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

template <class Request>
Request read_request(protocol::Reader& reader, const protocol::RequestPrefix& header) {
  Request request;
  request.read(reader, header.api_version);
  return request;
}

}  // namespace barnabas::tools
