// wirebench: drives any broker that speaks the Kafka protocol with requests encoded beforehand, so that the
// client costs next to nothing and the broker is what is measured. See README.md.
#include <cstdio>
#include <exception>
#include <map>
#include <stdexcept>
#include <string>

#include "bench/wirebench/modes.hpp"

namespace {

using namespace barnabas::wirebench;

constexpr const char* kUsage =
    "usage: wirebench MODE HOST:PORT [--option value ...]\n"
    "  MODE: create delete produce fetch latency contended e2e connect metadata segments keyed\n"
    "        commits transactions rebalance null\n"
    "        first-ack HOST:PORT [--option value ...] -- COMMAND [ARGUMENT ...]\n"
    "  options: --topic T --partitions N --replicas N --connections N --records N --size BYTES\n"
    "           --codec none|gzip|snappy|lz4|zstd --acks N --depth N --seconds S --batches N --bytes N\n"
    "           --count N --hold 1 --idle S --pid P --dir DIRECTORY --keys N\n"
    "           --settings KEY=VALUE,... --patience S\n";

using Mode = int (*)(const Options&);

Mode mode_named(const std::string& name) {
  const std::map<std::string, Mode> modes = {
      {"create", run_create},      {"delete", run_delete},       {"connect", run_connect},
      {"metadata", run_metadata},  {"produce", run_produce},     {"fetch", run_fetch},
      {"latency", run_latency},    {"e2e", run_end_to_end},      {"first-ack", run_first_ack},
      {"null", run_null_server},   {"contended", run_contended}, {"segments", run_segments},
      {"keyed", run_keyed},        {"commits", run_commits},     {"transactions", run_transactions},
      {"rebalance", run_rebalance}};
  const auto found = modes.find(name);
  if (found == modes.end()) throw std::invalid_argument("unknown mode " + name);
  return found->second;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
    return mode_named(options.mode)(options);
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "wirebench: %s\n%s", error.what(), kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "wirebench: %s\n", error.what());
    return 1;
  }
}
