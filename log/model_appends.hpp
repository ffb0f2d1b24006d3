// The appends that a log and its model are fed: what clients, coordinators and a leader send, and what is
// refused of it. A part of ModelOperations (model_operations.hpp).
#pragma once

#include <algorithm>

#include "log/model_testing.hpp"
#include "protocol/legacy_message_set.hpp"

namespace barnabas::log::testing {

class ModelAppends : public ModelledLog {
 protected:
  using ModelledLog::ModelledLog;

  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return random_->below(bound); }
  [[nodiscard]] bool one_in(std::uint64_t n) { return below(n) == 0; }
  [[nodiscard]] std::uint64_t range() const {
    return static_cast<std::uint64_t>(model.log_end - model.log_start);
  }
  template <class... Arguments>
  void tell(fmt::format_string<Arguments...> what, Arguments&&... arguments) {
    told_ += fmt::format(what, std::forward<Arguments>(arguments)...);
  }

  protocol::BatchOptions batch_options() {
    protocol::BatchOptions how;
    how.codec =
        one_in(2) ? protocol::Codec::kNone : static_cast<protocol::Codec>(below(protocol::kCodecCount));
    return how;
  }

  Bytes random_batch(const protocol::BatchOptions& how, bool needs_keys) {
    protocol::RecordBatchBuilder builder(how);
    std::string value(1 + below(one_in(10) ? 400 : 40), static_cast<char>('a' + below(26)));
    std::int64_t time_ms = clock.now_ms - static_cast<std::int64_t>(below(one_in(5) ? 3'000 : 20));
    for (std::uint64_t left = 1 + below(6); left > 0; --left) {
      std::string key = "key-" + std::to_string(below(25));
      protocol::RecordInput record;
      record.timestamp = time_ms + static_cast<std::int64_t>(below(30)) - 15;
      if (needs_keys || !one_in(4)) record.key = as_bytes(key);
      if (!one_in(5)) record.value = as_bytes(value);
      builder.append(record);
    }
    return builder.build();
  }

  ModelBatch in_model(ByteView bytes) {
    protocol::RecordScratch scratch;
    return good(model_batch(protocol::LogEntry(bytes), scratch), "a batch that is made");
  }

  /// What a batch that a client sends is stored as.
  ModelBatch stored(ByteView bytes) {
    ModelBatch batch = in_model(bytes);
    batch.move_to(model.log_end);
    batch.epoch = epoch_;
    if (config.message_timestamp_type == TimestampType::kLogAppendTime) batch.stamp(clock.now_ms);
    if (config.compression != CompressionSetting::kProducer)
      batch.codec = static_cast<protocol::Codec>(static_cast<int>(config.compression) - 1);
    return batch;
  }

  void append_client(Bytes bytes) {
    ModelBatch batch = stored(bytes);
    const ModelBatch* known = model.duplicate_of(batch);
    auto refused = model.refusal(batch, true);
    bool is_kept = in_model(bytes).codec == batch.codec;
    if (known == nullptr && is_kept && bytes.size() > static_cast<std::size_t>(config.segment_bytes))
      refused = ErrorCode::kRecordListTooLarge;
    tell("produce {}", to_string(batch));
    auto done = append(*log, std::move(bytes), epoch_.value());
    if (known != nullptr) {
      expect(done && done->duplicate && done->base_offset == known->base && done->last_offset == known->last,
             "a repeat of {} is not answered as one", to_string(*known));
      return;
    }
    // Written anew in another codec it may be larger.
    if (!done && !is_kept && done.error().error.code == ErrorCode::kRecordListTooLarge) return;
    if (refused) {
      expect(!done && done.error().error.code == *refused, "should be refused with {}: {}",
             static_cast<int>(*refused), done ? "is taken" : done.error().error.detail);
      return;
    }
    if (!done) throw Mismatch("an append is refused: " + done.error().error.detail);
    batch.size = done->size_bytes;
    take({batch}, *done);
  }

  void take(const std::vector<ModelBatch>& batches, const AppendResult& done) {
    Offset base = batches.front().base;
    bool rolled = model.append(batches, clock.now_ms);
    expect(done.base_offset == base && done.last_offset == batches.back().last,
           "appended at {} to {}, not {} to {}", done.base_offset.value(), done.last_offset.value(),
           base.value(), batches.back().last.value());
    expect(done.rolled == rolled, "the append {} a segment", rolled ? "should close" : "closed");
    if (one_in(2)) move_high_watermark();
  }

  void append_plain() { append_client(random_batch(batch_options(), config.cleanup_compact)); }

  /// A producer that goes on where the log knows it to be, or a new one.
  std::pair<ProducerId, ModelProducer> some_producer() {
    auto known = model.active_producers(clock.now_ms);
    if (known.size() < 4 && (known.empty() || one_in(3))) return {ProducerId(++last_producer_), {}};
    ProducerId id = known[below(known.size())].id;
    return {id, model.producers.at(id)};
  }

  void append_produced() {
    auto [id, producer] = some_producer();
    protocol::BatchOptions how = batch_options();
    how.producer_id = id;
    how.producer_epoch = std::max(producer.epoch, ProducerEpoch(0));
    how.base_sequence = protocol::increment_sequence(std::max(producer.last_sequence, -1) + 0, 1);
    bool is_new = producer.epoch == kNoProducerEpoch;
    if (is_new && one_in(4)) how.base_sequence = INT32_MAX - static_cast<std::int32_t>(below(10));
    how.is_transactional = producer.transaction_start != kNoOffset || one_in(2);
    if (how.is_transactional && producer.transaction_start == kNoOffset && one_in(4) && !is_new) {
      how.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(producer.epoch.value() + 1));
      how.base_sequence = 0;
    }
    append_client(random_batch(how, config.cleanup_compact));
  }

  void append_marker() {
    auto known = model.active_producers(clock.now_ms);
    std::erase_if(known,
                  [&](const ActiveProducer& one) { return one.current_transaction_start == kNoOffset; });
    if (known.empty()) return append_produced();
    const ActiveProducer& one = known[below(known.size())];
    protocol::BatchOptions how;
    how.producer_id = one.id;
    how.producer_epoch = one.epoch;
    if (one_in(3)) how.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(one.epoch.value() + 1));
    auto type = one_in(2) ? protocol::ControlType::kCommit : protocol::ControlType::kAbort;
    std::int32_t coordinator = std::max(one.coordinator_epoch, 0) + static_cast<std::int32_t>(below(2));
    if (one.coordinator_epoch > 0 && one_in(6)) coordinator = one.coordinator_epoch - 1;
    append_trusted({protocol::make_end_txn_batch(how, clock.now_ms, type, {coordinator})});
  }

