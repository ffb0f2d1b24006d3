#include "bench/wirebench/figures.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace barnabas::wirebench {
namespace {

constexpr int kUserTimeField = 14;
constexpr int kSystemTimeField = 15;

}  // namespace

ProcessUsage usage_of(long pid) {
  ProcessUsage usage;
  if (pid == 0) return usage;
  std::ifstream stat(fmt::format("/proc/{}/stat", pid));
  std::string line;
  if (!std::getline(stat, line)) return usage;
  // The second field, the name in parentheses, may hold anything.
  std::istringstream fields(line.substr(line.rfind(')') + 2));
  std::string field;
  double ticks = 0;
  for (int number = 3; number <= kSystemTimeField && fields >> field; ++number) {
    if (number >= kUserTimeField) ticks += std::stod(field);
  }
  usage.cpu_seconds = ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  while (std::getline(status, line)) {
    if (line.starts_with("VmRSS:")) usage.resident_kb = std::stol(line.substr(6));
  }
  return usage;
}

Measurement::Used Measurement::used() const {
  const double seconds = this->seconds();
  const ProcessUsage now = usage_of(pid_);
  return {.seconds = seconds,
          .cpu_seconds = now.cpu_seconds - usage_.cpu_seconds,
          .resident_mb = static_cast<double>(now.resident_kb) / 1024,
          .grown_kb = static_cast<double>(now.resident_kb - usage_.resident_kb)};
}

std::string percentiles(std::vector<double> microseconds) {
  std::ranges::sort(microseconds);
  const auto at = [&](double share) {
    if (microseconds.empty()) return 0.0;
    const auto index = static_cast<std::size_t>(share * static_cast<double>(microseconds.size()));
    return microseconds[std::min(microseconds.size() - 1, index)];
  };
  return fmt::format("n={} p50_us={:.1f} p90_us={:.1f} p99_us={:.1f} p999_us={:.1f} max_us={:.1f}",
                     microseconds.size(), at(.5), at(.9), at(.99), at(.999), at(1));
}

}  // namespace barnabas::wirebench
