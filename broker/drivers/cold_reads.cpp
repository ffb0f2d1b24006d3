#include "broker/drivers/cold_reads.hpp"

#include <algorithm>
#include <utility>

namespace barnabas::broker {

ColdReads::ColdReads(MetricsRegistry& metrics, Options options)
    : options_(options),
      loads_(metrics.counter("barnabas_log_cold_reads_total")),
      loaded_bytes_(metrics.counter("barnabas_log_cold_read_bytes_total")),
      dropped_bytes_(metrics.counter("barnabas_log_cold_read_dropped_bytes_total")),
      pool_("cold-reads", options.threads) {}

void ColdReads::load(std::vector<log::FileSlice> ranges, Done done) {
  pool_.run([this, ranges = std::move(ranges), done = std::move(done)]() mutable {
    if (!stopping_) load_now(ranges);
    done();
  });
}

void ColdReads::stop() {
  stopping_ = true;
  pool_.stop();
}

void ColdReads::load_now(const std::vector<log::FileSlice>& ranges) {
  for (const log::FileSlice& range : ranges) {
    range.file->load_into_cache(range.position, range.size);
    range.file->will_need(range.position + range.size, options_.read_ahead_bytes);
    remember({range.file, range.position, range.size + options_.read_ahead_bytes});
    loads_.add();
    loaded_bytes_.add(range.size);
  }
}

void ColdReads::remember(log::FileSlice range) {
  if (options_.kept_bytes == 0) return;
  std::vector<Loaded> old;
  {
    const std::lock_guard lock(mutex_);
    for (const Loaded& known : loaded_) {
      const std::uint64_t known_end = known.position + known.size;
      if (known.file.lock() != range.file || known.position > range.position || known_end <= range.position)
        continue;
      const std::uint64_t both = std::min(range.size, known_end - range.position);
      range.position += both;
      range.size -= both;
    }
    if (range.size == 0) return;
    loaded_size_ += range.size;
    loaded_.push_back({range.file, range.position, range.size});
    while (loaded_size_ > options_.kept_bytes && loaded_.size() > 1) {
      loaded_size_ -= loaded_.front().size;
      old.push_back(std::move(loaded_.front()));
      loaded_.pop_front();
    }
  }
  for (const Loaded& one : old) {
    const auto file = one.file.lock();
    if (file == nullptr) continue;  // deleted, and its cache with it
    file->drop_from_cache(one.position, one.size);
    dropped_bytes_.add(one.size);
  }
}

}  // namespace barnabas::broker
