// What the log's tests share: batches, temporary directories, a clock that stands still.
#pragma once

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/posix_file_system.hpp"
#include "log/log_manager.hpp"
#include "log/partition_log.hpp"
#include "protocol/control_record.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/records.hpp"

namespace barnabas::log::testing {

/// The value, or a failed test with the error's text.
template <class T>
T must(Result<T> result) {
  if (!result) FAIL(result.error().detail << " (error " << static_cast<int>(result.error().code) << ")");
  return std::move(*result);
}
inline void must(Result<void> result) {
  if (!result) FAIL(result.error().detail << " (error " << static_cast<int>(result.error().code) << ")");
}
inline AppendResult must(std::expected<AppendResult, AppendError> result) {
  if (!result)
    FAIL(result.error().error.detail << " (error " << static_cast<int>(result.error().error.code) << ")");
  return *result;
}

class StillClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return now_ms; }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override {
    return std::chrono::milliseconds(now_ms);
  }
  std::int64_t now_ms = 1'700'000'000'000;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/barnabas-log-test-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { (void)PosixFileSystem().remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct BatchSpec {
  int count = 1;
  std::int64_t timestamp = 1'700'000'000'000;
  std::int64_t timestamp_step = 1;
  std::string key = "key";
  std::string value = "value";
  bool null_key = false;
  protocol::BatchOptions options = {};
};

inline Bytes make_batch(const BatchSpec& spec = {}) {
  protocol::RecordBatchBuilder builder(spec.options);
  for (int i = 0; i < spec.count; ++i) {
    protocol::RecordInput record;
    record.timestamp = spec.timestamp + i * spec.timestamp_step;
    if (!spec.null_key) record.key = as_bytes(spec.key);
    record.value = as_bytes(spec.value);
    builder.append(record);
  }
  return builder.build();
}

inline Bytes make_produced(ProducerId id, std::int16_t epoch, std::int32_t sequence, int count = 1,
                           bool transactional = false) {
  BatchSpec spec;
  spec.count = count;
  spec.options.producer_id = id;
  spec.options.producer_epoch = ProducerEpoch(epoch);
  spec.options.base_sequence = sequence;
  spec.options.is_transactional = transactional;
  return make_batch(spec);
}

inline Bytes make_marker(ProducerId id, std::int16_t epoch, bool commit, std::int32_t coordinator_epoch = 0) {
  protocol::BatchOptions options = {};
  options.producer_id = id;
  options.producer_epoch = ProducerEpoch(epoch);
  return protocol::make_end_txn_batch(options, 1'700'000'000'000,
                                      commit ? protocol::ControlType::kCommit : protocol::ControlType::kAbort,
                                      {coordinator_epoch});
}

inline std::expected<AppendResult, AppendError> append(PartitionLog& log, Bytes batch, std::int32_t epoch = 0,
                                                       AppendOrigin origin = AppendOrigin::kClient) {
  AppendOptions options;
  options.origin = origin;
  options.leader_epoch = LeaderEpoch(epoch);
  return log.append_as_leader(batch, options);
}

inline Bytes read_bytes(PartitionLog& log, std::int64_t from, std::uint64_t max_bytes = 1 << 20) {
  ReadOptions options;
  options.from = Offset(from);
  options.up_to = log.log_end_offset();
  options.max_bytes = max_bytes;
  options.at_least_one_batch = true;
  return must(log.read_bytes(options));
}

/// Base offsets of the whole batches from `from` to the log end.
inline std::vector<std::int64_t> base_offsets(PartitionLog& log, std::int64_t from = 0) {
  std::vector<std::int64_t> offsets;
  while (Offset(from) < log.log_end_offset()) {
    Bytes bytes = read_bytes(log, from);
    protocol::BatchCursor cursor(bytes);
    std::size_t before = offsets.size();
    while (auto entry = must(cursor.next())) {
      CHECK(entry->batch().crc_matches());
      offsets.push_back(entry->batch().base_offset().value());
      from = entry->last_offset().value() + 1;
    }
    if (offsets.size() == before) break;
  }
  return offsets;
}

inline OpenLogOptions options_for(const std::string& directory, const LogConfig& config = {}) {
  OpenLogOptions options;
  options.directory = directory + "/t-0";
  options.topic_partition = {"t", PartitionIndex(0)};
  options.topic_id = TopicId(Uuid::of_low(7777));
  options.config = config;
  return options;
}

}  // namespace barnabas::log::testing
