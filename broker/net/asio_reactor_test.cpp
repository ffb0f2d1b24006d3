#include "broker/net/asio_reactor.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <thread>

#include "base/memory_file_system.hpp"
#include "base/posix_file_system.hpp"

namespace barnabas::broker {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 20s;

/// A reactor and its thread.
struct Running {
  AsioReactor reactor;
  std::thread thread{[this] { reactor.run(); }};
  ~Running() {
    reactor.stop();
    thread.join();
  }
  /// Runs `call` on the reactor's thread and waits for what it returns.
  template <class Call>
  auto on(Call call) {
    std::promise<decltype(call())> done;
    auto result = done.get_future();
    reactor.post([&] {
      if constexpr (std::is_void_v<decltype(call())>) {
        call();
        done.set_value();
      } else {
        done.set_value(call());
      }
    });
    return result.get();
  }
};

template <class Condition>
bool eventually(Condition condition) {
  const auto give_up = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// A blocking socket of the test's thread.
struct PlainSocket {
  int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  ~PlainSocket() { end(); }
  void end() {
    if (descriptor >= 0) ::close(std::exchange(descriptor, -1));
  }
  bool connect(std::uint16_t port) const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  [[nodiscard]] Bytes read_exactly(std::size_t size) const {
    Bytes bytes(size);
    std::size_t got = 0;
    while (got < size) {
      const ssize_t n = ::recv(descriptor, bytes.data() + got, std::min<std::size_t>(size - got, 10'000), 0);
      if (n <= 0) break;
      got += static_cast<std::size_t>(n);
    }
    bytes.resize(got);
    return bytes;
  }
};

struct Accepting {
  std::promise<std::shared_ptr<Connection>> promise;
  std::unique_ptr<Listener> listener;
  explicit Accepting(Running& on) {
    on.on([&] {
      auto made = on.reactor.listen({"127.0.0.1", 0}, [this](std::shared_ptr<Connection> connection) {
        promise.set_value(std::move(connection));
      });
      if (made) listener = std::move(*made);
    });
  }
};

Bytes pattern(std::size_t size, std::uint32_t seed) {
  Bytes bytes(size);
  for (std::uint8_t& byte : bytes)
    byte = static_cast<std::uint8_t>((seed = seed * 1664525 + 1013904223) >> 24);
  return bytes;
}

TEST_CASE("memory and file ranges arrive in order though the reader is slow") {
  char directory[] = "/tmp/barnabas-reactor-test-XXXXXX";
  REQUIRE(mkdtemp(directory) != nullptr);
  PosixFileSystem disk;
  MemoryFileSystem memory;
  const Bytes content = pattern(6'000'000, 1);
  std::vector<std::shared_ptr<const File>> files;
  for (FileSystem* system : {static_cast<FileSystem*>(&disk), static_cast<FileSystem*>(&memory)}) {
    REQUIRE(system->create_directories(directory));
    auto file = system->open(std::string(directory) + "/f", OpenMode::kReadWriteCreate);
    REQUIRE(file);
    REQUIRE((*file)->write_at(0, content));
    files.push_back(std::move(*file));
  }
  const Bytes head = pattern(3'000'000, 2);
  std::vector<WritePiece> pieces;
  Bytes expected;
  const auto add_memory = [&](std::size_t from, std::size_t size) {
    const ByteView view = ByteView(head).subspan(from, size);
    pieces.push_back({.bytes = view, .file = nullptr, .position = 0, .size = 0});
    expected.insert(expected.end(), view.begin(), view.end());
  };
  const auto add_file = [&](int which, std::size_t from, std::size_t size) {
    pieces.push_back({.bytes = {}, .file = files[which], .position = from, .size = size});
    expected.insert(expected.end(), content.begin() + static_cast<std::ptrdiff_t>(from),
                    content.begin() + static_cast<std::ptrdiff_t>(from + size));
  };
  add_memory(0, 2'000'000);
  add_file(0, 10, 5'000'000);
  add_file(0, 0, 0);
  add_file(1, 77, 1'000'000);
  for (std::size_t i = 0; i < 200; ++i) add_memory(2'000'000 + i, 1 + i);
  add_memory(0, 0);
  add_file(0, 5'999'999, 1);

  Running server;
  Accepting accepting(server);
  REQUIRE(accepting.listener);
  PlainSocket client;
  REQUIRE(client.connect(accepting.listener->local().port));
  auto connection = accepting.promise.get_future().get();
  std::promise<bool> written;
  server.on([&] {
    auto told = [&](const Result<void>& result) { written.set_value(result.has_value()); };
    if (connection->write(pieces, told)) written.set_value(true);
  });
  CHECK(client.read_exactly(expected.size()) == expected);
  CHECK(written.get_future().get());
  server.on([&] { connection->close(); });
  CHECK(client.read_exactly(1).empty());
  server.on([&] { accepting.listener.reset(); });
  (void)disk.remove_all(directory);
}

TEST_CASE("a file that is shorter than promised fails the write") {
  MemoryFileSystem memory;
  auto file = memory.open("/f", OpenMode::kReadWriteCreate);
  REQUIRE(file);
  const std::shared_ptr<const File> shared = std::move(*file);
  Running server;
  Accepting accepting(server);
  PlainSocket client;
  REQUIRE(client.connect(accepting.listener->local().port));
  auto connection = accepting.promise.get_future().get();
  const WritePiece piece{.bytes = {}, .file = shared, .position = 0, .size = 10};
  std::promise<bool> written;
  server.on([&] {
    auto told = [&](const Result<void>& result) { written.set_value(result.has_value()); };
    if (connection->write({&piece, 1}, told)) written.set_value(true);
  });
  CHECK_FALSE(written.get_future().get());
  server.on([&] {
    connection->close();
    accepting.listener.reset();
  });
}

TEST_CASE("the end of the peer, its reset and our own close end a read") {
  Running server;
  for (const std::string how : {"end", "reset", "close"}) {
    Accepting accepting(server);
    PlainSocket client;
    REQUIRE(client.connect(accepting.listener->local().port));
    auto connection = accepting.promise.get_future().get();
    Bytes buffer(10);
    std::promise<std::string> outcome;
    server.on([&] {
      connection->read_some(buffer, [&](const Result<std::size_t>& size) {
        outcome.set_value(!size ? "error" : *size == 0 ? "end" : "data");
      });
    });
    if (how == "reset") {
      const linger at_once{1, 0};
      ::setsockopt(client.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
    how == "close" ? server.on([&] { connection->close(); }) : client.end();
    CHECK(outcome.get_future().get() == (how == "end" ? "end" : "error"));
    server.on([&] {
      connection->close();
      accepting.listener.reset();
    });
  }
}

TEST_CASE("accepted connections are spread, each calls back on its own reactor's thread") {
  Running first;
  Running second;
  first.on([&] { first.reactor.share_accepted_with({&first.reactor, &second.reactor}); });
  std::atomic<int> on_first = 0;
  std::atomic<int> on_second = 0;
  std::atomic<int> echoed = 0;
  std::unique_ptr<Listener> listener;
  first.on([&] {
    auto made = first.reactor.listen({"127.0.0.1", 0}, [&](std::shared_ptr<Connection> connection) {
      const bool here = &connection->reactor() == &first.reactor;
      if (!connection->reactor().is_current()) return;  // counted nowhere: the test fails
      ++(here ? on_first : on_second);
      auto buffer = std::make_shared<Bytes>(4);
      connection->read_some(*buffer, [&, connection, buffer](const Result<std::size_t>& size) {
        if (size && connection->reactor().is_current()) ++echoed;
      });
    });
    if (made) listener = std::move(*made);
  });
  REQUIRE(listener);
  std::vector<PlainSocket> clients(10);
  for (const PlainSocket& client : clients) {
    REQUIRE(client.connect(listener->local().port));
    CHECK(::send(client.descriptor, "ping", 4, 0) == 4);
  }
  CHECK(eventually([&] { return echoed == 10; }));
  CHECK(on_first == 5);
  CHECK(on_second == 5);
  first.on([&] { listener.reset(); });
}

TEST_CASE("timers run in the order of their times, cancelled ones never") {
  Running running;
  std::promise<std::vector<int>> done;
  std::vector<int> ran;
  running.on([&] {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    auto& reactor = running.reactor;
    const TimerId never = reactor.schedule_at(now + 20ms, [&] { ran.push_back(99); });
    reactor.schedule_at(now + 40ms, [&] { done.set_value(ran); });
    reactor.schedule_at(now + 30ms, [&] { ran.push_back(3); });
    reactor.schedule_at(now + 10ms, [&, never] {
      ran.push_back(2);
      ran.push_back(reactor.cancel(never) ? 1 : 0);
      ran.push_back(reactor.cancel(never) ? 1 : 0);
    });
    reactor.schedule_at(now - 1s, [&] { ran.push_back(1); });
    ran.push_back(0);
  });
  CHECK(done.get_future().get() == std::vector<int>{0, 1, 2, 1, 0, 3});
}

TEST_CASE("tasks may be posted from many threads") {
  Running running;
  std::atomic<int> ran = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) running.reactor.post([&] { ++ran; });
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(eventually([&] { return ran == 4000; }));
}

TEST_CASE("an address in use and a port where nobody listens are errors") {
  Running running;
  Accepting accepting(running);
  const Endpoint taken = accepting.listener->local();
  CHECK(taken.port != 0);
  CHECK_FALSE(running.on([&] { return running.reactor.listen(taken, [](auto) {}).has_value(); }));
  running.on([&] { accepting.listener.reset(); });
  std::promise<bool> connected;
  running.on([&] {
    running.reactor.connect(taken, [&](const auto& result) { connected.set_value(result.has_value()); });
  });
  CHECK_FALSE(connected.get_future().get());
}

TEST_CASE("connections wait while there are no descriptors, and are accepted when there are again") {
  Running running;
  Accepting accepting(running);
  PlainSocket client;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(client.descriptor) + 1;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  // Fill the holes below the limit.
  std::vector<int> fillers;
  for (int filler = ::dup(0); filler >= 0; filler = ::dup(0)) fillers.push_back(filler);
  const bool connected = client.connect(accepting.listener->local().port);
  auto accepted = accepting.promise.get_future();
  const bool early = accepted.wait_for(150ms) == std::future_status::ready;
  for (const int filler : fillers) ::close(filler);
  ::setrlimit(RLIMIT_NOFILE, &before);
  CHECK(connected);
  CHECK_FALSE(early);
  CHECK(accepted.wait_for(kPatience) == std::future_status::ready);
  running.on([&] { accepting.listener.reset(); });
}

}  // namespace
}  // namespace barnabas::broker
