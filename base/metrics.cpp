#include "base/metrics.hpp"

#include <fmt/format.h>

namespace barnabas {

namespace {

/// A label's value, with the three characters escaped that the format asks for.
std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void MetricsPage::add(std::string_view name, std::string_view type, const MetricLabels& labels,
                      double value) {
  auto found = families_.find(name);
  if (found == families_.end()) found = families_.emplace(name, Family{std::string(type), {}}).first;
  std::string line(name);
  if (!labels.empty()) {
    line += '{';
    for (const auto& [label, text] : labels)
      line += fmt::format("{}{}=\"{}\"", line.back() == '{' ? "" : ",", label, escaped(text));
    line += '}';
  }
  found->second.lines.push_back(fmt::format("{} {}", line, value));
}

std::string MetricsPage::text() const {
  std::string out;
  for (const auto& [name, family] : families_) {
    out += fmt::format("# TYPE {} {}\n", name, family.type);
    for (const std::string& line : family.lines) out += line + '\n';
  }
  return out;
}

Counter& MetricsRegistry::counter(std::string_view name, const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  auto& counter = counters_[Key(name, labels)];
  if (!counter) counter = std::make_unique<Counter>();
  return *counter;
}

Gauge& MetricsRegistry::gauge(std::string_view name, const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  auto& gauge = gauges_[Key(name, labels)];
  if (!gauge) gauge = std::make_unique<Gauge>();
  return *gauge;
}

void MetricsRegistry::add_collector(std::weak_ptr<const void> owner,
                                    std::function<void(MetricsPage&)> collect) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back({std::move(owner), std::move(collect)});
}

std::string MetricsRegistry::prometheus_text() const {
  MetricsPage page;
  std::vector<Collector> collectors;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, counter] : counters_)
      page.counter(key.first, key.second, static_cast<double>(counter->value()));
    for (const auto& [key, gauge] : gauges_)
      page.gauge(key.first, key.second, static_cast<double>(gauge->value()));
    collectors = collectors_;
  }
  for (const Collector& collector : collectors)
    if (const auto owner = collector.owner.lock()) collector.collect(page);
  return page.text();
}

}  // namespace barnabas
