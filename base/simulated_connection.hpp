// A simulated connection: its two sides, each with the bytes that travel to it and the buffer it sends from.
//
// A Side is owned by its Wire, which is what the caller holds, and by the events that concern it; the world
// knows all sides, for faults. simulated_network.hpp has the model. Not thread-safe. Invariants
//  1. Segments arrive in the order in which they were sent, one event each.
//  2. A handler is called by an event of its own, at most once, and never after die() or drop_handlers().
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/network.hpp"
#include "base/simulated_world_state.hpp"

namespace barnabas {

/// One end of a connection. The Wire in the caller's hand refers to it, and so do the events that concern it.
class SimulatedNetworkParts::Side : public std::enable_shared_from_this<Side> {
 public:
  Side(State& world, SimulatedHost& node, Endpoint local, Endpoint peer_address)
      : world_(world), node_(node), local_(std::move(local)), peer_address_(std::move(peer_address)) {}

  void join(const std::shared_ptr<Side>& other, const std::string& other_host);

  void read(MutableByteView into, Connection::ReadHandler handler, std::shared_ptr<Connection> keep);
  bool write(std::span<const WritePiece> pieces, Connection::WriteHandler handler,
             std::shared_ptr<Connection> keep);
  void close();
  void reset(const std::string& why);
  /// The process is gone: nobody is left to be told.
  void die();
  void drop_handlers();
  /// What waited for the direction to this side to be unblocked.
  void resume();

  [[nodiscard]] Reactor& reactor() { return *node_.reactor; }
  [[nodiscard]] const std::string& host() const { return node_.host; }
  [[nodiscard]] const std::string& other_host() const { return other_host_; }
  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] const Endpoint& peer_address() const { return peer_address_; }

 private:
  /// What travels: data, or one of the two ways a connection ends.
  struct Segment {
    enum class Kind { kData, kEnd, kReset };
    Kind kind = Kind::kData;
    Bytes data;
  };

  [[nodiscard]] bool is_over() const { return !error_.empty(); }
  /// To the other side.
  std::chrono::nanoseconds delay();

  void send(Segment segment);
  void schedule_arrival(std::chrono::nanoseconds when);
  void arrive();
  void receive(Bytes data);

  void serve_reader();
  /// The peer has read `size` bytes, which this side knows at `when`: an event of its own only for who waits
  /// for it.
  void acknowledge_at(std::chrono::nanoseconds when, std::size_t size);
  void await_window();
  void take_acknowledged();
  void pump();
  /// Up to `limit` bytes of the first piece that is left, which loses them.
  Result<Bytes> take(std::size_t limit);

  void finish_pending();
  void finish_read(Result<std::size_t> result);
  void finish_write(Result<void> result);

  /// An operation that ended: its handler is called by an event of its own.
  template <class Handler, class Outcome>
  struct Done {
    Handler handler;
    Outcome result{};
    std::shared_ptr<Connection> keep;
  };

  State& world_;
  SimulatedHost& node_;
  Endpoint local_;
  Endpoint peer_address_;
  std::weak_ptr<Side> other_;
  std::string other_host_;
  std::chrono::nanoseconds link_delay_{0};  // once it is known
  std::string error_;                       // once it is set, everything ends with it

  std::deque<Segment> wire_;  // on the way to this side
  std::chrono::nanoseconds last_arrival_{0};
  std::size_t stalled_ = 0;  // arrivals that met a blocked direction
  Bytes received_;
  std::size_t read_ = 0;  // of received_
  bool ended_ = false;
  MutableByteView into_;
  Connection::ReadHandler reader_;
  std::shared_ptr<Connection> read_keeps_;
  Done<Connection::ReadHandler, Result<std::size_t>> read_done_;

  std::vector<WritePiece> outgoing_;
  std::size_t sent_pieces_ = 0;  // of outgoing_
  std::size_t in_flight_ = 0;    // sent and not yet read by the peer
  /// Of those, what is known to be read, and from when on.
  std::vector<std::pair<std::chrono::nanoseconds, std::size_t>> acknowledged_;
  Connection::WriteHandler writer_;
  std::shared_ptr<Connection> write_keeps_;
  Done<Connection::WriteHandler, Result<void>> write_done_;
};

/// What the caller holds of its side: the connection lives as long as it is held or has an operation pending.
class SimulatedNetworkParts::Wire final : public Connection, public std::enable_shared_from_this<Wire> {
 public:
  explicit Wire(std::shared_ptr<Side> side) : side_(std::move(side)) {}
  ~Wire() override { side_->close(); }
  void read_some(MutableByteView into, ReadHandler handler) override {
    side_->read(into, std::move(handler), shared_from_this());
  }
  bool write(std::span<const WritePiece> pieces, WriteHandler handler) override {
    return side_->write(pieces, std::move(handler), shared_from_this());
  }
  void close() override { side_->close(); }
  [[nodiscard]] Endpoint local() const override { return side_->local(); }
  [[nodiscard]] Endpoint peer() const override { return side_->peer_address(); }
  [[nodiscard]] Reactor& reactor() override { return side_->reactor(); }

 private:
  std::shared_ptr<Side> side_;
};

}  // namespace barnabas
