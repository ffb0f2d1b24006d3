// Session: one client connection, from its first byte to its last.
//
// Cuts frames out of the stream, parses request headers, calls the table's handlers, and writes the responses
// in the order of the requests. A request whose row is `pipelined` does not hold back the next one; every
// other does, as in Apache Kafka (measured: a waiting fetch delays those behind it), and begins only when all
// before it are answered: what a client is told after an acknowledgement must not be older than that.
//
// Owned by its pending operations (shared from this). Thread safety: lives on its connection's reactor;
// responses may arrive from any thread and are carried over.
//
// Limits: the read buffer grows with the bytes that arrive, not with the size announced; its growth is
// charged to a MemoryBudget of the whole node, and a session that gets nothing from it stops reading until
// others are done.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>

#include "broker/api/api_table.hpp"
#include "broker/net/memory_budget.hpp"

namespace barnabas::broker {

struct SessionLimits {
  std::int32_t max_request_bytes = 100 * 1024 * 1024;             // socket.request.max.bytes
  std::chrono::milliseconds max_idle = std::chrono::minutes(10);  // connections.max.idle.ms; negative: none
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  /// `on_end` runs once, on the reactor's thread.
  Session(Services& services, std::shared_ptr<MemoryBudget> budget, const SessionLimits& limits,
          std::shared_ptr<Connection> stream, std::shared_ptr<ClientConnection> client,
          std::move_only_function<void()> on_end);
  ~Session();

  void start();
  /// Ends now; unanswered requests get nothing.
  void close();
  /// Takes no further request and ends when all those taken are answered.
  void drain();

 private:
  class Buffer;
  struct Slot {
    bool ready = false;
    EncodedResponse response;
  };

  void read();
  void on_read(Result<std::size_t> size);
  void process();
  /// False when there is no whole frame or a request must be waited for.
  bool process_frame();
  void dispatch(MutableByteView frame);
  void refuse(const RequestContext& context, const char* what);
  void end_after_answers();
  [[nodiscard]] ResponseSink make_sink();
  void answer(std::uint64_t request, EncodedResponse response);
  void flush();
  bool write(std::span<const WritePiece> pieces);
  void on_written(Result<void> result);
  [[nodiscard]] bool has_frame() const;
  bool make_room();
  bool replace_buffer(std::size_t capacity);
  void settle_overdraft();
  void watch_idle();
  [[nodiscard]] bool held_back() const;
  [[nodiscard]] bool next_waits_its_turn() const;

  Services& services_;
  std::shared_ptr<MemoryBudget> budget_;  // buffers may outlive the server
  const SessionLimits limits_;
  std::shared_ptr<Connection> stream_;
  std::shared_ptr<ClientConnection> client_;
  Reactor& reactor_;
  std::move_only_function<void()> on_end_;

  std::shared_ptr<Buffer> buffer_;
  std::size_t begin_ = 0;  // first unprocessed byte of the buffer
  std::size_t end_ = 0;    // behind the last byte received

  std::deque<Slot> slots_;        // requests taken and not yet written, oldest first
  std::uint64_t first_slot_ = 0;  // number of slots_.front()
  std::deque<EncodedResponse> writing_;
  bool reading_ = false;
  bool processing_ = false;
  bool pipelining_ = true;  // the newest request lets others pass
  bool peer_ended_ = false;
  bool draining_ = false;
  bool closed_ = false;
  bool overdrawn_ = false;  // this session may exceed the budget
  std::chrono::nanoseconds last_activity_{};
  TimerId idle_timer_ = 0;
};

}  // namespace barnabas::broker
