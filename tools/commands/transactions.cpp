// kafka-transactions: what transactions and their producers are at, and an end to those that hang.
#include "tools/client/transactions.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>

#include "tools/client/topic_description.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/tab_table.hpp"

namespace barnabas::tools {
namespace {

using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kPartitionsPerRequest = 500;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// What was being done when it failed.
std::unexpected<Error> failed(const std::string& what, const Error& error) {
  return misuse(fmt::format("{}: {}. Enable debug logging for additional detail.", what, error.detail));
}

TopicPartition partition_of(const ArgparseOptions& options) {
  return {options.text("topic"), PartitionIndex(static_cast<std::int32_t>(*options.number("partition")))};
}

std::optional<BrokerId> broker_of(const ArgparseOptions& options) {
  const auto id = options.number("broker-id");
  return id ? std::optional(BrokerId(static_cast<std::int32_t>(*id))) : std::nullopt;
}

Result<void> list(Admin& admin, const ArgparseOptions& options) {
  TransactionFilter filter;
  filter.longer_than_ms = options.number("duration-filter").value_or(-1);
  // An empty pattern is none.
  if (!options.text("transactional-id-pattern").empty())
    filter.pattern = options.text("transactional-id-pattern");
  const auto listed = list_transactions(admin, filter);
  if (!listed) return failed("Failed to list transactions", listed.error());
  Rows rows = {{"TransactionalId", "Coordinator", "ProducerId", "TransactionState"}};
  for (const auto& transaction : *listed)
    rows.push_back({transaction.id, std::to_string(transaction.coordinator.value()),
                    std::to_string(transaction.producer_id), transaction.state});
  fmt::print("{}", tab_table(rows));
  return {};
}

Result<void> describe(Admin& admin, const ArgparseOptions& options) {
  const std::string id = options.text("transactional-id");
  const auto described = describe_transaction(admin, id);
  if (!described)
    return failed(fmt::format("Failed to describe transaction state of transactional-id `{}`", id),
                  described.error());
  std::vector<std::string> partitions;
  for (const auto& partition : described->partitions) partitions.push_back(to_string(partition));
  const auto& start = described->start_ms;
  const Rows rows = {
      {"CoordinatorId", "TransactionalId", "ProducerId", "ProducerEpoch", "TransactionState",
       "TransactionTimeoutMs", "CurrentTransactionStartTimeMs", "TransactionDurationMs", "TopicPartitions"},
      {std::to_string(described->coordinator.value()), id, std::to_string(described->producer_id),
       std::to_string(described->producer_epoch), described->state, std::to_string(described->timeout_ms),
       start ? std::to_string(*start) : "None", start ? std::to_string(now_ms() - *start) : "None",
       fmt::format("{}", fmt::join(partitions, ","))}};
  fmt::print("{}", tab_table(rows));
  return {};
}

Result<void> print_producers(Admin& admin, const ArgparseOptions& options) {
  const TopicPartition partition = partition_of(options);
  const auto broker = broker_of(options);
  const auto found = describe_producers(admin, {partition}, broker);
  if (!found)
    return failed(fmt::format("Failed to describe producers for partition {} on {}", to_string(partition),
                              broker ? fmt::format("broker {}", broker->value()) : "leader"),
                  found.error());
  Rows rows = {{"ProducerId", "ProducerEpoch", "LatestCoordinatorEpoch", "LastSequence", "LastTimestamp",
                "CurrentTransactionStartOffset"}};
  for (const auto& producer : found->at(partition))
    rows.push_back({std::to_string(producer.id), std::to_string(producer.epoch),
                    std::to_string(producer.coordinator_epoch), std::to_string(producer.last_sequence),
                    std::to_string(producer.last_timestamp_ms),
                    producer.open_since ? std::to_string(*producer.open_since) : "None"});
  fmt::print("{}", tab_table(rows));
  return {};
}

/// By the offset that it begins at.
Result<OpenTransaction> find_open(Admin& admin, const TopicPartition& partition, std::int64_t start) {
  const auto found = describe_producers(admin, {partition}, {});
  if (!found)
    return failed(fmt::format("Failed to validate producer state for partition {}", to_string(partition)),
                  found.error());
  const auto& producers = found->at(partition);
  const auto producer = std::ranges::find(producers, std::optional(start), &ProducerState::open_since);
  if (producer == producers.end())
    return misuse(fmt::format("Could not find any open transactions starting at offset {} on partition {}",
                              start, to_string(partition)));
  return OpenTransaction{.partition = partition,
                         .producer_id = producer->id,
                         .producer_epoch = static_cast<std::int16_t>(producer->epoch),
                         .coordinator_epoch = producer->coordinator_epoch};
}

/// As brokers before 3.0 need it, which do not describe their producers.
Result<OpenTransaction> named_transaction(const ArgparseOptions& options) {
  if (!options.has("producer-id"))
    return misuse(
        "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or "
        "above) "
        "or with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)");
  for (const char* option : {"producer-epoch", "coordinator-epoch"})
    if (!options.has(option)) return misuse(fmt::format("Missing required argument --{}", option));
  const std::int64_t epoch = *options.number("producer-epoch");
  if (epoch != static_cast<std::int16_t>(epoch))
    return misuse(
        fmt::format("argument --producer-epoch: could not convert '{0}' to Short (Value out of range. "
                    "Value:\"{0}\" Radix:10)",
                    epoch));
  return OpenTransaction{
      .partition = partition_of(options),
      .producer_id = *options.number("producer-id"),
      .producer_epoch = static_cast<std::int16_t>(epoch),
      .coordinator_epoch = static_cast<std::int32_t>(*options.number("coordinator-epoch"))};
}

Result<void> abort(Admin& admin, const ArgparseOptions& options) {
  OpenTransaction transaction =
      options.has("start-offset")
          ? TRY(find_open(admin, partition_of(options), *options.number("start-offset")))
          : TRY(named_transaction(options));
  // No marker of this producer came here yet; 0 is below every coordinator's epoch.
  transaction.coordinator_epoch = std::max(transaction.coordinator_epoch, 0);
  const auto aborted = abort_transaction(admin, transaction);
  if (!aborted) return failed("Failed to abort transaction " + to_string(transaction), aborted.error());
  return {};
}

Result<void> force_terminate(Admin& admin, const ArgparseOptions& options) {
  const std::string id = options.text("transactionalId");
  const auto done = force_terminate_transaction(admin, id);
  if (!done) return failed(fmt::format("Failed to force terminate transactionalId `{}`", id), done.error());
  return {};
}

/// Those of a topic, of a broker, or of both.
Result<std::set<TopicPartition>> partitions_to_search(Admin& admin, const ArgparseOptions& options) {
  if (options.has("partition")) return std::set{partition_of(options)};
  std::vector<std::string> topics;
  if (options.has("topic")) {
    topics = {options.text("topic")};
  } else {
    auto all = list_topics(admin);
    if (!all) return failed("Failed to list topics", all.error());
    topics = *std::move(all);
  }
  const auto described = describe_topics(admin, topics);
  if (!described)
    return failed(fmt::format("Failed to describe {} topics", topics.size()), described.error());
  const auto broker = broker_of(options);
  std::set<TopicPartition> partitions;
  for (const auto& topic : *described)
    for (const auto& partition : topic.partitions)
      if (!broker || std::ranges::find(partition.replicas, broker->value()) != partition.replicas.end())
        partitions.insert({topic.name, PartitionIndex(partition.index)});
  return partitions;
}

using OpenInPartition = std::pair<TopicPartition, ProducerState>;

/// Open for longer than any transaction may be.
Result<std::vector<OpenInPartition>> find_old(Admin& admin, const std::set<TopicPartition>& partitions,
                                              std::optional<BrokerId> broker, std::int64_t limit_ms) {
  std::vector<OpenInPartition> old;
  for (auto next = partitions.begin(); next != partitions.end();) {
    std::set<TopicPartition> batch;
    while (next != partitions.end() && batch.size() < kPartitionsPerRequest) batch.insert(*next++);
    const auto found = describe_producers(admin, batch, broker);
    if (!found)
      return failed(fmt::format("Failed to describe producers for {} partitions on broker {}", batch.size(),
                                broker ? fmt::format("Optional[{}]", broker->value()) : "Optional.empty"),
                    found.error());
    for (const auto& [partition, producers] : *found)
      for (const auto& producer : producers)
        if (producer.open_since && now_ms() - producer.last_timestamp_ms > limit_ms)
          old.emplace_back(partition, producer);
  }
  return old;
}

/// Nobody will end them: no coordinator has the partition in a transaction of that producer.
Result<std::vector<OpenInPartition>> hanging_of(Admin& admin, std::vector<OpenInPartition> old) {
  std::set<std::int64_t> producers;
  for (const auto& [partition, producer] : old) producers.insert(producer.id);
  TransactionFilter filter;
  filter.producer_ids.assign(producers.begin(), producers.end());
  const auto listed = list_transactions(admin, filter);
  if (!listed)
    return failed(fmt::format("Failed to list transactions for {} producers", producers.size()),
                  listed.error());
  std::map<std::int64_t, std::set<TopicPartition>> known;
  for (const auto& transaction : *listed) {
    const auto described = describe_transaction(admin, transaction.id);
    if (described) {
      known[transaction.producer_id] = described->partitions;
    } else if (described.error().code != ErrorCode::kTransactionalIdNotFound) {
      return failed(fmt::format("Failed to describe {} transactions", listed->size()), described.error());
    }
  }
  std::erase_if(old, [&](const OpenInPartition& open) {
    const auto found = known.find(open.second.id);
    return found != known.end() && found->second.contains(open.first);
  });
  return old;
}

Result<void> find_hanging(Admin& admin, const ArgparseOptions& options) {
  if (!options.has("topic") && !options.has("broker-id"))
    return misuse(
        "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search");
  if (options.has("partition") && !options.has("topic"))
    return misuse("The --partition argument requires --topic to be provided");
  const auto partitions = TRY(partitions_to_search(admin, options));
  constexpr std::int64_t kMinuteMs = 60000;
  const std::int64_t limit_ms = *options.number("max-transaction-timeout") * kMinuteMs;
  auto hanging = TRY(find_old(admin, partitions, broker_of(options), limit_ms));
  if (!hanging.empty()) hanging = TRY(hanging_of(admin, std::move(hanging)));
  Rows rows = {{"Topic", "Partition", "ProducerId", "ProducerEpoch", "CoordinatorEpoch", "StartOffset",
                "LastTimestamp", "Duration(min)"}};
  for (const auto& [partition, producer] : hanging)
    rows.push_back({partition.topic, std::to_string(partition.partition.value()), std::to_string(producer.id),
                    std::to_string(producer.epoch), std::to_string(producer.coordinator_epoch),
                    std::to_string(*producer.open_since), std::to_string(producer.last_timestamp_ms),
                    std::to_string((now_ms() - producer.last_timestamp_ms) / kMinuteMs)});
  fmt::print("{}", tab_table(rows));
  return {};
}

Result<void> execute(const ArgparseOptions& options) {
  Admin admin = TRY(open_admin(options));
  const std::string& command = options.chosen();
  if (command == "list") return list(admin, options);
  if (command == "describe") return describe(admin, options);
  if (command == "describe-producers") return print_producers(admin, options);
  if (command == "abort") return abort(admin, options);
  if (command == "find-hanging") return find_hanging(admin, options);
  return force_terminate(admin, options);
}

using Kind = ArgparseOptions::Kind;

void add_partition(ArgparseOptions& options, bool required) {
  options.add({.names = {"--topic"}, .text = "The topic.", .required = required, .placeholder = "TOPIC"});
  options.add({.names = {"--partition"},
               .kind = Kind::kInteger,
               .text = "The partition's number.",
               .required = required,
               .placeholder = "NUMBER"});
}

void add_number(ArgparseOptions& options, const char* name, Kind kind, const char* text) {
  options.add({.names = {name}, .kind = kind, .text = text, .placeholder = "NUMBER"});
}

}  // namespace

ArgparseOptions transactions_options() {
  ArgparseOptions options("kafka-transactions",
                          "Shows transactions and their producers, and ends transactions that hang.");
  options.value("command-config", "FILE", "Properties of the client, as Kafka's admin client has them.");
  options.add({.names = {"--bootstrap-server"},
               .text = "Brokers to connect to; one that answers is enough.",
               .required = true,
               .placeholder = "HOST:PORT,..."});
  auto& listing = options.subcommand("list", "List transactions.");
  add_number(listing, "--duration-filter", Kind::kLong, "Only those that run for longer than this, in ms.");
  listing.value("transactional-id-pattern", "REGEX", "Only those whose transactional id matches as a whole.");
  auto& describing = options.subcommand("describe", "Describe the transaction of a transactional id.");
  describing.add({.names = {"--transactional-id"}, .text = "The id.", .required = true, .placeholder = "ID"});
  auto& producers = options.subcommand("describe-producers", "Describe the producers of a partition.");
  add_number(producers, "--broker-id", Kind::kInteger, "As this replica knows them; without it the leader.");
  add_partition(producers, true);
  auto& aborting = options.subcommand("abort", "Abort a transaction that hangs, in one partition.");
  add_partition(aborting, true);
  add_number(aborting, "--start-offset", Kind::kLong, "The offset that it begins at.");
  add_number(aborting, "--producer-id", Kind::kLong, "Whose it is, for brokers before 3.0.");
  add_number(aborting, "--producer-epoch", Kind::kInteger, "With --producer-id.");
  add_number(aborting, "--coordinator-epoch", Kind::kInteger, "With --producer-id.");
  auto& hanging = options.subcommand("find-hanging", "Find transactions that no coordinator will end.");
  add_number(hanging, "--broker-id", Kind::kInteger, "Only in partitions that this broker has.");
  hanging.add({.names = {"--max-transaction-timeout"},
               .kind = Kind::kInteger,
               .text = "How long a transaction may be open, in minutes.",
               .placeholder = "MINUTES",
               .standard = "15"});
  add_partition(hanging, false);
  auto& terminating = options.subcommand("forceTerminateTransaction",
                                         "Abort the open transaction of a transactional id by fencing it.");
  terminating.add({.names = {"--transactionalId"}, .text = "The id.", .required = true, .placeholder = "ID"});
  return options;
}

int run_transactions(Arguments arguments) {
  ArgparseOptions options = transactions_options();
  if (const auto code = end_of_parsing(options, arguments, 0)) return *code;
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
