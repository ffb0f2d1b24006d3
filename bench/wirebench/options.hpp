// Options: what stands on wirebench's command line.
//
// Owned by main, read by the modes. Thread safety: immutable once parsed.
// Errors: parse() throws std::invalid_argument for an option without a value and for a number that is none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace barnabas::wirebench {

struct Options {
  std::string mode;
  std::string address;  // host:port, an IPv4 address
  std::string topic;
  std::string codec;
  std::string directory;  // the null server's
  int partitions;
  int connections;
  int replicas;
  int acks;
  int records;   // in a batch
  int size;      // of a value, in bytes
  int depth;     // requests in flight on a connection
  int bytes;     // at most in a fetch response
  int count;     // topics to create, connections to open, members that join
  int keys;      // different ones of the mode keyed
  long batches;  // to send on a connection; 0: until the time is over
  long pid;      // of the broker whose CPU time and memory are read; 0: of none
  double seconds;
  double idle_seconds;
  double patience_seconds;  // of first-ack and rebalance
  bool hold;
  std::vector<std::pair<std::string, std::string>> settings;  // of the topics that are created
  std::vector<std::string> command;                           // what stands behind `--`
};

/// `topic` itself, or topic-0, topic-1, ... where `count` is above 1.
[[nodiscard]] std::vector<std::string> topics_of(const Options& options);

[[nodiscard]] Options parse(int argc, char** argv);

}  // namespace barnabas::wirebench
