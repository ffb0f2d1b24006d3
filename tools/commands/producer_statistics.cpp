#include "tools/commands/producer_statistics.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::tools {
namespace {

constexpr std::int64_t kMaxSamples = 500'000;
constexpr double kMebibyte = 1024.0 * 1024.0;

}  // namespace

void ProducerStatistics::Window::add(std::int64_t latency, std::int64_t size) {
  ++count;
  bytes += size;
  latency_ms += latency;
  max_latency_ms = std::max(max_latency_ms, latency);
}

ProducerStatistics::ProducerStatistics(std::int64_t records, std::int64_t reporting_ms, std::int64_t now_ms,
                                       std::string kind)
    : sampling_(std::max<std::int64_t>(1, records / std::clamp<std::int64_t>(records, 1, kMaxSamples))),
      reporting_ms_(reporting_ms),
      kind_(std::move(kind)) {
  total_.begun_ms = window_.begun_ms = now_ms;
}

void ProducerStatistics::record(std::int64_t latency_ms, std::int64_t bytes, std::int64_t now_ms) {
  if (total_.count % sampling_ == 0) latencies_.push_back(latency_ms);
  total_.add(latency_ms, bytes);
  window_.add(latency_ms, bytes);
  if (reporting_ms_ == 0 || now_ms - window_.begun_ms < reporting_ms_) return;
  const bool is_first = total_.count == window_.count;
  if (is_first && !kind_.empty()) fmt::print("In{}.\n", kind_);
  print_window(now_ms);
  window_ = {};
  window_.begun_ms = now_ms;
}

void ProducerStatistics::print_window(std::int64_t now_ms) const {
  const auto elapsed = static_cast<double>(now_ms - window_.begun_ms);
  const auto count = static_cast<double>(window_.count);
  fmt::print(
      "{} records sent, {:.1f} records/sec ({:.2f} MB/sec), {:.1f} ms avg latency, {:.1f} ms max latency.\n",
      window_.count, 1000 * count / elapsed, 1000 * static_cast<double>(window_.bytes) / elapsed / kMebibyte,
      static_cast<double>(window_.latency_ms) / count, static_cast<double>(window_.max_latency_ms));
  std::fflush(stdout);
}

void ProducerStatistics::print_total(std::int64_t now_ms) {
  const auto elapsed = static_cast<double>(std::max<std::int64_t>(now_ms - total_.begun_ms, 1));
  const auto count = static_cast<double>(std::max<std::int64_t>(total_.count, 1));
  std::ranges::sort(latencies_);
  const auto percentile = [&](double fraction) -> std::int64_t {
    if (latencies_.empty()) return 0;
    const auto index = static_cast<std::size_t>(fraction * static_cast<double>(latencies_.size()));
    return latencies_[std::min(index, latencies_.size() - 1)];
  };
  fmt::print(
      "{}{} records sent, {:f} records/sec ({:.2f} MB/sec), {:.2f} ms avg latency, {:.2f} ms max latency, {} "
      "ms "
      "50th, {} ms 95th, {} ms 99th, {} ms 99.9th.\n",
      total_.count, kind_, 1000 * static_cast<double>(total_.count) / elapsed,
      1000 * static_cast<double>(total_.bytes) / elapsed / kMebibyte,
      static_cast<double>(total_.latency_ms) / count, static_cast<double>(total_.max_latency_ms),
      percentile(0.5), percentile(0.95), percentile(0.99), percentile(0.999));
}

}  // namespace barnabas::tools