  /// Batches of one call, as a coordinator makes them.
  void append_several() {
    std::vector<Bytes> batches;
    for (std::uint64_t left = 1 + below(4); left > 0; --left)
      batches.push_back(random_batch(batch_options(), config.cleanup_compact));
    append_trusted(batches);
  }

  void append_trusted(const std::vector<Bytes>& batches) {
    Bytes bytes;
    std::vector<ModelBatch> wanted;
    Offset next = model.log_end;
    for (const Bytes& one : batches) {
      bytes.insert(bytes.end(), one.begin(), one.end());
      wanted.push_back(in_model(one));
      wanted.back().move_to(next);
      wanted.back().epoch = epoch_;
      if (config.message_timestamp_type == TimestampType::kLogAppendTime) wanted.back().stamp(clock.now_ms);
      next = wanted.back().last + 1;
      tell("write {}; ", to_string(wanted.back()));
    }
    auto refused = model.refusal(wanted.front(), false);
    auto done = append(*log, std::move(bytes), epoch_.value(), AppendOrigin::kCoordinator);
    if (refused) {
      expect(!done && done.error().error.code == *refused, "should be refused with {}",
             static_cast<int>(*refused));
      return;
    }
    if (!done) throw Mismatch("a write is refused: " + done.error().error.detail);
    take(wanted, *done);
  }

