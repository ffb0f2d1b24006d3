// Partition directories that Apache Kafka 4.3.1 wrote (testdata/: pp-1 of 13 batches with producers, restarts
// and a transaction; pz-0 whose segment
// was overwritten with text) open as they are and after losing everything but the batches.
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

/// Stands at the time the files were written: their producers are not expired.
struct KafkaFiles {
  TemporaryDirectory directory;
  PosixFileSystem files;
  StillClock clock;

  KafkaFiles() { clock.now_ms = 1'795'375'200'000; }

  std::unique_ptr<PartitionLog> open(const std::string& name, bool clean, bool only_batches) {
    std::string from = std::string(BARNABAS_SOURCE_DIR) + "/log/testdata/" + name;
    OpenLogOptions options;
    options.directory = directory.path() + "/" + name;
    options.topic_partition = {name.substr(0, 2), PartitionIndex(name.back() - '0')};
    options.clean = clean;
    must(files.create_directories(options.directory));
    for (const auto& entry : must(files.list(from))) {
      if (only_batches && !entry.name.ends_with(".log")) continue;
      must(files.write_file_atomically(options.directory + "/" + entry.name,
                                       must(files.read_file(from + "/" + entry.name))));
    }
    return must(open_log(files, clock, options));
  }
};

TEST_CASE_METHOD(KafkaFiles, "Kafka's own partition directory opens with its offsets, epochs and producers") {
  bool clean = GENERATE(true, false);
  bool only_batches = GENERATE(false, true);
  INFO((clean ? "clean" : "unclean") << (only_batches ? ", batches only" : ""));
  auto log = open("pp-1", clean, only_batches);
  CHECK(log->log_end_offset() == Offset(1127));
  CHECK(base_offsets(*log).size() == 13);
  CHECK(log->end_offset_for_epoch(LeaderEpoch(0)).end_offset == Offset(429));
  CHECK(log->latest_epoch() == LeaderEpoch(2));
  auto producers = log->active_producers();
  REQUIRE(producers.size() == 3);
  CHECK(producers[0].id == ProducerId(9));
  CHECK(producers[0].epoch == ProducerEpoch(1));
  CHECK(producers[0].coordinator_epoch == 0);
  CHECK(producers[1].id == ProducerId(10));
  CHECK(producers[1].last_sequence == 407);
  CHECK(producers[1].last_timestamp_ms == 1'795'374'429'446);
  CHECK(producers[2].id == ProducerId(1000));
  CHECK(producers[2].coordinator_epoch == 2);
  auto latest = must(log->find_max_timestamp());
  REQUIRE(latest.has_value());
  CHECK(latest->timestamp_ms == 1'795'375'106'104);
  if (!only_batches) CHECK(log->topic_id().value().to_string() == "g12Tfp6KSm-WQw0YMbdfaw");
  for (std::int64_t offset = 0; offset < 1127; offset += 13) {
    Bytes bytes = read_bytes(*log, offset, 1);
    protocol::RecordBatchView batch = protocol::LogEntry(ByteView(bytes)).batch();
    CHECK(batch.base_offset() <= Offset(offset));
    CHECK(batch.last_offset() >= Offset(offset));
  }
}

TEST_CASE_METHOD(KafkaFiles,
                 "a segment that holds no batch at all is emptied and the log goes on at its offset") {
  auto log = open("pz-0", GENERATE(true, false), false);
  CHECK(log->log_start_offset() == Offset(5));
  CHECK(log->log_end_offset() == Offset(5));
  CHECK(log->size_bytes() == 0);
  CHECK(must(append(*log, make_batch(), 3)).base_offset == Offset(5));
}

}  // namespace
}  // namespace barnabas::log
