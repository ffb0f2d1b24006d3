// The quorum-state file of __cluster_metadata-0: what raft must not forget.
//
// One JSON object without a final line feed, in the shape of kraft.version 0 (data_version 0, with the static
// voters) or 1 (data_version 1, with the voted directory). Written atomically. Source: QuorumStateData
// schema; byte for byte as Kafka 4.3.1 writes it. Errors: KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE for another
// content.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.hpp"
#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

[[nodiscard]] std::string format_quorum_state(const QuorumState& state, std::int16_t kraft_version,
                                              const VoterSet& voters);
Result<QuorumState> parse_quorum_state(std::string_view text);

/// INVALID_CONFIG when the file in `directory` is of a quorum of others than controller.quorum.voters names.
/// Only looks. Static voters change nowhere but in the configuration, and only all at once: two sets without
/// a common majority would be two quorums.
Result<void> check_static_voters(FileSystem& files, const std::string& directory, const VoterSet& configured);

/// Nothing when there is no file.
Result<std::optional<QuorumState>> read_quorum_state(FileSystem& files, const std::string& path);

}  // namespace barnabas::kraft
