// For tests of what asks other nodes: a server on a simulated network that takes frames and answers each with
// the bytes that the test makes. Single-threaded.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/simulated_network.hpp"
#include "protocol/reader.hpp"

namespace barnabas::broker::testing {

/// Listens from the beginning, until it is destroyed or crashes.
class FrameServer {
 public:
  /// `answer` gets a frame without its length and gives whole frames back; nothing: silence.
  FrameServer(SimulatedWorld& world, Endpoint endpoint, std::function<Bytes(ByteView)> answer)
      : world_(world), endpoint_(std::move(endpoint)), answer_(std::move(answer)) {
    listen();
  }
  FrameServer(const FrameServer&) = delete;
  FrameServer& operator=(const FrameServer&) = delete;
  ~FrameServer() {
    if (is_up_) world_.crash_node(endpoint_.host);
  }

  void crash() {
    world_.crash_node(endpoint_.host);
    is_up_ = false;
    sessions_.clear();
  }
  void restart() {
    world_.restart_node(endpoint_.host);
    is_up_ = true;
    listen();
  }
  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }

  int connections = 0;
  bool closes_at_once = false;

 private:
  struct Session {
    std::shared_ptr<Connection> connection;
    Bytes room = Bytes(65536), received, writing, outgoing;
  };

  void listen() {
    auto accepted = [this](std::shared_ptr<Connection> connection) {
      ++connections;
      if (closes_at_once) return connection->close();
      auto session = std::make_shared<Session>();
      session->connection = std::move(connection);
      sessions_.push_back(session);
      read(session);
    };
    listener_ = *world_.node(endpoint_.host).listen(endpoint_, std::move(accepted));
  }
  void read(const std::shared_ptr<Session>& session) {
    session->connection->read_some(session->room, [this, session](const Result<std::size_t>& size) {
      if (!size || *size == 0) return;
      const auto got = session->room.begin();
      session->received.insert(session->received.end(), got, got + static_cast<std::ptrdiff_t>(*size));
      while (session->received.size() >= 4) {
        const auto whole = static_cast<std::size_t>(protocol::Reader(session->received).int32()) + 4;
        if (session->received.size() < whole) break;
        const Bytes answer = answer_(ByteView(session->received).subspan(4, whole - 4));
        session->outgoing.insert(session->outgoing.end(), answer.begin(), answer.end());
        session->received.erase(session->received.begin(),
                                session->received.begin() + static_cast<std::ptrdiff_t>(whole));
      }
      write(session);
      read(session);
    });
  }
  void write(const std::shared_ptr<Session>& session) {
    if (!session->writing.empty() || session->outgoing.empty()) return;
    session->writing = std::exchange(session->outgoing, {});
    const WritePiece piece{session->writing, nullptr, 0, 0};
    const bool done = session->connection->write({&piece, 1}, [this, session](const Result<void>& written) {
      session->writing.clear();
      if (written) write(session);
    });
    if (done) session->writing.clear();
  }

  SimulatedWorld& world_;
  Endpoint endpoint_;
  std::function<Bytes(ByteView)> answer_;
  bool is_up_ = true;
  std::unique_ptr<Listener> listener_;
  std::vector<std::shared_ptr<Session>> sessions_;
};

}  // namespace barnabas::broker::testing
