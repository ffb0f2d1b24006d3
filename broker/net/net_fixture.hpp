// NetFixture: a Server over the ApiFixture's services and a simulated network, and clients of it.
//
// The real Server and Session, driven byte by byte. Owned by a test or a fuzz target; not thread-safe; free
// of the test framework.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/api/api_fixture.hpp"
#include "broker/net/server.hpp"

namespace barnabas::broker::testing {

/// The far end of one connection. Reads as long as it is not told otherwise.
class WireClient : public std::enable_shared_from_this<WireClient> {
 public:
  void attach(std::shared_ptr<Connection> connection) {
    stream = std::move(connection);
    read();
  }
  void send(Bytes bytes) {
    queue_.insert(queue_.end(), bytes.begin(), bytes.end());
    write();
  }
  void read() {
    if (reading_ || !stream) return;
    reading_ = true;
    stream->read_some(buffer_, [self = shared_from_this()](Result<std::size_t> size) {
      self->reading_ = false;
      if (!size || *size == 0) {
        self->ended = true;
        return;
      }
      self->received.insert(self->received.end(), self->buffer_.begin(),
                            self->buffer_.begin() + static_cast<std::ptrdiff_t>(*size));
      if (!self->paused) self->read();
    });
  }
  /// Whole frames received so far, without their sizes.
  [[nodiscard]] std::vector<Bytes> frames() const {
    std::vector<Bytes> found;
    std::size_t at = 0;
    while (received.size() - at >= 4) {
      protocol::Reader reader(ByteView(received).subspan(at));
      const auto size = static_cast<std::size_t>(reader.int32());
      if (received.size() - at - 4 < size) break;
      found.emplace_back(received.begin() + static_cast<std::ptrdiff_t>(at + 4),
                         received.begin() + static_cast<std::ptrdiff_t>(at + 4 + size));
      at += 4 + size;
    }
    return found;
  }
  [[nodiscard]] std::vector<std::int32_t> correlations() const {
    std::vector<std::int32_t> found;
    for (const Bytes& frame : frames()) found.push_back(protocol::Reader(frame).int32());
    return found;
  }

  std::shared_ptr<Connection> stream;
  Bytes received;
  bool ended = false;
  bool paused = false;

 private:
  void write() {
    if (writing_ || queue_.empty() || !stream) return;
    writing_ = true;
    in_flight_ = std::exchange(queue_, {});
    const WritePiece piece{.bytes = in_flight_, .file = nullptr, .position = 0, .size = 0};
    const bool sent = stream->write({&piece, 1}, [self = shared_from_this()](const Result<void>& result) {
      self->writing_ = false;
      if (result) self->write();
    });
    if (sent) writing_ = false;
  }

  Bytes buffer_ = Bytes(64 * 1024);
  Bytes queue_;
  Bytes in_flight_;
  bool reading_ = false;
  bool writing_ = false;
};

/// A frame of one request: size, header and body.
template <class Request>
Bytes frame_of(const Request& request, std::int16_t version, std::int32_t correlation_id) {
  protocol::Writer writer;
  writer.int32(0);
  writer.int16(Request::kApiKey);
  writer.int16(version);
  writer.int32(correlation_id);
  writer.string("client", false);
  if (Request::is_flexible(version)) writer.uvarint(0);
  request.write(writer, version);
  writer.patch_int32(0, static_cast<std::int32_t>(writer.size() - 4));
  demand(writer.ok(), Request::kName);
  return writer.take();
}
/// A frame around any bytes.
inline Bytes frame_around(ByteView content) {
  protocol::Writer writer;
  writer.int32(static_cast<std::int32_t>(content.size()));
  writer.raw(content);
  return writer.take();
}
inline Bytes joined(const std::vector<Bytes>& parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class NetFixture {
 public:
  explicit NetFixture(const ServerOptions& options = {}, ApiFixtureOptions api = {})
      : node(std::move(api)), server(std::make_unique<Server>(*node.services, options)) {
    ListenerOptions listener;
    listener.name = "PLAINTEXT";
    listener.bind = {kBrokerHost, 9092};
    (void)demand(server->listen(node.reactor, listener));
  }
  /// Sessions die with their operations, before what they use.
  ~NetFixture() { node.crash(); }

  std::shared_ptr<WireClient> connect(const std::string& host = "client", std::uint16_t port = 9092) {
    auto client = std::make_shared<WireClient>();
    node.world.node(host).connect({kBrokerHost, port},
                                  [client](Result<std::shared_ptr<Connection>> connection) {
                                    client->attach(demand(std::move(connection)));
                                  });
    run_for(std::chrono::milliseconds(50));
    demand(client->stream != nullptr, "connected");
    return client;
  }
  void run_for(std::chrono::nanoseconds time) { node.world.run_until(node.clock.monotonic() + time); }

  ApiFixture node;
  std::unique_ptr<Server> server;
};

}  // namespace barnabas::broker::testing
