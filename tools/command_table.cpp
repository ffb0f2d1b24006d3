#include <algorithm>
#include <array>

#include "tools/command.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/data_commands.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kPrefix = "kafka-";
constexpr std::string_view kSuffix = ".sh";

/// Sorted by name. `OPTIONS` is the function that makes the options of the command.
#define WORDS_OF(OPTIONS) [] { return OPTIONS().words(); }
const std::array kCommands = {
    Command{"kafka-acls", "List, add and remove who may do what.", run_acls, WORDS_OF(acls_options)},
    Command{"kafka-broker-api-versions", "Tell which APIs brokers have, in which versions.",
            run_broker_api_versions, WORDS_OF(broker_api_versions_options)},
    Command{"kafka-client-metrics", "Say which metrics clients are asked to push.", run_client_metrics,
            WORDS_OF(client_metrics_options)},
    Command{"kafka-cluster", "Ask a cluster for its id and endpoints; unregister brokers.", run_cluster,
            WORDS_OF(cluster_options)},
    Command{"kafka-configs", "Show and change configuration of topics, brokers, users ...", run_configs,
            WORDS_OF(configs_options)},
    Command{"kafka-console-consumer", "Print the records of topics.", run_console_consumer,
            WORDS_OF(console_consumer_options)},
    Command{"kafka-console-producer", "Send the lines of standard input to a topic.", run_console_producer,
            WORDS_OF(console_producer_options)},
    Command{"kafka-consumer-groups", "Show groups and their offsets; reset and delete them.",
            run_consumer_groups, WORDS_OF(consumer_groups_options)},
    Command{"kafka-consumer-perf-test", "Measure how fast records are read.", run_consumer_perf_test,
            WORDS_OF(consumer_perf_test_options)},
    Command{"kafka-delegation-tokens", "Create, renew, expire and show delegation tokens.",
            run_delegation_tokens, WORDS_OF(delegation_tokens_options)},
    Command{"kafka-delete-records", "Delete the records of partitions below given offsets.",
            run_delete_records, WORDS_OF(delete_records_options)},
    Command{"kafka-dump-log", "Print what the files of a partition hold.", run_dump_log,
            WORDS_OF(dump_log_options)},
    Command{"kafka-e2e-latency", "Measure how long a record takes to a consumer.", run_e2e_latency,
            WORDS_OF(e2e_latency_options)},
    Command{"kafka-features", "Show and change the feature levels of a cluster.", run_features,
            WORDS_OF(features_options)},
    Command{"kafka-get-offsets", "Print offsets of partitions.", run_get_offsets,
            WORDS_OF(get_offsets_options)},
    Command{"kafka-groups", "List groups of every type.", run_groups, WORDS_OF(groups_options)},
    Command{"kafka-leader-election", "Elect leaders of partitions.", run_leader_election,
            WORDS_OF(leader_election_options)},
    Command{"kafka-log-dirs", "Tell what lies in the log directories of brokers.", run_log_dirs,
            WORDS_OF(log_dirs_options)},
    Command{"kafka-metadata-quorum", "Describe the metadata quorum and change its voters.",
            run_metadata_quorum, WORDS_OF(metadata_quorum_options)},
    Command{"kafka-producer-perf-test", "Measure how fast records are written.", run_producer_perf_test,
            WORDS_OF(producer_perf_test_options)},
    Command{"kafka-reassign-partitions", "Move replicas to other brokers and log directories.",
            run_reassign_partitions, WORDS_OF(reassign_partitions_options)},
    Command{"kafka-storage", "Format log directories; look at them.", run_storage, storage_words},
    Command{"kafka-topics", "Create, list, describe, alter and delete topics.", run_topics,
            WORDS_OF(topics_options)},
    Command{"kafka-transactions", "Show transactions and end those that hang.", run_transactions,
            WORDS_OF(transactions_options)},
    Command{"kafka-verifiable-consumer", "Read a topic and print what happens.", run_verifiable_consumer,
            WORDS_OF(verifiable_consumer_options)},
    Command{"kafka-verifiable-producer", "Write numbers and print what becomes of each.",
            run_verifiable_producer, WORDS_OF(verifiable_producer_options)},
};
#undef WORDS_OF

}  // namespace

std::span<const Command> all_commands() {
  return kCommands;
}

const Command* find_command(std::string_view name) {
  if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  const auto found = std::ranges::find_if(
      kCommands, [name](const Command& command) { return command.name.substr(kPrefix.size()) == name; });
  return found == kCommands.end() ? nullptr : &*found;
}

}  // namespace barnabas::tools
