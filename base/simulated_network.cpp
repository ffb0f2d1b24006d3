#include "base/simulated_network.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "base/check.hpp"
#include "base/simulated_events.hpp"

namespace barnabas {

using std::chrono::nanoseconds;

namespace {

constexpr std::size_t kSegmentBytes = 16 * 1024;
constexpr nanoseconds kOwnDelay = std::chrono::microseconds(10);  // of a host to itself
constexpr std::uint64_t kHashStart = 0xCBF29CE484222325ULL;
constexpr std::uint64_t kHashPrime = 0x100000001B3ULL;

std::unexpected<Error> network_error(std::string detail) {
  return fail(ErrorCode::kNetworkException, std::move(detail));
}

struct NodeState : SimulatedEvents::Process {
  std::map<std::uint16_t, std::shared_ptr<Reactor::AcceptHandler>> listeners;
  std::uint16_t next_port = 30000;
  std::unique_ptr<Reactor> reactor;
};

/// What travels: data, or one of the two ways a connection ends.
struct Segment {
  enum class Kind { kData, kEnd, kReset };
  Kind kind = Kind::kData;
  Bytes data;
};

}  // namespace

struct SimulatedNetworkParts {
  using State = SimulatedWorld::State;
  class Side;
  class NodeReactor;
  class Wire;
  class NodeListener;
};

struct SimulatedWorld::State {
  State(std::uint64_t seed, const Options& chosen) : random(seed), options(chosen) {}
  ~State() { clear(); }

  std::uint64_t add(nanoseconds when, NodeState& node, std::string&& what, Reactor::Task&& task) {
    return events.add(std::max(when, clock.monotonic()), node, std::move(what), std::move(task));
  }
  void add_now(NodeState& node, std::string&& what, Reactor::Task&& task) {
    add(clock.monotonic(), node, std::move(what), std::move(task));
  }
  bool step() {
    if (!events.next_time()) return false;
    SimulatedEvents::Due due = events.take();
    clock.advance_to(due.time);
    note(due.event);
    current = due.event.process;
    due.event.task();
    current = nullptr;
    return true;
  }
  void note(const SimulatedEvents::Event& event) {
    add_to_hash(static_cast<std::uint64_t>(clock.monotonic().count()));
    add_to_hash(event.process->host);
    add_to_hash(event.what);
    if (keeps_trace) trace.push_back({clock.monotonic(), event.process->host, event.what});
  }
  void add_to_hash(std::uint64_t value) { hash = (hash ^ value) * kHashPrime; }
  void add_to_hash(std::string_view text) {
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), sizeof(std::uint64_t)))) {
      std::uint64_t word = 0;
      std::memcpy(&word, text.data(), std::min(text.size(), sizeof word));
      add_to_hash(word);
    }
  }

  nanoseconds delay(const std::string& from, const std::string& to) {
    return from == to ? kOwnDelay : jittered(delay_of_link(from, to));
  }
  nanoseconds delay_of_link(const std::string& from, const std::string& to) {
    const auto [link, is_new] = delays.try_emplace({from, to});
    if (is_new) {
      const auto spread = static_cast<std::uint64_t>((options.max_delay - options.min_delay).count());
      link->second = options.min_delay + nanoseconds(random.below(spread + 1));
    }
    return link->second;
  }
  nanoseconds jittered(nanoseconds delay) {
    return delay + nanoseconds(random.below(static_cast<std::uint64_t>(delay.count()) / 4 + 1));
  }
  [[nodiscard]] bool is_blocked(const std::string& from, const std::string& to) const {
    return !blocked.empty() && blocked.contains({from, to});
  }
  NodeState* find(const std::string& host) {
    const auto found = nodes.find(host);
    return found == nodes.end() ? nullptr : found->second.get();
  }
  void clear();

  SimulatedClock clock;
  SeededRandom random;
  Options options;
  std::map<std::string, std::unique_ptr<NodeState>> nodes;
  SimulatedEvents events;
  std::map<std::pair<std::string, std::string>, nanoseconds> delays;
  std::set<std::pair<std::string, std::string>> blocked;
  std::vector<std::weak_ptr<SimulatedNetworkParts::Side>> sides;
  std::uint64_t hash = kHashStart;
  const SimulatedEvents::Process* current = nullptr;  // whose event runs
  bool keeps_trace = false;
  std::vector<TraceEvent> trace;
};

/// One end of a connection. The Wire in the caller's hand refers to it, and so do the events that concern it.
class SimulatedNetworkParts::Side : public std::enable_shared_from_this<Side> {
 public:
  Side(State& world, NodeState& node, Endpoint local, Endpoint peer_address)
      : world_(world), node_(node), local_(std::move(local)), peer_address_(std::move(peer_address)) {}

