// The seam to the network and to timers: Asio in production (broker/net), simulated in virtual time
// (simulated_network.hpp). All callbacks of one Reactor run on its thread, never inside the call that started
// them.
//
// Ownership: a Reactor outlives its connections, listeners and timers. A pending operation keeps its
// connection alive; buffers passed in must live until the callback.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.hpp"
#include "base/file_system.hpp"
#include "base/result.hpp"

namespace barnabas {

struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};
inline std::string to_string(const Endpoint& endpoint) {
  return endpoint.host + ":" + std::to_string(endpoint.port);
}

/// One part of what is written: bytes in memory, or `size` bytes of a file (sent without a copy where
/// possible).
struct WritePiece {
  ByteView bytes;
  std::shared_ptr<const File> file;  // when set, `bytes` is empty
  std::uint64_t position = 0;
  std::uint64_t size = 0;
};

class Reactor;

/// A byte stream. At most one read and one write are pending at a time.
class Connection {
 public:
  using ReadHandler = std::move_only_function<void(Result<std::size_t>)>;
  using WriteHandler = std::move_only_function<void(Result<void>)>;

  virtual ~Connection() = default;
  /// At least one byte; zero bytes at the peer's orderly end; an error when the connection broke.
  virtual void read_some(MutableByteView into, ReadHandler handler) = 0;
  /// All of it or an error. True when all of it is sent already: the handler is not called then.
  [[nodiscard]] virtual bool write(std::span<const WritePiece> pieces, WriteHandler handler) = 0;
  /// Pending operations end with an error. Idempotent.
  virtual void close() = 0;
  [[nodiscard]] virtual Endpoint local() const = 0;
  [[nodiscard]] virtual Endpoint peer() const = 0;
  /// The reactor on whose thread its callbacks run.
  [[nodiscard]] virtual Reactor& reactor() = 0;
};

/// Accepts until destroyed. Its handler runs on the reactor of the connection that it is given.
class Listener {
 public:
  virtual ~Listener() = default;
  /// The address in use: the real port where port 0 was asked for.
  [[nodiscard]] virtual Endpoint local() const = 0;
};

using TimerId = std::uint64_t;

/// One thread of control: timers, tasks and network of what lives on it.
/// Thread safety: post() and is_current() may be called from any thread, the rest only on the reactor's own
/// thread.
class Reactor {
 public:
  using Task = std::move_only_function<void()>;
  using AcceptHandler = std::move_only_function<void(std::shared_ptr<Connection>)>;
  using ConnectHandler = std::move_only_function<void(Result<std::shared_ptr<Connection>>)>;

  virtual ~Reactor() = default;
  /// Whether the caller runs on this reactor's own thread.
  [[nodiscard]] virtual bool is_current() const = 0;
  virtual void post(Task task) = 0;
  /// `when` is on Clock::monotonic()'s scale; a time in the past runs soon.
  virtual TimerId schedule_at(std::chrono::nanoseconds when, Task task) = 0;
  /// False when it ran already or never was.
  virtual bool cancel(TimerId timer) = 0;
  virtual Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint, AcceptHandler handler) = 0;
  virtual void connect(const Endpoint& endpoint, ConnectHandler handler) = 0;
};

}  // namespace barnabas
