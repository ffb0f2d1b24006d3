// CorruptionCounters: what was found broken on the disk, by what became of it.
//
// The counters are the registry's and outlive every log; all null where nobody counts. Thread-safe.
#pragma once

#include "base/metrics.hpp"

namespace barnabas::log {

struct CorruptionCounters {
  Counter* places = nullptr;          // batches and transaction indexes that are not served, each once
  Counter* files = nullptr;           // indexes, snapshots and checkpoints that were made anew or passed over
  Counter* mended_batches = nullptr;  // whose base offset was wrong and could be known
  Counter* cut_bytes = nullptr;       // that recovery took off the ends of logs: what a crash tears, and rot

  static CorruptionCounters of(MetricsRegistry* metrics) {
    if (metrics == nullptr) return {};
    return {&metrics->counter("barnabas_log_corrupt_places_total"),
            &metrics->counter("barnabas_log_corrupt_files_total"),
            &metrics->counter("barnabas_log_mended_batches_total"),
            &metrics->counter("barnabas_log_recovery_cut_bytes_total")};
  }
};

}  // namespace barnabas::log
