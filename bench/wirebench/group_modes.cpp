// The modes that load coordinators: commits of a group's offsets, and transactions.
//
// Requests are made of the generated messages, unlike those of the other modes: what they cost the client is
// nothing beside a transaction, and commits are encoded once.
#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "bench/wirebench/calls.hpp"
#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"
#include "protocol/messages/api_end_txn.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_offset_commit.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/record_batch_builder.hpp"

namespace barnabas::wirebench {
namespace {

using namespace protocol;  // NOLINT: the messages

constexpr std::int16_t kCommitVersion = 7;
constexpr std::int16_t kInitVersion = 4;
// Of transaction.version 2: the produce makes its partitions part of the transaction, the end bumps the
// epoch.
constexpr std::int16_t kProduceVersion = 12;
constexpr std::int16_t kEndVersion = 5;

int first_error(const OffsetCommitResponse& response) {
  for (const auto& topic : response.topics)
    for (const auto& partition : topic.partitions)
      if (partition.error_code != 0) return partition.error_code;
  return 0;
}

OffsetCommitRequest commit_request(const Options& options, const std::string& group) {
  OffsetCommitRequest request;
  request.group_id = group;
  request.generation_id_or_member_epoch = -1;
  auto& topic = request.topics.emplace_back();
  topic.name = options.topic;
  for (int index = 0; index < options.partitions; ++index) {
    auto& partition = topic.partitions.emplace_back();
    partition.partition_index = index;
    partition.committed_offset = 1'000'000 + index;
    partition.committed_leader_epoch = 0;
    partition.committed_metadata = "";
  }
  return request;
}

/// One transactional producer, which goes on with the epochs that it is given.
class Transactions {
 public:
  Transactions(const Options& options, int number)
      : options_(options), connection_(options.address), id_(fmt::format("{}-{}", options.topic, number)) {
    wait_for_coordinator(connection_, 1, id_);
    InitProducerIdRequest request;
    request.transactional_id = id_;
    request.transaction_timeout_ms = 60000;
    const auto made = call_patiently<InitProducerIdResponse>(
        connection_, request, kInitVersion, "InitProducerId",
        [](const InitProducerIdResponse& response) { return response.error_code; });
    producer_ = ProducerId(made.producer_id);
    epoch_ = ProducerEpoch(made.producer_epoch);
  }

  void run_one() {
    std::vector<Bytes> batches;
    for (int partition = 0; partition < options_.partitions; ++partition)
      batches.push_back(batch_of(partition));
    ProduceRequest produce;
    produce.transactional_id = id_;
    produce.acks = -1;
    produce.timeout_ms = 30000;
    auto& topic = produce.topic_data.emplace_back();
    topic.name = options_.topic;
    for (int partition = 0; partition < options_.partitions; ++partition)
      topic.partition_data.push_back({partition, Records{batches[static_cast<std::size_t>(partition)]}});
    // Until the markers of the one before are written the answer is CONCURRENT_TRANSACTIONS for all
    // partitions.
    (void)call_patiently<ProduceResponse>(
        connection_, produce, kProduceVersion, "Produce", [](const ProduceResponse& response) {
          return response.responses.at(0).partition_responses.at(0).error_code;
        });
    EndTxnRequest end;
    end.transactional_id = id_;
    end.producer_id = producer_.value();
    end.producer_epoch = epoch_.value();
    end.committed = true;
    const auto ended =
        call_patiently<EndTxnResponse>(connection_, end, kEndVersion, "EndTxn",
                                       [](const EndTxnResponse& response) { return response.error_code; });
    producer_ = ProducerId(ended.producer_id);
    epoch_ = ProducerEpoch(ended.producer_epoch);
  }

 private:
  /// Its share of the transaction's records.
  Bytes batch_of(int partition) const {
    BatchOptions how;
    how.producer_id = producer_;
    how.producer_epoch = epoch_;
    how.base_sequence = 0;
    how.is_transactional = true;
    RecordBatchBuilder builder(how);
    for (int record = partition; record < options_.records; record += options_.partitions)
      builder.append({.timestamp = wall_clock_ms(), .key = std::nullopt, .value = value_, .headers = {}});
    return builder.build();
  }

  const Options& options_;
  Connection connection_;
  const std::string id_;
  const Bytes value_ = half_noise(options_.size, 1);
  ProducerId producer_;
  ProducerEpoch epoch_;
};

}  // namespace

int run_commits(const Options& options) {
  Connection connection(options.address);
  std::vector<Bytes> frames;
  for (int number = 0; number < options.count; ++number) {
    const std::string group = fmt::format("{}-{}", options.topic, number);
    wait_for_coordinator(connection, 0, group);
    const OffsetCommitRequest request = commit_request(options, group);
    (void)call_patiently<OffsetCommitResponse>(connection, request, kCommitVersion, "OffsetCommit",
                                               first_error);
    frames.push_back(frame_of(request, kCommitVersion));
  }
  const Measurement measurement(options.pid);
  long sent = 0;
  long answered = 0;
  const auto wants_more = [&] {
    return options.batches != 0 ? sent < options.batches : measurement.seconds() < options.seconds;
  };
  while (wants_more() || answered < sent) {
    while (sent - answered < options.depth && wants_more())
      connection.send(frames[static_cast<std::size_t>(sent++) % frames.size()]);
    if (answered == sent) break;
    expect_no_error(first_error(answer_of<OffsetCommitResponse>(connection, kCommitVersion)), "OffsetCommit");
    ++answered;
  }
  const Measurement::Used used = measurement.used();
  fmt::print("mode=commits groups={} partitions={} depth={} seconds={:.2f} commits={} commits_s={:.0f}",
             options.count, options.partitions, options.depth, used.seconds, answered,
             static_cast<double>(answered) / used.seconds);
  if (measurement.has_process())
    fmt::print(" cpu_s={:.2f} cpu_us_per_commit={:.2f} rss_mb={:.1f}", used.cpu_seconds,
               used.cpu_seconds * 1e6 / static_cast<double>(answered), used.resident_mb);
  fmt::print("\n");
  return 0;
}

int run_transactions(const Options& options) {
  std::vector<std::unique_ptr<Transactions>> producers;
  for (int number = 0; number < options.connections; ++number) {
    producers.push_back(std::make_unique<Transactions>(options, number));
    producers.back()->run_one();
  }
  const Measurement measurement(options.pid);
  std::atomic<long> done = 0;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (const auto& producer : producers) {
      threads.emplace_back([&, transactions = producer.get()] {
        try {
          for (; measurement.seconds() < options.seconds; ++done) transactions->run_one();
        } catch (const std::exception& error) {
          fmt::print(stderr, "{}\n", error.what());
          ++failed;
        }
      });
    }
  }
  const Measurement::Used used = measurement.used();
  const auto count = static_cast<double>(done);
  fmt::print(
      "mode=transactions records={} size={} partitions={} connections={} seconds={:.2f} "
      "transactions_s={:.0f}",
      options.records, options.size, options.partitions, options.connections, used.seconds,
      count / used.seconds);
  if (measurement.has_process())
    fmt::print(" cpu_s={:.2f} cpu_us_per_transaction={:.2f} rss_mb={:.1f}", used.cpu_seconds,
               used.cpu_seconds * 1e6 / count, used.resident_mb);
  fmt::print("\n");
  return failed == 0 ? 0 : 1;
}

}  // namespace barnabas::wirebench
