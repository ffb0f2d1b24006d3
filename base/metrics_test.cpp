#include "base/metrics.hpp"

#include <catch2/catch.hpp>

namespace barnabas {

TEST_CASE("a metric is one for its name and labels") {
  MetricsRegistry metrics;
  metrics.counter("found_total", {{"file", "index"}}).add();
  metrics.counter("found_total", {{"file", "index"}}).add(2);
  metrics.counter("found_total", {{"file", "log"}}).add(5);
  metrics.gauge("offline").set(1);
  CHECK(metrics.prometheus_text() ==
        "# TYPE found_total counter\n"
        "found_total{file=\"index\"} 3\n"
        "found_total{file=\"log\"} 5\n"
        "# TYPE offline gauge\n"
        "offline 1\n");
}

TEST_CASE("collectors are asked while their owner lives") {
  MetricsRegistry metrics;
  auto owner = std::make_shared<int>(7);
  metrics.add_collector(owner, [](MetricsPage& page) {
    page.gauge("size", {{"topic", "a"}, {"partition", "0"}}, 7);
    page.gauge("size", {{"topic", "quo\"te\\\n"}, {"partition", "1"}}, 8.5);
  });
  CHECK(metrics.prometheus_text() ==
        "# TYPE size gauge\n"
        "size{topic=\"a\",partition=\"0\"} 7\n"
        "size{topic=\"quo\\\"te\\\\\\n\",partition=\"1\"} 8.5\n");
  owner.reset();
  CHECK(metrics.prometheus_text().empty());
}

}  // namespace barnabas