  void join(const std::shared_ptr<Side>& other, const std::string& other_host) {
    other_ = other;
    other_host_ = other_host;
  }

  void read(MutableByteView into, Connection::ReadHandler handler, std::shared_ptr<Connection> keep) {
    CHECK(!reader_, "one read at a time");
    into_ = into;
    reader_ = std::move(handler);
    read_keeps_ = std::move(keep);
    serve_reader();
  }
  bool write(std::span<const WritePiece> pieces, Connection::WriteHandler handler,
             std::shared_ptr<Connection> keep) {
    CHECK(!std::exchange(writer_, std::move(handler)), "one write at a time");
    outgoing_.assign(pieces.begin(), pieces.end());
    sent_pieces_ = 0;
    write_keeps_ = std::move(keep);
    pump();
    return false;
  }
  void close() {
    if (is_over()) return;
    error_ = "ECANCELED the connection was closed";
    send({Segment::Kind::kEnd, {}});
    finish_pending();
  }
  void reset(const std::string& why) {
    if (is_over()) return;
    error_ = why;
    received_.clear();
    read_ = 0;
    finish_pending();
  }
  /// The process is gone: nobody is left to be told.
  void die() {
    if (!is_over()) send({Segment::Kind::kReset, {}});
    error_ = "ESTALE the process crashed";
    drop_handlers();
  }
  void drop_handlers() {
    const auto reader = std::exchange(reader_, nullptr);
    const auto writer = std::exchange(writer_, nullptr);
    outgoing_.clear();
    const auto read_keeps = std::exchange(read_keeps_, nullptr);
    const auto write_keeps = std::exchange(write_keeps_, nullptr);
    const auto read = std::exchange(read_done_, {});
    const auto written = std::exchange(write_done_, {});
  }
  /// What waited for the direction to this side to be unblocked.
  void resume() {
    for (; stalled_ > 0; --stalled_) schedule_arrival(world_.clock.monotonic());
  }

