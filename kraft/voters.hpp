// Who votes in the metadata quorum: replica keys and voter sets (KIP-853). Plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/network.hpp"
#include "base/result.hpp"

namespace barnabas::kraft {

/// A replica of the metadata log. The directory id is zero where it is unknown (kraft.version 0).
struct ReplicaKey {
  BrokerId id;
  DirectoryId directory;
  auto operator<=>(const ReplicaKey&) const = default;
};

struct VoterEndpoint {
  std::string listener;
  Endpoint endpoint;
  bool operator==(const VoterEndpoint&) const = default;
};

struct Voter {
  ReplicaKey key;
  std::vector<VoterEndpoint> endpoints;
  std::int16_t min_kraft_version = 0;
  std::int16_t max_kraft_version = 1;
  bool operator==(const Voter&) const = default;
};

struct VoterSet {
  std::vector<Voter> voters;
  [[nodiscard]] const Voter* find(BrokerId id) const {
    for (const Voter& voter : voters)
      if (voter.key.id == id) return &voter;
    return nullptr;
  }
  [[nodiscard]] bool contains(BrokerId id) const { return find(id) != nullptr; }
  /// A voter without directory is any replica of its id.
  [[nodiscard]] bool has_voter(const ReplicaKey& key) const {
    const Voter* voter = find(key.id);
    return voter != nullptr &&
           (voter->key.directory == DirectoryId() || voter->key.directory == key.directory);
  }
  bool operator==(const VoterSet&) const = default;
};

/// `ID@HOST:PORT,...`: controller.quorum.voters. INVALID_CONFIG when it does not parse.
Result<VoterSet> parse_static_voters(std::string_view text, std::string_view listener);
/// `ID@HOST:PORT:DIRECTORY_ID,...`: --initial-controllers. INVALID_CONFIG when it does not parse.
Result<VoterSet> parse_initial_controllers(std::string_view text, std::string_view listener);

}  // namespace barnabas::kraft
