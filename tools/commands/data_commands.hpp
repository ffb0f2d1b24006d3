// The commands that move records: for each the function that runs it and the one that makes its options.
#pragma once

#include "tools/command.hpp"
#include "tools/options/argparse_options.hpp"
#include "tools/options/jopt_options.hpp"

namespace barnabas::tools {

int run_console_producer(Arguments arguments);
JoptOptions console_producer_options();

int run_console_consumer(Arguments arguments);
JoptOptions console_consumer_options();

int run_producer_perf_test(Arguments arguments);
ArgparseOptions producer_perf_test_options();

int run_consumer_perf_test(Arguments arguments);
JoptOptions consumer_perf_test_options();

int run_verifiable_producer(Arguments arguments);
ArgparseOptions verifiable_producer_options();

int run_verifiable_consumer(Arguments arguments);
ArgparseOptions verifiable_consumer_options();

int run_e2e_latency(Arguments arguments);
JoptOptions e2e_latency_options();

}  // namespace barnabas::tools
