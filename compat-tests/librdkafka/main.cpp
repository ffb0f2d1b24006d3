// A client of librdkafka for the compatibility tests. Each call does one job against the broker at BOOTSTRAP
// and ends with exit code 0 only if everything it saw was as it should be; jobs.hpp says what each requires.
#include <cstdio>
#include <exception>
#include <string>

#include "jobs.hpp"

namespace {

constexpr const char* kUsage =
    "usage: librdkafka_program JOB BOOTSTRAP TOPIC PARTITIONS ...\n"
    "  produce ... COUNT CODEC\n"
    "  group ... COUNT GROUP ASSIGNOR\n"
    "  seek ... COUNT\n"
    "  read ... WANTED GROUP\n"
    "  load ... ACKNOWLEDGED_FILE [RECORDS_A_SECOND]\n";

int run(int argc, char** argv) {
  using namespace rdkafka_jobs;
  if (argc < 6) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  const std::string job = argv[1];
  const Target target{argv[2], argv[3], std::stoi(argv[4])};
  if (job == "produce" && argc == 7) {
    produce(target, std::stoll(argv[5]), argv[6]);
  } else if (job == "group" && argc == 8) {
    read_in_group(target, std::stoll(argv[5]), argv[6], argv[7]);
  } else if (job == "seek" && argc == 6) {
    seek_by_time(target, std::stoll(argv[5]));
  } else if (job == "read" && argc == 7) {
    read_some(target, std::stoll(argv[5]), argv[6]);
  } else if (job == "load" && (argc == 6 || argc == 7)) {
    load(target, argv[5], argc == 7 ? std::stoll(argv[6]) : 20'000);
  } else {
    std::fputs(kUsage, stderr);
    return 2;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
