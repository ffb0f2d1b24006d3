#include "base/simulated_network.hpp"

#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "base/simulated_connection.hpp"
#include "base/simulated_world_state.hpp"

namespace barnabas {

using std::chrono::nanoseconds;

class SimulatedNetworkParts::NodeListener final : public Listener {
 public:
  NodeListener(SimulatedHost& node, std::uint16_t port)
      : node_(node), port_(port), incarnation_(node.incarnation) {}
  ~NodeListener() override {
    if (node_.incarnation == incarnation_) node_.listeners.erase(port_);
  }
  [[nodiscard]] Endpoint local() const override { return {node_.host, port_}; }

 private:
  SimulatedHost& node_;
  std::uint16_t port_;
  std::uint64_t incarnation_;
};

class SimulatedNetworkParts::NodeReactor final : public Reactor {
 public:
  NodeReactor(State& world, SimulatedHost& node) : world_(world), node_(node) {}

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
    SimulatedHost* const target = world_.find(host);
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
  void knock(ConnectHandler& handler, const Endpoint& endpoint, SimulatedHost& target, nanoseconds started,
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
  SimulatedHost& node_;
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
  std::unique_ptr<SimulatedHost>& node = state_->nodes[host];
  if (node == nullptr) {
    node = std::make_unique<SimulatedHost>();
    node->host = host;
    node->reactor = std::make_unique<SimulatedNetworkParts::NodeReactor>(*state_, *node);
  }
  return *node->reactor;
}

void SimulatedWorld::crash_node(const std::string& host) {
  SimulatedHost* const node = state_->find(host);
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
  SimulatedHost* const node = state_->find(host);
  CHECK(node != nullptr && !node->alive, "restart_node: an unknown node or one that is up");
  node->alive = true;
}

void SimulatedWorld::pause_node(const std::string& host) {
  SimulatedHost* const node = state_->find(host);
  CHECK(node != nullptr && node->alive, "pause_node: an unknown node or one that is down");
  state_->events.pause(*node);
}

void SimulatedWorld::resume_node(const std::string& host) {
  SimulatedHost* const node = state_->find(host);
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
