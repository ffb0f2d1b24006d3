// Compaction of transactions: aborted data goes at once, markers when nothing of their transaction is left.
#include "log/cleaner_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;
using Offsets = std::vector<std::int64_t>;

struct Transactions : Compacted {
  Transactions() {
    config.delete_retention_ms = 1000;
    open();
  }
  std::map<std::int64_t, std::int32_t> sequences;

  Bytes written(std::int64_t producer, const KeyValues& records) {
    protocol::BatchOptions batch;
    batch.producer_id = ProducerId(producer);
    batch.producer_epoch = ProducerEpoch(0);
    batch.base_sequence = sequences[producer];
    batch.is_transactional = true;
    sequences[producer] += static_cast<std::int32_t>(records.size());
    return keyed_batch(records, batch, clock.now_ms);
  }
  Bytes end(std::int64_t producer, bool commit) {
    protocol::BatchOptions batch;
    batch.producer_id = ProducerId(producer);
    batch.producer_epoch = ProducerEpoch(0);
    auto type = commit ? protocol::ControlType::kCommit : protocol::ControlType::kAbort;
    return protocol::make_end_txn_batch(batch, clock.now_ms, type, {0});
  }
  void commit(std::int64_t producer) { put_segment(end(producer, true), AppendOrigin::kCoordinator); }
  void abort(std::int64_t producer) { put_segment(end(producer, false), AppendOrigin::kCoordinator); }

  /// Base offsets of the control batches that still hold their record.
  Offsets markers() {
    Offsets found;
    for (const Bytes& entry : entries()) {
      protocol::RecordBatchView batch{ByteView(entry)};
      if (batch.is_control() && batch.count() > 0) found.push_back(batch.base_offset().value());
    }
    return found;
  }
  void expire_producers() {
    clock.now_ms += config.producer_id_expiration_ms + 1;
    log->expire_producers(clock.now_ms);
  }
};

TEST_CASE_METHOD(Transactions, "aborted records go, and do not supersede what was committed") {
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(written(5, {{"a", "2"}, {"b", "2"}}));
  abort(5);
  put_segment(written(6, {{"c", "3"}}));
  commit(6);
  put_segment(keyed_batch({{"x", "1"}}));
  clean();
  CHECK(last_values(records())["a"] == "1");
  CHECK(offsets() == Offsets{0, 4, 6});
  CHECK(markers() == Offsets{3, 5});
  CHECK(must(log->aborted_transactions(Offset(0), log->log_end_offset())).empty() == false);
}

TEST_CASE_METHOD(Transactions, "nothing at or above an open transaction is cleaned") {
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"a", "2"}}));
  put_segment(written(5, {{"b", "1"}}));
  put_segment(keyed_batch({{"a", "3"}}));
  CHECK(log->last_stable_offset() == Offset(2));
  CHECK(clean().to == Offset(2));
  CHECK(offsets() == Offsets{1, 2, 3});
  commit(5);
  clean();
  CHECK(offsets() == Offsets{2, 3});
}

TEST_CASE_METHOD(Transactions, "a marker whose records are gone has a horizon set, and goes after it") {
  put_segment(written(5, {{"a", "1"}}));
  abort(5);
  put_segment(written(5, {{"b", "1"}}));
  commit(5);
  put_segment(keyed_batch({{"b", "2"}, {"c", "1"}}));
  expire_producers();
  clean();  // the aborted record is met and goes; its marker is not free yet
  CHECK(offsets() == Offsets{4, 5});
  CHECK(markers() == Offsets{1, 3});
  put_segment(keyed_batch({{"d", "1"}}));
  std::int64_t horizon_ms = clock.now_ms + config.delete_retention_ms;
  clean();
  CHECK(markers() == Offsets{1, 3});
  for (const Bytes& entry : entries()) {
    protocol::RecordBatchView batch{ByteView(entry)};
    if (batch.is_control()) CHECK(batch.delete_horizon_ms() == horizon_ms);
  }
  put_segment(keyed_batch({{"e", "1"}}));
  clock.now_ms = horizon_ms - 1;
  clean();
  CHECK(markers() == Offsets{1, 3});
  put_segment(keyed_batch({{"f", "1"}}));
  clock.now_ms = horizon_ms;
  clean();
  CHECK(markers().empty());
  CHECK(offsets() == Offsets{4, 5, 6, 7, 8});
  reopen(false);
  CHECK(log->last_stable_offset() == log->log_end_offset());
}

TEST_CASE_METHOD(Transactions, "the new segment's transaction index has what its markers still end") {
  put_segment(written(5, {{"a", "1"}}));
  put_segment(written(6, {{"b", "1"}}));
  abort(5);
  abort(6);
  put_segment(keyed_batch({{"c", "1"}}));
  clean();
  auto aborted = must(log->aborted_transactions(Offset(0), log->log_end_offset()));
  // The first cleaning met their records; read_committed readers that hold an older fetch still need them.
  REQUIRE(aborted.size() == 2);
  CHECK(aborted[0].producer_id == ProducerId(5));
  CHECK(aborted[0].first_offset == Offset(0));
  CHECK(aborted[0].last_offset == Offset(2));
  CHECK(aborted[1].last_offset == Offset(3));
  CHECK(files_ending(".txnindex") == 1);
  expire_producers();
  clean();  // drops the empty batches that stood for the producers
  CHECK(must(log->aborted_transactions(Offset(0), log->log_end_offset())).size() == 2);
  clean();
  CHECK(must(log->aborted_transactions(Offset(0), log->log_end_offset())).empty());
  CHECK(files_ending(".txnindex") == 0);
}

TEST_CASE_METHOD(Transactions, "a transaction that ends in a later group is still known to be aborted") {
  config.segment_bytes = 150;  // every segment a group of its own
  log->set_config(config);
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(written(5, {{"a", "2"}}));
  put_segment(keyed_batch({{"z", "1"}, {"y", "1"}, {"w", "1"}}));
  put_segment(written(5, {{"a", "3"}}));
  put_segment(keyed_batch({{"z", "2"}, {"y", "2"}, {"w", "1"}}));
  abort(5);
  put_segment(keyed_batch({{"c", "1"}}));
  clean();
  CHECK(last_values(records())["a"] == "1");
  CHECK(must(log->aborted_transactions(Offset(0), log->log_end_offset())).size() == 1);
}

TEST_CASE_METHOD(Transactions, "the last marker of a producer that wrote nothing else stays for its epoch") {
  put_segment(end(7, true), AppendOrigin::kCoordinator);
  put_segment(keyed_batch({{"a", "1"}}));
  put_segment(keyed_batch({{"b", "1"}}));
  clean();
  clock.now_ms += config.delete_retention_ms;
  clean();
  REQUIRE(!entries().empty());
  Bytes first = entries()[0];
  CHECK(protocol::RecordBatchView(first).is_control());
  CHECK(protocol::RecordBatchView(first).count() == 0);
  CHECK(protocol::RecordBatchView(first).producer_id() == ProducerId(7));
}

}  // namespace
}  // namespace barnabas::log