  [[nodiscard]] Reactor& reactor() { return *node_.reactor; }
  [[nodiscard]] const std::string& host() const { return node_.host; }
  [[nodiscard]] const std::string& other_host() const { return other_host_; }
  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] const Endpoint& peer_address() const { return peer_address_; }

 private:
  [[nodiscard]] bool is_over() const { return !error_.empty(); }
  /// To the other side.
  nanoseconds delay() {
    if (host() == other_host_) return kOwnDelay;
    if (link_delay_ == nanoseconds(0)) link_delay_ = world_.delay_of_link(host(), other_host_);
    return world_.jittered(link_delay_);
  }

  void send(Segment segment) {
    const auto other = other_.lock();
    if (other == nullptr) return;
    const nanoseconds when = std::max(other->last_arrival_, world_.clock.monotonic() + delay());
    other->wire_.push_back(std::move(segment));
    other->last_arrival_ = when;
    other->schedule_arrival(when);
  }
  void schedule_arrival(nanoseconds when) {
    auto self = shared_from_this();
    // Counted as the event of this node; a node that crashed gets nothing.
    world_.add(when, node_, "arrival", [self] { self->arrive(); });
  }
  void arrive() {
    if (world_.is_blocked(other_host_, host())) {
      ++stalled_;
      return;
    }
    CHECK(!wire_.empty());
    Segment segment = std::move(wire_.front());
    wire_.pop_front();
    world_.add_to_hash(static_cast<std::uint64_t>(segment.kind) << 32 | segment.data.size());
    if (is_over()) {
      // The writer learns from a reset that nobody reads any more.
      if (segment.kind == Segment::Kind::kData) send({Segment::Kind::kReset, {}});
      return;
    }
    if (segment.kind == Segment::Kind::kReset) return reset("ECONNRESET " + to_string(peer_address_));
    if (segment.kind == Segment::Kind::kEnd) ended_ = true;
    receive(std::move(segment.data));
    serve_reader();
  }
  void receive(Bytes data) {
    if (read_ < received_.size()) {
      received_.erase(received_.begin(), received_.begin() + static_cast<std::ptrdiff_t>(read_));
      received_.insert(received_.end(), data.begin(), data.end());
    } else {
      received_ = std::move(data);
    }
    read_ = 0;
  }

  void serve_reader() {
    if (!reader_) return;
    if (is_over()) return finish_read(network_error(error_));
    if (into_.empty()) return finish_read(std::size_t{0});
    const std::size_t size = std::min(into_.size(), received_.size() - read_);
    if (size == 0 && !ended_) return;
    std::copy_n(received_.begin() + static_cast<std::ptrdiff_t>(read_), size, into_.begin());
    read_ += size;
    if (const auto other = other_.lock(); other != nullptr && size > 0)
      other->acknowledge_at(world_.clock.monotonic() + delay(), size);
    finish_read(size);
  }
  /// The peer has read `size` bytes, which this side knows at `when`: an event of its own only for who waits
  /// for it.
  void acknowledge_at(nanoseconds when, std::size_t size) {
    acknowledged_.emplace_back(when, size);
    if (writer_) await_window();
  }
  void await_window() {
    for (const auto& [when, size] : std::exchange(acknowledged_, {}))
      world_.add(when, node_, "window", [self = shared_from_this(), freed = size] {
        self->in_flight_ -= freed;
        self->pump();
      });
  }
  void take_acknowledged() {
    std::erase_if(acknowledged_, [this](const auto& one) {
      const bool is_known = one.first <= world_.clock.monotonic();
      if (is_known) in_flight_ -= one.second;
      return is_known;
    });
  }
  void pump() {
    if (!writer_) return;
    if (is_over()) return finish_write(network_error(error_));
    take_acknowledged();
    while (sent_pieces_ < outgoing_.size() && in_flight_ < world_.options.send_buffer_bytes) {
      auto data = take(std::min(world_.options.send_buffer_bytes - in_flight_, kSegmentBytes));
      if (!data) {
        const Error error = data.error();
        reset(error.detail);
        return;
      }
      if (data->empty()) continue;
      in_flight_ += data->size();
      send({Segment::Kind::kData, std::move(*data)});
    }
    if (sent_pieces_ == outgoing_.size())
      finish_write({});
    else
      await_window();
  }
  /// Up to `limit` bytes of the first piece that is left, which loses them.
  Result<Bytes> take(std::size_t limit) {
    WritePiece& piece = outgoing_[sent_pieces_];
    Bytes data;
    if (piece.file != nullptr) {
      data.resize(static_cast<std::size_t>(std::min<std::uint64_t>(limit, piece.size)));
      const std::size_t got = TRY(piece.file->read_at(piece.position, data));
      if (got < data.size()) return network_error("EIO a file is shorter than the range to send");
      piece.position += got;
      piece.size -= got;
      if (piece.size == 0) ++sent_pieces_;
    } else {
      data = to_bytes(piece.bytes.first(std::min(limit, piece.bytes.size())));
      piece.bytes = piece.bytes.subspan(data.size());
      if (piece.bytes.empty()) ++sent_pieces_;
    }
    return data;
  }

  void finish_pending() {
    if (reader_) finish_read(network_error(error_));
    if (writer_) finish_write(network_error(error_));
  }
  void finish_read(Result<std::size_t> result) {
    std::string what = "read ";
    what += result ? std::to_string(*result) : result.error().detail;
    CHECK(!read_done_.handler);
    read_done_ = {std::exchange(reader_, nullptr), std::move(result), std::exchange(read_keeps_, nullptr)};
    world_.add_now(node_, std::move(what), [self = shared_from_this()] {
      auto done = std::exchange(self->read_done_, {});
      done.handler(std::move(done.result));
    });
  }
  void finish_write(Result<void> result) {
    outgoing_.clear();
    std::string what = "written";
    if (!result) what += " " + result.error().detail;
    CHECK(!write_done_.handler);
    write_done_ = {std::exchange(writer_, nullptr), std::move(result), std::exchange(write_keeps_, nullptr)};
    world_.add_now(node_, std::move(what), [self = shared_from_this()] {
      auto done = std::exchange(self->write_done_, {});
      done.handler(std::move(done.result));
    });
  }

  /// An operation that ended: its handler is called by an event of its own.
  template <class Handler, class Outcome>
  struct Done {
    Handler handler;
    Outcome result{};
    std::shared_ptr<Connection> keep;
  };

  State& world_;
  NodeState& node_;
  Endpoint local_;
  Endpoint peer_address_;
  std::weak_ptr<Side> other_;
  std::string other_host_;
  nanoseconds link_delay_{0};  // once it is known
  std::string error_;          // once it is set, everything ends with it

  std::deque<Segment> wire_;  // on the way to this side
  nanoseconds last_arrival_{0};
  std::size_t stalled_ = 0;  // arrivals that met a blocked direction
  Bytes received_;
  std::size_t read_ = 0;  // of received_
  bool ended_ = false;
  MutableByteView into_;
  Connection::ReadHandler reader_;
  std::shared_ptr<Connection> read_keeps_;
  Done<Connection::ReadHandler, Result<std::size_t>> read_done_;

  std::vector<WritePiece> outgoing_;
  std::size_t sent_pieces_ = 0;                                    // of outgoing_
  std::size_t in_flight_ = 0;                                      // sent and not yet read by the peer
  std::vector<std::pair<nanoseconds, std::size_t>> acknowledged_;  // of those, known to be read from then on
  Connection::WriteHandler writer_;
  std::shared_ptr<Connection> write_keeps_;
  Done<Connection::WriteHandler, Result<void>> write_done_;
};

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