  /// What a follower fetches: offsets with holes, and messages of the old formats.
  void append_fetched() {
    Bytes bytes;
    std::vector<ModelBatch> wanted;
    Offset next = model.log_end;
    for (std::uint64_t left = 1 + below(3); left > 0; --left) {
      const Offset before = next;
      if (one_in(4)) next = next + static_cast<std::int64_t>(below(5));
      const bool is_legacy = one_in(5);
      has_gaps_ = has_gaps_ || next != before || is_legacy;
      Bytes one = is_legacy ? legacy_message(next) : random_batch(batch_options(), config.cleanup_compact);
      protocol::set_base_offset(one, next);
      if (one[protocol::batch_field::kMagic] == 2) protocol::set_leader_epoch(one, epoch_);
      wanted.push_back(in_model(one));
      bytes.insert(bytes.end(), one.begin(), one.end());
      next = wanted.back().last + 1;
      tell("fetch {}; ", to_string(wanted.back()));
    }
    take(wanted, good(log->append_as_follower(bytes), "append_as_follower"));
  }

  Bytes legacy_message(Offset offset) {
    protocol::LegacySetOptions how;
    how.magic = static_cast<std::int8_t>(below(2));
    protocol::LegacySetBuilder builder(how);
    protocol::Compressor compressor;
    std::string key = "key-" + std::to_string(below(25));
    builder.append(offset, clock.now_ms - static_cast<std::int64_t>(below(1'000)), as_bytes(key),
                   as_bytes("old"));
    return builder.build(compressor);
  }

  /// Repeats, gaps, old epochs, writes beside an open transaction, batches that are too large.
  void append_refused() {
    auto known = model.active_producers(clock.now_ms);
    if (known.empty()) return append_produced();
    ActiveProducer one = known[below(known.size())];
    protocol::BatchOptions how;
    how.producer_id = one.id;
    how.producer_epoch = one.epoch;
    how.base_sequence = protocol::increment_sequence(std::max(one.last_sequence, 0), 1);
    how.is_transactional = one.current_transaction_start != kNoOffset;
    const auto& remembered = model.producers.at(one.id).remembered;
    switch (below(4)) {
      case 0:
        if (remembered.empty()) return append_plain();
        return repeat(remembered[below(remembered.size())]);
      case 1:
        how.base_sequence = protocol::increment_sequence(how.base_sequence, 1 + static_cast<int>(below(9)));
        break;
      case 2:
        if (one.epoch == ProducerEpoch(0)) return append_plain();
        how.producer_epoch = ProducerEpoch(static_cast<std::int16_t>(one.epoch.value() - 1));
        break;
      default:
        how.is_transactional = false;
    }
    append_client(random_batch(how, config.cleanup_compact));
  }

  void repeat(const ModelBatch& known) {
    protocol::BatchOptions how;
    how.producer_id = known.producer_id;
    how.producer_epoch = known.producer_epoch;
    how.base_sequence = known.base_sequence;
    how.is_transactional = known.is_transactional;
    protocol::RecordBatchBuilder builder(how);
    for (Offset offset = known.base; offset <= known.last; offset = offset + 1)
      builder.append({clock.now_ms, as_bytes("key"), as_bytes("again"), {}});
    append_client(builder.build());
  }

  void move_high_watermark() {
    auto ahead = static_cast<std::uint64_t>(model.log_end - model.high_watermark);
    Offset to =
        one_in(3) ? model.high_watermark + static_cast<std::int64_t>(below(ahead + 1)) : model.log_end;
    tell(" high watermark {}", to.value());
    log->set_high_watermark(to);
    model.set_high_watermark(to);
  }

  Random* random_ = nullptr;  // of the operation under way
  LeaderEpoch epoch_{0};
  std::int64_t last_producer_ = 0;
  bool has_gaps_ = false;  // a follower was given offsets without a batch that tells an epoch
  std::string told_;
};

}  // namespace barnabas::log::testing
