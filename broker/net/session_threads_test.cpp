#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <deque>
#include <thread>

#include "broker/net/asio_reactor.hpp"
#include "broker/net/net_fixture.hpp"
#include "protocol/messages/api_init_producer_id.hpp"

namespace barnabas::broker::testing {
namespace {

using namespace std::chrono_literals;

TEST_CASE("answers that come from another thread leave in the order of the requests") {
  ApiFixture node;
  SystemClock clock;
  // Each block holds one id and is delivered late by a thread of its own.
  std::deque<std::thread> threads;  // grows while the first ones are joined
  std::int64_t next_id = 100;
  ProducerIdAllocator late([&](auto answer) {
    threads.emplace_back([id = next_id++, answer = std::move(answer)]() mutable {
      std::this_thread::sleep_for(5ms);
      answer(ProducerIdBlock{id, 1});
    });
  });
  Services services{clock,        node.random,        *node.config,   node.cache,
                    node.driver,  node.to_controller, *node.replicas, *node.fetch_sessions,
                    *node.groups, *node.transactions, late,           node.authorizer,
                    node.metrics, node.flusher,       node.cold_reads};
  AsioReactor reactor;
  AsioReactor client_reactor;
  ServerOptions options;
  options.session.max_idle = std::chrono::milliseconds(-1);
  Server server(services, options);
  ListenerOptions listener;
  listener.name = "PLAINTEXT";
  listener.bind = {"127.0.0.1", 0};
  const Endpoint bound = demand(server.listen(reactor, listener));
  std::thread serving([&] { reactor.run(); });

  auto client = std::make_shared<WireClient>();
  client_reactor.post([&] {
    client_reactor.connect(bound, [client](Result<std::shared_ptr<Connection>> connection) {
      client->attach(demand(std::move(connection)));
      protocol::InitProducerIdRequest request;
      request.transactional_id.reset();
      for (std::int32_t i = 0; i < 20; ++i) client->send(frame_of(request, 4, i));
    });
  });
  const auto give_up = clock.monotonic() + 20s;
  std::function<void()> look = [&] {
    if (client->frames().size() >= 20 || clock.monotonic() > give_up) return client_reactor.stop();
    client_reactor.schedule_at(clock.monotonic() + 2ms, look);
  };
  client_reactor.post([&] { look(); });
  client_reactor.run();

  std::vector<std::int32_t> expected;
  for (std::int32_t i = 0; i < 20; ++i) expected.push_back(i);
  CHECK(client->correlations() == expected);
  server.drain();
  while (server.session_count() > 0 && clock.monotonic() < give_up) std::this_thread::sleep_for(1ms);
  CHECK(server.session_count() == 0);
  reactor.stop();
  serving.join();
  for (std::size_t i = 0; i < threads.size(); ++i) threads[i].join();
}

}  // namespace
}  // namespace barnabas::broker::testing