class SimulatedNetworkParts::NodeListener final : public Listener {
 public:
  NodeListener(NodeState& node, std::uint16_t port)
      : node_(node), port_(port), incarnation_(node.incarnation) {}
  ~NodeListener() override {
    if (node_.incarnation == incarnation_) node_.listeners.erase(port_);
  }
  [[nodiscard]] Endpoint local() const override { return {node_.host, port_}; }

 private:
  NodeState& node_;
  std::uint16_t port_;
  std::uint64_t incarnation_;
};

class SimulatedNetworkParts::NodeReactor final : public Reactor {
 public:
  NodeReactor(State& world, NodeState& node) : world_(world), node_(node) {}

  /// Between events the one thread belongs to whoever sets things up.
  [[nodiscard]] bool is_current() const override {
    return world_.current == nullptr || world_.current == &node_;
  }
  void post(Task task) override {
    if (node_.alive) world_.add_now(node_, "task", std::move(task));
  }
  TimerId schedule_at(nanoseconds when, Task task) override {
    if (!node_.alive) return 0;
    return world_.add(when, node_, "timer", std::move(task));
  }
  bool cancel(TimerId timer) override { return world_.events.cancel(timer); }

  Result<std::unique_ptr<Listener>> listen(const Endpoint& endpoint, AcceptHandler handler) override {
    std::uint16_t port = endpoint.port;
    while (port == 0 || (endpoint.port == 0 && node_.listeners.contains(port))) port = node_.next_port++;
    auto shared = std::make_shared<AcceptHandler>(std::move(handler));
    if (!node_.listeners.emplace(port, std::move(shared)).second) {
      return network_error("EADDRINUSE " + to_string(Endpoint{node_.host, port}));
    }
    return std::make_unique<NodeListener>(node_, port);
  }

  void connect(const Endpoint& endpoint, ConnectHandler handler) override {
    if (!node_.alive) return;
    const bool is_self = endpoint.host == "localhost" || endpoint.host == "127.0.0.1";
    const std::string host = is_self ? node_.host : endpoint.host;
    NodeState* const target = world_.find(host);
    auto shared = std::make_shared<ConnectHandler>(std::move(handler));
    if (target == nullptr) {
      return world_.add_now(node_, "unknown host", [shared, endpoint] {
        (*shared)(network_error("EHOSTUNREACH " + to_string(endpoint)));
      });
    }
    const nanoseconds started = world_.clock.monotonic();
    const nanoseconds there = started + world_.delay(node_.host, host);
    const nanoseconds back = there + world_.delay(host, node_.host);
    // The knock is judged when it arrives, and on this node's behalf: the target may be dead then.
    world_.add(there, node_, "knock " + host, [this, shared, endpoint, target, started, back] {
      knock(*shared, endpoint, *target, started, back);
    });
  }

 private:
  void knock(ConnectHandler& handler, const Endpoint& endpoint, NodeState& target, nanoseconds started,
             nanoseconds back) {
    auto answer = std::make_shared<ConnectHandler>(std::move(handler));
    const std::string name = to_string(endpoint);
    if (world_.is_blocked(node_.host, target.host) || world_.is_blocked(target.host, node_.host)) {
      world_.add(started + world_.options.connect_timeout, node_, "connect timeout",
                 [answer, name] { (*answer)(network_error("ETIMEDOUT " + name)); });
      return;
    }
    const auto listener = target.listeners.find(endpoint.port);
    if (!target.alive || listener == target.listeners.end()) {
      world_.add(back, node_, "refused",
                 [answer, name] { (*answer)(network_error("ECONNREFUSED " + name)); });
      return;
    }
    const Endpoint here{node_.host, ++node_.next_port};
    auto mine = std::make_shared<Side>(world_, node_, here, endpoint);
    auto theirs = std::make_shared<Side>(world_, target, Endpoint{target.host, endpoint.port}, here);
    mine->join(theirs, target.host);
    theirs->join(mine, node_.host);
    std::erase_if(world_.sides, [](const auto& side) { return side.expired(); });
    world_.sides.emplace_back(mine);
    world_.sides.emplace_back(theirs);
    std::shared_ptr<Connection> their_wire = std::make_shared<Wire>(theirs);
    std::shared_ptr<Connection> my_wire = std::make_shared<Wire>(mine);
    world_.add_now(target, "accept", [accept = listener->second, their_wire] { (*accept)(their_wire); });
    world_.add(back, node_, "connected", [answer, my_wire] { (*answer)(my_wire); });
  }

