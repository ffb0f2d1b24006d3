#include "base/simulated_network.hpp"

#include <catch2/catch.hpp>
#include <functional>

#include "base/memory_file_system.hpp"

namespace barnabas {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint16_t kPort = 9092;

/// Reads a connection to its end, keeping what came.
struct Sink : std::enable_shared_from_this<Sink> {
  std::shared_ptr<Connection> connection;
  Bytes buffer = Bytes(1000);
  std::string received;
  std::string end;  // "end", or the error
  std::function<void()> on_data = [] {};

  void read() {
    auto self = shared_from_this();
    connection->read_some(buffer, [self](Result<std::size_t> got) {
      if (!got) {
        self->end = got.error().detail;
      } else if (*got == 0) {
        self->end = "end";
      } else {
        self->received += as_text(ByteView(self->buffer).first(*got));
        self->on_data();
        self->read();
      }
    });
  }
};

std::shared_ptr<Sink> sink_of(std::shared_ptr<Connection> connection) {
  auto sink = std::make_shared<Sink>();
  sink->connection = std::move(connection);
  sink->read();
  return sink;
}

/// A connection from "a" to "b", made in virtual time.
struct Pair {
  explicit Pair(SimulatedWorld& world) {
    auto listening = world.node("b").listen({"", kPort}, [this](auto connection) { server = connection; });
    REQUIRE(listening);
    listener = std::move(*listening);
    world.node("a").connect({"b", kPort}, [this](auto connected) {
      REQUIRE(connected);
      client = *connected;
    });
    REQUIRE(world.run_until_idle());
    REQUIRE(client);
    REQUIRE(server);
  }
  std::unique_ptr<Listener> listener;
  std::shared_ptr<Connection> client;
  std::shared_ptr<Connection> server;
};

void send(Connection& connection, std::string_view text, std::string* outcome = nullptr) {
  const WritePiece piece{as_bytes(text), nullptr, 0, 0};
  CHECK_FALSE(connection.write(std::span(&piece, 1), [outcome](Result<void> written) {
    if (outcome != nullptr) *outcome = written ? "written" : written.error().detail;
  }));
}

std::string frame(std::string_view text) {
  return std::string(1, static_cast<char>(text.size())) + std::string(text);
}

/// "a" sends frames of growing length, "b" answers each with its text twice; returns the trace.
std::vector<SimulatedWorld::TraceEvent> exchange(std::uint64_t seed, std::uint64_t* hash) {
  SimulatedWorld world(seed);
  world.keep_trace();
  Pair pair(world);
  auto at_server = sink_of(pair.server);
  auto at_client = sink_of(pair.client);
  std::string outbox;
  std::string replies;
  at_server->on_data = [&] {
    while (!at_server->received.empty()) {
      const auto size = static_cast<std::size_t>(at_server->received[0]);
      if (at_server->received.size() < 1 + size) return;
      const std::string text = at_server->received.substr(1, size);
      at_server->received.erase(0, 1 + size);
      replies = frame(text + text);
      send(*pair.server, replies);
    }
  };
  int round = 0;
  std::vector<std::string> answers;
  const auto ask = [&] {
    outbox = frame(std::string(static_cast<std::size_t>(++round), 'x'));
    send(*pair.client, outbox);
  };
  at_client->on_data = [&] {
    const auto size = static_cast<std::size_t>(at_client->received[0]);
    if (at_client->received.size() < 1 + size) return;
    answers.push_back(at_client->received.substr(1));
    at_client->received.clear();
    if (round < 20) ask();
  };
  ask();
  REQUIRE(world.run_until_idle());
  REQUIRE(answers.size() == 20);
  REQUIRE(answers.back() == std::string(40, 'x'));
  *hash = world.trace_hash();
  auto trace = world.trace();
  pair.client->close();
  pair.server->close();
  world.run_until_idle();
  return trace;
}

TEST_CASE("two nodes exchange frames, the same twice from one seed and otherwise from another") {
  std::uint64_t first = 0;
  std::uint64_t again = 0;
  std::uint64_t other = 0;
  const auto trace = exchange(1, &first);
  CHECK(trace.size() > 100);
  CHECK(trace == exchange(1, &again));
  CHECK(trace != exchange(2, &other));
  CHECK(first == again);
  CHECK(first != other);
}

TEST_CASE("timers run at their time, in order, and not when cancelled") {
  SimulatedWorld world(1);
  Reactor& node = world.node("a");
  std::vector<std::string> ran;
  node.schedule_at(seconds(5), [&] { ran.push_back("5 s"); });
  const TimerId cancelled = node.schedule_at(seconds(3), [&] { ran.push_back("cancelled"); });
  const TimerId done = node.schedule_at(seconds(1), [&] {
    ran.push_back("1 s");
    CHECK(world.clock().monotonic() == seconds(1));
    node.post([&] { ran.push_back("posted"); });
    CHECK(ran.size() == 1);
  });
  CHECK(node.cancel(cancelled));
  CHECK_FALSE(node.cancel(cancelled));
  world.run_until(seconds(2));
  CHECK_FALSE(node.cancel(done));
  CHECK(ran == std::vector<std::string>{"1 s", "posted"});
  CHECK(world.clock().monotonic() == seconds(2));
  CHECK_FALSE(world.run_until_idle(seconds(4)));
  CHECK(world.run_until_idle());
  CHECK(ran.back() == "5 s");
}

TEST_CASE("a large write of memory and file ranges arrives whole, and waits for its reader") {
  SimulatedWorld world(3);
  MemoryFileSystem files;
  const std::string content(200'000, 'f');
  const std::shared_ptr<File> file = *files.open("f", OpenMode::kReadWriteCreate);
  REQUIRE(file->write_at(0, as_bytes("skip" + content)));
  Pair pair(world);
  const WritePiece pieces[] = {
      {as_bytes("head"), nullptr, 0, 0}, {{}, file, 4, content.size()}, {as_bytes("tail"), nullptr, 0, 0}};
  bool written = false;
  CHECK_FALSE(pair.client->write(pieces, [&](Result<void> result) { written = result.has_value(); }));
  CHECK(world.run_until_idle());
  CHECK_FALSE(written);
  const auto sink = sink_of(pair.server);
  CHECK(world.run_until_idle());
  CHECK(written);
  CHECK(sink->received == "head" + content + "tail");
  pair.client->close();
  CHECK(world.run_until_idle());
  CHECK(sink->end == "end");
}

TEST_CASE("a blocked direction delays what is sent and makes connects time out; the other direction works") {
  SimulatedWorld world(4);
  Pair pair(world);
  const auto at_server = sink_of(pair.server);
  const auto at_client = sink_of(pair.client);
  world.block("a", "b");
  send(*pair.client, "later");
  send(*pair.server, "now");
  std::string connecting;
  world.node("a").connect({"b", kPort}, [&](auto connected) { connecting = connected.error().detail; });
  world.run_until(world.clock().monotonic() + seconds(60));
  CHECK(at_server->received.empty());
  CHECK(at_client->received == "now");
  CHECK(connecting == "ETIMEDOUT b:9092");
  world.unblock("a", "b");
  CHECK(world.run_until_idle());
  CHECK(at_server->received == "later");
  pair.client->close();
  pair.server->close();
  world.run_until_idle();
}

TEST_CASE("a broken connection ends with an error on both sides, pending or later") {
  SimulatedWorld world(5);
  Pair pair(world);
  const auto at_server = sink_of(pair.server);
  const auto at_client = sink_of(pair.client);
  world.break_connections("b", "a");
  CHECK(at_client->end.empty());  // never inside the call
  CHECK(world.run_until_idle());
  CHECK(at_client->end == "ECONNRESET b:9092");
  CHECK(at_server->end.starts_with("ECONNRESET a:"));
  std::string outcome;
  send(*pair.client, "x", &outcome);
  CHECK(world.run_until_idle());
  CHECK(outcome == "ECONNRESET b:9092");
}

TEST_CASE("a crashed node runs nothing more, resets its peers, refuses, and starts empty") {
  SimulatedWorld world(6);
  Pair pair(world);
  const auto at_client = sink_of(pair.client);
  const auto at_server = sink_of(pair.server);
  bool ran = false;
  world.node("b").schedule_at(world.clock().monotonic() + seconds(1), [&] { ran = true; });
  world.crash_node("b");
  world.node("b").post([&] { ran = true; });
  CHECK(world.run_until_idle());
  CHECK_FALSE(ran);
  CHECK(at_client->end == "ECONNRESET b:9092");
  CHECK(at_server->end.empty());
  world.restart_node("b");
  std::string connecting;
  world.node("a").connect({"b", kPort}, [&](auto connected) { connecting = connected.error().detail; });
  world.node("b").post([&] { ran = true; });
  CHECK(world.run_until_idle());
  CHECK(connecting == "ECONNREFUSED b:9092");
  CHECK(ran);
  pair.listener.reset();
  CHECK(world.node("b").listen({"", kPort}, [](auto) {}));
}

TEST_CASE("a paused node runs nothing until it goes on, and its machine takes data for it") {
  SimulatedWorld world(6);
  Pair pair(world);
  const auto at_server = sink_of(pair.server);
  std::vector<std::string> ran;
  const auto start = world.clock().monotonic();
  world.node("b").schedule_at(start + seconds(2), [&] { ran.emplace_back("second"); });
  world.node("b").schedule_at(start + seconds(1), [&] { ran.emplace_back("first"); });
  const TimerId late = world.node("b").schedule_at(start + seconds(60), [&] { ran.emplace_back("late"); });
  world.pause_node("b");
  std::string outcome;
  send(*pair.client, "x", &outcome);
  world.run_until(start + seconds(10));
  CHECK(ran.empty());
  CHECK(at_server->received.empty());
  CHECK(at_server->end.empty());
  world.resume_node("b");
  world.run_until(start + seconds(11));
  CHECK(ran == std::vector<std::string>{"first", "second"});
  CHECK(at_server->received == "x");
  CHECK(world.node("b").cancel(late));
  world.pause_node("b");
  world.crash_node("b");
  world.restart_node("b");
  bool runs = false;
  world.node("b").post([&] { runs = true; });
  CHECK(world.run_until_idle());
  CHECK(runs);
}

TEST_CASE("closing ends one's own pending read with an error and the peer's with an end") {
  SimulatedWorld world(7);
  Pair pair(world);
  const auto at_client = sink_of(pair.client);
  const auto at_server = sink_of(pair.server);
  pair.client->close();
  pair.client->close();
  CHECK(world.run_until_idle());
  CHECK(at_client->end.starts_with("ECANCELED"));
  CHECK(at_server->end == "end");
}

TEST_CASE("a port is taken once, and free when its listener is gone") {
  SimulatedWorld world(8);
  auto first = world.node("a").listen({"", kPort}, [](auto) {});
  REQUIRE(first);
  CHECK((*first)->local() == Endpoint{"a", kPort});
  CHECK(world.node("a").listen({"", kPort}, [](auto) {}).error().detail == "EADDRINUSE a:9092");
  CHECK((*world.node("a").listen({"", 0}, [](auto) {}))->local().port != 0);
  first->reset();
  CHECK(world.node("a").listen({"", kPort}, [](auto) {}));
}

}  // namespace
}  // namespace barnabas
