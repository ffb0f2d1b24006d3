// What a Consumer keeps of partitions and brokers. Included by the consumer's own sources alone.
#pragma once

#include "tools/client/consumer.hpp"

namespace barnabas::tools {

struct Consumer::Assigned {
  TopicPartition id;
  /// How the position is found while it is not known.
  enum class Search { kFound, kCommitted, kBeginning, kEnd, kTime } search = Search::kCommitted;
  Offset position;        // of the next record to visit
  Offset fetch_position;  // of the next record to fetch, ahead of the position while a visit goes on
  LeaderEpoch last_epoch = kNoLeaderEpoch;
  Deadline not_before{};
};

/// One broker's connection and the fetch that is on its way to it.
struct Consumer::Link {
  BrokerId broker;
  Connection connection;
  std::map<TopicPartition, Offset> asked;  // empty: nothing is on its way
  Deadline deadline{};
};

}  // namespace barnabas::tools
