// Offsets of partitions and of groups.
//
// Values. Source: ListOffsets of the leaders; OffsetFetch and OffsetCommit of the group's coordinator.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "tools/client/admin.hpp"

namespace barnabas::tools {

/// Timestamps that stand for a place in the log.
enum OffsetSpec : std::int64_t {
  kLatest = -1,
  kEarliest = -2,
  kMaxTimestamp = -3,
  kEarliestLocal = -4,
  kLatestTiered = -5,
  kEarliestPendingUpload = -6,
};

/// The offset that each partition has at a timestamp or OffsetSpec; -1 where there is none. A partition that
/// cannot be asked has an error.
using ListedOffsets = std::map<TopicPartition, Result<std::int64_t>>;
Result<ListedOffsets> list_offsets(Admin& admin, const std::set<TopicPartition>& partitions,
                                   std::int64_t timestamp);

struct CommittedOffset {
  std::int64_t offset = -1;
  std::int32_t leader_epoch = -1;
};
using CommittedOffsets = std::map<TopicPartition, CommittedOffset>;

/// All that a group has committed.
Result<CommittedOffsets> committed_offsets(Admin& admin, const std::string& group);

/// As an administrator does, without being a member.
Result<void> commit_offsets(Admin& admin, const std::string& group,
                            const std::map<TopicPartition, std::int64_t>& offsets);

}  // namespace barnabas::tools
