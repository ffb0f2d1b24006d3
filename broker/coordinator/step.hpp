// Step: one operation's way through a coordinator shard: the time it runs at, the records it wants written,
// and the answers it gives.
//
// Made by the runtime (runtime.hpp) for each operation and owned by it. Thread safety: none, the shard's
// thread. Invariants
//  1. State that survives a restart changes only when records are replayed, after the log took them. An
//  operation
//     that adds records must leave such state alone and go on in `applied`.
//  2. An answer leaves when everything that the shard had written at that moment is committed; when that
//  cannot
//     happen any more it leaves with the error instead.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/error_code.hpp"
#include "base/ids.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {

/// `wall_ms` is what records carry, `mono_ms` is what deadlines are counted in.
struct CoordinatorTime {
  std::int64_t wall_ms = 0;
  std::int64_t mono_ms = 0;
};

/// Called at most once, on the shard's thread. Views in the response are valid during the call.
template <class Response>
using Answer = std::move_only_function<void(const Response&)>;

/// Bytes that clients gave (subscriptions, assignments), kept as long as anybody uses them.
using SharedBytes = std::shared_ptr<const Bytes>;
[[nodiscard]] inline ByteView view_of(const SharedBytes& bytes) {
  return bytes ? ByteView(*bytes) : ByteView();
}

/// Key and value of records, in one buffer.
class RecordList {
 public:
  struct Entry {
    std::size_t key_begin;
    std::size_t value_begin;
    std::size_t end;
    bool tombstone;
  };

  /// `write_key(Writer&)`, `write_value(Writer&)`.
  template <class Key, class Value>
  void add(Key&& write_key, Value&& write_value) {
    Entry entry{buffer_.size(), 0, 0, false};
    write_key(buffer_);
    entry.value_begin = buffer_.size();
    write_value(buffer_);
    entry.end = buffer_.size();
    entries_.push_back(entry);
  }
  template <class Key>
  void add_tombstone(Key&& write_key) {
    Entry entry{buffer_.size(), 0, 0, true};
    write_key(buffer_);
    entry.value_begin = entry.end = buffer_.size();
    entries_.push_back(entry);
  }

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] std::size_t size_bytes() const { return buffer_.size(); }
  [[nodiscard]] const Entry& entry(std::size_t i) const { return entries_[i]; }
  [[nodiscard]] ByteView key(const Entry& entry) const {
    return ByteView(buffer_.buffer()).subspan(entry.key_begin, entry.value_begin - entry.key_begin);
  }
  /// Empty for a tombstone.
  [[nodiscard]] ByteView value(const Entry& entry) const {
    return ByteView(buffer_.buffer()).subspan(entry.value_begin, entry.end - entry.value_begin);
  }
  /// False when a field could not be written (longer than the format can say).
  [[nodiscard]] bool ok() const { return buffer_.ok(); }

 private:
  protocol::Writer buffer_;
  std::vector<Entry> entries_;
};

/// Whose open transaction records belong to (KIP-447).
struct TransactionalWrite {
  ProducerId producer_id;
  ProducerEpoch epoch;
  std::uint64_t guard = 0;  // VerificationGuard::id of the partition's log; 0: none
};
/// The end of a producer's transaction in the shard's partition.
struct TransactionEnd {
  ProducerId producer_id;
  ProducerEpoch epoch;
  std::int32_t coordinator_epoch = -1;
  bool committed = false;
  std::int16_t transaction_version = 0;

  /// False: an id or epoch that means "none", of which no marker can be made. Others below 0 are merely
  /// unknown.
  [[nodiscard]] bool can_be_written() const {
    return producer_id != kNoProducerId && epoch != kNoProducerEpoch;
  }
};

/// Called once: NONE when what it waits for is committed, else the error to answer.
using PendingReply = std::move_only_function<void(ErrorCode)>;

/// A response that says only that.
template <class Response>
[[nodiscard]] Response failed(ErrorCode error) {
  Response response;
  response.error_code = static_cast<std::int16_t>(error);
  return response;
}

/// Makes `response` say that the whole operation failed: in its own field, or in each partition's.
template <class Response>
void set_failed(Response& response, ErrorCode error) {
  const auto code = static_cast<std::int16_t>(error);
  if constexpr (requires { response.group_id; }) {
    auto group_id = std::move(response.group_id);
    response = {};
    response.group_id = std::move(group_id);
    response.error_code = code;
  } else if constexpr (requires { response.error_code; }) {
    response = {};
    response.error_code = code;
  } else {
    for (auto& topic : response.topics) {
      for (auto& partition : topic.partitions) partition.error_code = code;
    }
  }
}

class Step {
 public:
  using Applied = std::move_only_function<void(ErrorCode, std::reference_wrapper<Step>)>;

  /// `all_committed`: nothing that the shard has written awaits its commit.
  Step(CoordinatorTime time, bool all_committed) : now(time), all_committed_(all_committed) {}

  const CoordinatorTime now;
  RecordList records;
  /// Set: the records are a batch of this producer's transaction, and count when that is committed.
  std::optional<TransactionalWrite> transaction;
  /// In place of records: the marker of a transaction that ends.
  std::optional<TransactionEnd> end;
  /// Runs when the records were replayed (NONE), or could not be written (state is as before). After an
  /// exclusive operation it runs before the operation's own objects are gone, so it may refer to them.
  Applied applied;
  /// The records need not be written all or none (sweeps).
  bool may_split = false;

  /// Does not wait for this step's own records: what depends on them is answered in `applied`. `keep` owns
  /// what the response's views show.
  template <class Response>
  void reply(Answer<Response>& answer, Response response, std::vector<SharedBytes> keep = {}) {
    if (!answer) return;
    Answer<Response> taken = std::exchange(answer, nullptr);
    if (all_committed_) return taken(response);
    replies_.push_back([taken = std::move(taken), response = std::move(response),
                        keep = std::move(keep)](ErrorCode error) mutable {
      if (error != ErrorCode::kNone) set_failed(response, error);
      taken(response);
    });
  }
  [[nodiscard]] std::vector<PendingReply> take_replies() { return std::move(replies_); }

 private:
  bool all_committed_;
  std::vector<PendingReply> replies_;
};

}  // namespace barnabas::broker
