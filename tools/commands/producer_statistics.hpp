// ProducerStatistics: what kafka-producer-perf-test prints of latencies and throughput.
//
// Owned by a command. Thread safety: none. Units: milliseconds, bytes. Memory: at most half a million
// latencies, beyond that each n-th record is one.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace barnabas::tools {

class ProducerStatistics {
 public:
  /// `kind` stands in the last line: "", or " steady state", which the first line in between tells too.
  /// `reporting_ms` 0: no lines in between.
  ProducerStatistics(std::int64_t records, std::int64_t reporting_ms, std::int64_t now_ms, std::string kind);

  /// A record of `bytes` was acknowledged. Prints the window when it is over.
  void record(std::int64_t latency_ms, std::int64_t bytes, std::int64_t now_ms);
  void print_total(std::int64_t now_ms);
  /// From now on no lines in between.
  void stop_reporting() { reporting_ms_ = 0; }

 private:
  struct Window {
    std::int64_t begun_ms = 0;
    std::int64_t count = 0;
    std::int64_t bytes = 0;
    std::int64_t latency_ms = 0;
    std::int64_t max_latency_ms = 0;
    void add(std::int64_t latency, std::int64_t size);
  };
  void print_window(std::int64_t now_ms) const;

  std::int64_t sampling_;
  std::int64_t reporting_ms_;
  std::string kind_;
  Window total_;
  Window window_;
  std::vector<std::int64_t> latencies_;
};

}  // namespace barnabas::tools
