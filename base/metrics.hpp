// Metrics: what the node counted and what it can tell now, as a page for a Prometheus server.
//
// The node owns one registry. Thread safety: thread-safe; counting is one relaxed atomic addition. A Counter
// or Gauge that was handed out lives as long as the registry. Collectors run while a page is written, by the
// thread that asks for it, and must not register metrics. Names follow what Apache Kafka's MBeans become by
// the usual rules of the JMX exporter (kafka_log_logmanager_offlinelogdirectorycount); what Kafka does not
// count begins with barnabas_. Names of counters end in _total.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace barnabas {

class Counter {
 public:
  void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_ = 0;
};

/// Of a counter that is null where nobody counts.
inline void add_to(Counter* counter, std::uint64_t amount = 1) {
  if (counter != nullptr) counter->add(amount);
}

class Gauge {
 public:
  void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  [[nodiscard]] std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_ = 0;
};

/// Label and value, in the order in which they are written.
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// What a collector tells its values to.
class MetricsPage {
 public:
  void counter(std::string_view name, const MetricLabels& labels, double value) {
    add(name, "counter", labels, value);
  }
  void gauge(std::string_view name, const MetricLabels& labels, double value) {
    add(name, "gauge", labels, value);
  }
  /// The text exposition format, version 0.0.4; the values of one name stand together, names in their order.
  [[nodiscard]] std::string text() const;

 private:
  struct Family {
    std::string type;
    std::vector<std::string> lines;
  };
  void add(std::string_view name, std::string_view type, const MetricLabels& labels, double value);

  std::map<std::string, Family, std::less<>> families_;
};

class MetricsRegistry {
 public:
  MetricsRegistry() = default;
  MetricsRegistry(const MetricsRegistry&) = delete;
  MetricsRegistry& operator=(const MetricsRegistry&) = delete;

  /// The one of this name and these labels, made at the first call.
  Counter& counter(std::string_view name, const MetricLabels& labels = {});
  Gauge& gauge(std::string_view name, const MetricLabels& labels = {});
  /// For what is cheaper to look up than to keep up to date. `owner` ended: no longer called.
  void add_collector(std::weak_ptr<const void> owner, std::function<void(MetricsPage&)> collect);

  [[nodiscard]] std::string prometheus_text() const;

 private:
  using Key = std::pair<std::string, MetricLabels>;
  struct Collector {
    std::weak_ptr<const void> owner;
    std::function<void(MetricsPage&)> collect;
  };

  mutable std::mutex mutex_;
  std::map<Key, std::unique_ptr<Counter>> counters_;  // guarded by mutex_
  std::map<Key, std::unique_ptr<Gauge>> gauges_;      // guarded by mutex_
  std::vector<Collector> collectors_;                 // guarded by mutex_
};

}  // namespace barnabas
