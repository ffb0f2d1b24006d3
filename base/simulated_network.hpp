// Many nodes in one thread, in virtual time, from one seed: their reactors, connections and the faults
// between them.
//
// SimulatedWorld owns the virtual clock, the chance and the one queue of events; each node is a host name
// with a Reactor. The same seed and the same calls give the same events, which trace_hash() witnesses.
//
// Network model
//   delay       Each direction between two hosts draws its delay once; each piece of data adds some jitter.
//   Bytes of
//               one connection keep their order, connections overtake one another.
//   send buffer A write ends when its last byte is in the buffer; bytes leave it when the peer has read them.
//   block       What arrives over a blocked direction waits until it is unblocked, as TCP's repetition would
//   have it;
//               a connect that meets a blocked direction fails with a timeout.
//   break       Connections between two hosts end with ECONNRESET on both sides; data under way is lost.
//   crash       The process of a node dies: its tasks, timers, listeners and pending operations are dropped
//   without
//               a call, its peers see a reset after the delay. (A machine that vanishes: block first.)
//   pause       The process of a node stands still: what is due waits until it goes on, and its machine takes
//               connections and data for it.
// Every error is ErrorCode::kNetworkException with a detail beginning with errno's name.
// Not thread-safe; post() too belongs to the one thread. The world outlives all it handed out.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/network.hpp"
#include "base/random.hpp"
#include "base/simulated_clock.hpp"

namespace barnabas {

class SimulatedWorld {
 public:
  struct Options {
    std::chrono::nanoseconds min_delay = std::chrono::microseconds(50);
    std::chrono::nanoseconds max_delay = std::chrono::milliseconds(2);
    std::chrono::nanoseconds connect_timeout = std::chrono::seconds(10);
    std::size_t send_buffer_bytes = 64 * 1024;
  };
  /// One event that was run: when, where and what ("task", "accept", "data 512", ...).
  struct TraceEvent {
    std::chrono::nanoseconds time;
    std::string host;
    std::string what;
    auto operator<=>(const TraceEvent&) const = default;
  };

  explicit SimulatedWorld(std::uint64_t seed);
  SimulatedWorld(std::uint64_t seed, const Options& options);
  ~SimulatedWorld();

  [[nodiscard]] SimulatedClock& clock();
  [[nodiscard]] SeededRandom& random();
  /// The node's reactor, made at the first call. It stays the same object over crashes.
  Reactor& node(const std::string& host);

  void crash_node(const std::string& host);
  /// The reactor takes tasks again; what lived on it before does not come back.
  void restart_node(const std::string& host);
  /// Of a node that is up. A crash ends a pause.
  void pause_node(const std::string& host);
  void resume_node(const std::string& host);
  void block(const std::string& from, const std::string& to);
  void unblock(const std::string& from, const std::string& to);
  /// Both directions.
  void separate(const std::string& one, const std::string& other);
  void reunite(const std::string& one, const std::string& other);
  void break_connections(const std::string& one, const std::string& other);

  /// Runs the next event; false when there is none.
  bool step();
  /// Runs what is due up to `time` and leaves the clock there.
  void run_until(std::chrono::nanoseconds time);
  /// Until nothing is left to run (true) or the next event lies beyond `limit` (false).
  bool run_until_idle(std::chrono::nanoseconds limit = std::chrono::hours(24));

  [[nodiscard]] std::uint64_t trace_hash() const;
  /// Events are kept for trace() from now on; the hash counts always.
  void keep_trace();
  [[nodiscard]] const std::vector<TraceEvent>& trace() const;

 private:
  friend struct SimulatedNetworkParts;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace barnabas
