// The commands that administer: for each the function that runs it and the one that makes its options.
#pragma once

#include "tools/command.hpp"
#include "tools/options/argparse_options.hpp"
#include "tools/options/jopt_options.hpp"

namespace barnabas::tools {

int run_acls(Arguments arguments);
JoptOptions acls_options();
int run_broker_api_versions(Arguments arguments);
JoptOptions broker_api_versions_options();
int run_client_metrics(Arguments arguments);
JoptOptions client_metrics_options();
int run_cluster(Arguments arguments);
ArgparseOptions cluster_options();
int run_delegation_tokens(Arguments arguments);
JoptOptions delegation_tokens_options();
int run_delete_records(Arguments arguments);
JoptOptions delete_records_options();
int run_dump_log(Arguments arguments);
JoptOptions dump_log_options();
int run_configs(Arguments arguments);
JoptOptions configs_options();
int run_consumer_groups(Arguments arguments);
JoptOptions consumer_groups_options();
int run_get_offsets(Arguments arguments);
JoptOptions get_offsets_options();
int run_groups(Arguments arguments);
JoptOptions groups_options();
int run_reassign_partitions(Arguments arguments);
JoptOptions reassign_partitions_options();
int run_storage(Arguments arguments);
std::vector<std::string> storage_words();
int run_topics(Arguments arguments);
JoptOptions topics_options();
int run_features(Arguments arguments);
ArgparseOptions features_options();
int run_leader_election(Arguments arguments);
JoptOptions leader_election_options();
int run_log_dirs(Arguments arguments);
JoptOptions log_dirs_options();
int run_metadata_quorum(Arguments arguments);
ArgparseOptions metadata_quorum_options();
int run_transactions(Arguments arguments);
ArgparseOptions transactions_options();

}  // namespace barnabas::tools
