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

}  // namespace barnabas::tools