  State& world_;
  NodeState& node_;
};

void SimulatedWorld::State::clear() {
  for (auto& [host, node] : nodes) node->alive = false;
  events.clear();
  for (const auto& weak : std::exchange(sides, {})) {
    if (const auto side = weak.lock()) side->drop_handlers();
  }
  events.clear();
}

SimulatedWorld::SimulatedWorld(std::uint64_t seed) : SimulatedWorld(seed, Options{}) {}
SimulatedWorld::SimulatedWorld(std::uint64_t seed, const Options& options)
    : state_(std::make_unique<State>(seed, options)) {}
SimulatedWorld::~SimulatedWorld() = default;

SimulatedClock& SimulatedWorld::clock() {
  return state_->clock;
}
SeededRandom& SimulatedWorld::random() {
  return state_->random;
}

Reactor& SimulatedWorld::node(const std::string& host) {
  std::unique_ptr<NodeState>& node = state_->nodes[host];
  if (node == nullptr) {
    node = std::make_unique<NodeState>();
    node->host = host;
    node->reactor = std::make_unique<SimulatedNetworkParts::NodeReactor>(*state_, *node);
  }
  return *node->reactor;
}

void SimulatedWorld::crash_node(const std::string& host) {
  NodeState* const node = state_->find(host);
  CHECK(node != nullptr && node->alive, "crash_node: an unknown node or one that is down");
  const auto sides = state_->sides;
  for (const auto& weak : sides) {
    const auto side = weak.lock();
    if (side != nullptr && side->host() == host) side->die();
  }
  const auto listeners = std::exchange(node->listeners, {});
  const auto dropped = state_->events.kill(*node);
}

void SimulatedWorld::restart_node(const std::string& host) {
  NodeState* const node = state_->find(host);
  CHECK(node != nullptr && !node->alive, "restart_node: an unknown node or one that is up");
  node->alive = true;
}

void SimulatedWorld::pause_node(const std::string& host) {
  NodeState* const node = state_->find(host);
  CHECK(node != nullptr && node->alive, "pause_node: an unknown node or one that is down");
  state_->events.pause(*node);
}

void SimulatedWorld::resume_node(const std::string& host) {
  NodeState* const node = state_->find(host);
  CHECK(node != nullptr, "resume_node: an unknown node");
  state_->events.resume(*node, state_->clock.monotonic());
}

void SimulatedWorld::block(const std::string& from, const std::string& to) {
  state_->blocked.insert({from, to});
}

void SimulatedWorld::unblock(const std::string& from, const std::string& to) {
  state_->blocked.erase({from, to});
  for (const auto& weak : state_->sides) {
    const auto side = weak.lock();
    if (side != nullptr && side->host() == to && side->other_host() == from) side->resume();
  }
}

void SimulatedWorld::separate(const std::string& one, const std::string& other) {
  block(one, other);
  block(other, one);
}

void SimulatedWorld::reunite(const std::string& one, const std::string& other) {
  unblock(one, other);
  unblock(other, one);
}

void SimulatedWorld::break_connections(const std::string& one, const std::string& other) {
  for (const auto& weak : state_->sides) {
    const auto side = weak.lock();
    if (side == nullptr) continue;
    const bool between = (side->host() == one && side->other_host() == other) ||
                         (side->host() == other && side->other_host() == one);
    if (between) side->reset("ECONNRESET " + to_string(side->peer_address()));
  }
}

bool SimulatedWorld::step() {
  return state_->step();
}

void SimulatedWorld::run_until(nanoseconds time) {
  while (true) {
    const std::optional<nanoseconds> next = state_->events.next_time();
    if (!next || *next > time) break;
    state_->step();
  }
  if (time > state_->clock.monotonic()) state_->clock.advance_to(time);
}

bool SimulatedWorld::run_until_idle(nanoseconds limit) {
  while (const std::optional<nanoseconds> next = state_->events.next_time()) {
    if (*next > limit) return false;
    state_->step();
  }
  return true;
}

std::uint64_t SimulatedWorld::trace_hash() const {
  return state_->hash;
}
void SimulatedWorld::keep_trace() {
  state_->keeps_trace = true;
}
const std::vector<SimulatedWorld::TraceEvent>& SimulatedWorld::trace() const {
  return state_->trace;
}

}  // namespace barnabas
