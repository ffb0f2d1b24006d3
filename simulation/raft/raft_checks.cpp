#include "simulation/raft/raft_checks.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace barnabas::simulation {

using kraft::RaftNode;
using kraft::RaftRole;

namespace {
constexpr LeaderEpoch kAnyEpoch{std::numeric_limits<std::int32_t>::max()};
}

void RaftChecks::restarted(std::size_t replica, Offset high_watermark) {
  high_watermarks_.resize(std::max(high_watermarks_.size(), replica + 1));
  high_watermarks_[replica] = high_watermark;
  roles_.resize(high_watermarks_.size());
  roles_[replica] = RaftRole::kUnattached;
}

std::optional<std::string> RaftChecks::check_standing(std::size_t replica, const RaftNode& node,
                                                      const SimulatedRaftDisk& disk) {
  const RaftRole before = std::exchange(roles_[replica], node.role());
  const bool stands = node.role() == RaftRole::kProspective || node.role() == RaftRole::kCandidate;
  if (!stands || node.role() == before) return std::nullopt;
  const kraft::VoterSet* voters = disk.last_voters();
  if (voters == nullptr || node.voters() == *voters) return std::nullopt;
  return fmt::format("replica {} stands among other voters than its log names", replica);
}

std::uint64_t RaftChecks::digest(Offset end) const {
  return end <= Offset(0) ? 0 : committed_[static_cast<std::size_t>(end.value() - 1)].digest;
}

std::optional<std::string> RaftChecks::installed(const SimulatedSnapshot& snapshot) const {
  if (snapshot.id.end > committed_end()) return "a snapshot holds more than was ever committed";
  if (snapshot.digest != digest(snapshot.id.end)) return "a snapshot differs from what was committed";
  return std::nullopt;
}

std::optional<std::string> RaftChecks::told(const kraft::FetchResponse& response, const RaftNode& follower) {
  const bool follows = follower.role() == RaftRole::kFollower && follower.epoch() == response.epoch;
  if (!follows || response.error != ErrorCode::kNone || response.high_watermark == kNoOffset ||
      response.high_watermark >= follower.high_watermark())
    return std::nullopt;
  return fmt::format("the leader of epoch {} tells the high watermark {} to a follower that knows {}",
                     response.epoch.value(), response.high_watermark.value(),
                     follower.high_watermark().value());
}

std::optional<std::string> RaftChecks::compare(std::size_t replica, Offset from, Offset to,
                                               LeaderEpoch before, const SimulatedRaftDisk& disk) const {
  for (Offset offset = std::max(from, disk.start()); offset < to; offset = offset + 1) {
    const Committed& expected = committed_[static_cast<std::size_t>(offset.value())];
    if (expected.committed_in >= before) continue;
    if (offset >= disk.end())
      return fmt::format("replica {} lacks the committed record at offset {}", replica, offset.value());
    const SimulatedRecord& found = disk.at(offset);
    if (found.value != expected.value || found.epoch != expected.epoch)
      return fmt::format(
          "replica {} has another record than the committed one at offset {}: epoch {}, not {}", replica,
          offset.value(), found.epoch.value(), expected.epoch.value());
  }
  return std::nullopt;
}

std::optional<std::string> RaftChecks::check_leader(std::size_t replica, const RaftNode& node,
                                                    const SimulatedRaftDisk& disk) {
  const auto [known, is_new] = leaders_.emplace(node.epoch(), replica);
  if (known->second != replica)
    return fmt::format("replicas {} and {} both lead epoch {}", known->second, replica, node.epoch().value());
  if (!is_new) return std::nullopt;
  return compare(replica, disk.start(), committed_end(), node.epoch(), disk);
}

std::optional<std::string> RaftChecks::check_removed(std::size_t replica, const RaftNode& node,
                                                     const SimulatedRaftDisk& disk) {
  const kraft::VoterSet* voters = disk.last_voters();
  if (voters == nullptr || voters->has_voter(node.local())) return std::nullopt;
  const auto names_voters = [&](Offset offset) {
    const auto& control = disk.at(offset).control;
    return control && std::holds_alternative<kraft::VotersControl>(*control);
  };
  Offset last = disk.end() - 1;
  while (last >= disk.start() && !names_voters(last)) last = last - 1;
  if (last >= node.high_watermark()) return std::nullopt;
  return fmt::format("replica {} leads though its removal is committed", replica);
}

std::optional<std::string> RaftChecks::after_step(std::size_t replica, const RaftNode& node,
                                                  const SimulatedRaftDisk& disk) {
  if (const char* broken = node.check_invariants())
    return fmt::format("replica {} broke the invariant that {}", replica, broken);
  if (auto wrong = check_standing(replica, node, disk)) return wrong;
  if (node.role() == RaftRole::kLeader) {
    if (auto wrong = check_leader(replica, node, disk)) return wrong;
    if (auto wrong = check_removed(replica, node, disk)) return wrong;
  }
  const Offset before = high_watermarks_[replica];
  const Offset now = node.high_watermark();
  if (now == before) return std::nullopt;
  if (now < before)
    return fmt::format("the high watermark of replica {} went back from {} to {}", replica, before.value(),
                       now.value());
  high_watermarks_[replica] = now;
  if (now > disk.end()) return fmt::format("the high watermark of replica {} is beyond its log", replica);
  if (auto wrong = compare(replica, before, std::min(now, committed_end()), kAnyEpoch, disk)) return wrong;
  while (committed_end() < now) {
    if (committed_end() < disk.start()) return "a log starts beyond what was ever committed";
    const SimulatedRecord& record = disk.at(committed_end());
    const std::uint64_t so_far = digest(committed_end());
    committed_.push_back({record.value, record.epoch, node.epoch(), extend_digest(so_far, record)});
  }
  return std::nullopt;
}

}  // namespace barnabas::simulation
