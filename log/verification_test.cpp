// Transactional appends that their coordinator has to vouch for (KIP-890), and markers by their epochs.
#include "base/memory_file_system.hpp"
#include "log/log_testing.hpp"

namespace barnabas::log {
namespace {

using namespace testing;

struct Verified {
  MemoryFileSystem files;
  StillClock clock;
  std::unique_ptr<PartitionLog> log;

  Verified() {
    must(files.create_directories("/logs"));
    LogConfig config;
    config.verifies_transactions = true;
    OpenLogOptions options = options_for("/logs", config);
    options.clean = true;
    log = must(open_log(files, clock, options));
  }
  VerificationGuard begin(std::int32_t sequence, std::int16_t epoch = 0, bool supports_bump = false) {
    return log->begin_verification({ProducerId(5), ProducerEpoch(epoch), sequence, supports_bump});
  }
  std::expected<AppendResult, AppendError> write(std::int32_t sequence, VerificationGuard guard,
                                                 std::int16_t epoch = 0) {
    AppendOptions options;
    options.leader_epoch = LeaderEpoch(0);
    options.guard = guard;
    Bytes batch = make_produced(ProducerId(5), epoch, sequence, 1, true);
    return log->append_as_leader(batch, options);
  }
  ErrorCode refused(std::int32_t sequence, VerificationGuard guard, std::int16_t epoch = 0) {
    auto written = write(sequence, guard, epoch);
    return written ? ErrorCode::kNone : written.error().error.code;
  }
  std::expected<AppendResult, AppendError> end(std::int16_t epoch, std::int16_t transaction_version = 0) {
    AppendOptions options;
    options.origin = AppendOrigin::kCoordinator;
    options.leader_epoch = LeaderEpoch(0);
    options.transaction_version = transaction_version;
    Bytes marker = make_marker(ProducerId(5), epoch, true);
    return log->append_as_leader(marker, options);
  }
};

TEST_CASE_METHOD(Verified, "a transaction is opened with a guard, and goes on without") {
  CHECK(refused(0, {}) == ErrorCode::kInvalidTxnState);
  VerificationGuard guard = begin(0);
  CHECK(guard.is_needed());
  CHECK(begin(0) == guard);  // a retry
  CHECK(refused(0, {}) == ErrorCode::kInvalidTxnState);
  CHECK(refused(0, {guard.id + 1}) == ErrorCode::kInvalidTxnState);
  must(write(0, guard));
  CHECK(!begin(1).is_needed());
  must(write(1, {}));
  must(write(0, {}));  // a duplicate is answered whatever it brings
  CHECK(log->log_end_offset() == Offset(2));
}

TEST_CASE_METHOD(Verified, "an end marker between the question and the write makes the guard void") {
  VerificationGuard guard = begin(0);
  must(end(0));
  CHECK(refused(0, guard) == ErrorCode::kInvalidTxnState);
  VerificationGuard another = begin(0);
  CHECK(another.is_needed());
  CHECK(another != guard);
  must(write(0, another));
  must(end(0));
  CHECK(refused(1, another) == ErrorCode::kInvalidTxnState);
}

TEST_CASE_METHOD(Verified, "the marker of the transaction before leaves the next one's guard alone") {
  must(write(0, begin(0, 0, true)));
  VerificationGuard next = begin(0, 1, true);  // its EndTxn was answered, the marker is on its way
  CHECK(next.is_needed());
  must(end(1, 2));
  must(write(0, next, 1));
  // A marker that may end the transaction which was vouched for makes the guard void as ever.
  must(end(2, 2));
  VerificationGuard late = begin(0, 2, true);
  must(end(3, 2));
  CHECK(refused(0, late, 3) == ErrorCode::kInvalidTxnState);
  VerificationGuard without_bump = begin(0, 3);
  must(write(0, without_bump, 3));
  VerificationGuard same_epoch = begin(1, 4);
  must(end(4, 1));
  CHECK(refused(0, same_epoch, 4) == ErrorCode::kInvalidTxnState);
}

TEST_CASE_METHOD(Verified, "a higher sequence does not overtake a lower one that is being verified") {
  VerificationGuard guard = begin(4);
  CHECK(begin(2) == guard);
  CHECK(refused(4, guard) == ErrorCode::kOutOfOrderSequenceNumber);
  must(write(2, guard));
  must(write(3, {}));
}

TEST_CASE_METHOD(Verified, "a new epoch begins its sequences anew") {
  VerificationGuard guard = begin(7);
  CHECK(begin(0, 1) == guard);
  CHECK(refused(1, guard, 1) == ErrorCode::kOutOfOrderSequenceNumber);
  must(write(0, guard, 1));
}

TEST_CASE_METHOD(Verified, "what a zombie asks does not hold up its successor, whose transaction is open") {
  must(write(0, begin(0, 1), 1));
  CHECK(begin(0, 0).is_needed());
  must(write(1, {}, 1));
  CHECK(refused(0, {}, 0) == ErrorCode::kInvalidTxnState);
}

TEST_CASE_METHOD(Verified, "a producer of transaction.version 2 that is not known here begins with 0") {
  VerificationGuard guard = begin(3, 0, true);
  CHECK(refused(3, guard) == ErrorCode::kOutOfOrderSequenceNumber);
  CHECK(begin(0, 0, true) == guard);
  must(write(0, guard));
}

TEST_CASE_METHOD(Verified, "a verification that no write followed is forgotten with the producers") {
  VerificationGuard guard = begin(0);
  clock.now_ms += log->config().producer_id_expiration_ms;
  log->expire_producers(clock.now_ms);
  CHECK(refused(0, guard) == ErrorCode::kInvalidTxnState);
}

TEST_CASE_METHOD(Verified, "markers of transaction.version 2 have an epoch above the transaction's") {
  must(write(0, begin(0)));
  CHECK(end(0, 2).error().error.code == ErrorCode::kInvalidProducerEpoch);
  CHECK(log->active_producers()[0].current_transaction_start == Offset(0));
  must(end(1, 2));
  CHECK(log->active_producers()[0].epoch == ProducerEpoch(1));
  must(end(1, 2));  // a retry: nothing is open any more
  CHECK(end(0, 2).error().error.code == ErrorCode::kInvalidProducerEpoch);
  CHECK(end(0, 1).error().error.code == ErrorCode::kInvalidProducerEpoch);
}

TEST_CASE("without verification a transaction needs no guard") {
  MemoryFileSystem files;
  StillClock clock;
  must(files.create_directories("/logs"));
  OpenLogOptions options = options_for("/logs");
  options.clean = true;
  auto log = must(open_log(files, clock, options));
  must(append(*log, make_produced(ProducerId(5), 0, 0, 1, true)));
}

TEST_CASE("sequences begin at 0 again after the largest") {
  MemoryFileSystem files;
  StillClock clock;
  must(files.create_directories("/logs"));
  OpenLogOptions options = options_for("/logs");
  options.clean = true;
  auto log = must(open_log(files, clock, options));
  must(append(*log, make_produced(ProducerId(5), 0, INT32_MAX - 1, 1)));
  must(append(*log, make_produced(ProducerId(5), 0, INT32_MAX, 3)));  // INT32_MAX, 0, 1
  CHECK(append(*log, make_produced(ProducerId(5), 0, 1)).error().error.code ==
        ErrorCode::kOutOfOrderSequenceNumber);
  CHECK(must(append(*log, make_produced(ProducerId(5), 0, INT32_MAX, 3))).duplicate);
  must(append(*log, make_produced(ProducerId(5), 0, 2)));
  CHECK(log->active_producers()[0].last_sequence == 2);
}

}  // namespace
}  // namespace barnabas::log
