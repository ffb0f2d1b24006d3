// Names of the files and directories of a log directory, and partition.metadata.
//
// Pure functions apart from the two that read and write partition.metadata. Source: measured on Kafka 4.3.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

namespace barnabas::log {

inline constexpr std::string_view kLogSuffix = ".log";
inline constexpr std::string_view kOffsetIndexSuffix = ".index";
inline constexpr std::string_view kTimeIndexSuffix = ".timeindex";
inline constexpr std::string_view kTransactionIndexSuffix = ".txnindex";
inline constexpr std::string_view kSnapshotSuffix = ".snapshot";
inline constexpr std::string_view kDeletedSuffix = ".deleted";
inline constexpr std::string_view kCleanedSuffix = ".cleaned";
inline constexpr std::string_view kSwapSuffix = ".swap";

/// "00000000000000000042.log" for offset 42.
std::string offset_file_name(Offset base, std::string_view suffix);
/// The offset of a name that is twenty digits and `suffix`, nothing for all others.
std::optional<Offset> parse_offset_file_name(std::string_view name, std::string_view suffix);

/// "topic-3"; nothing for other names, also for those that are being deleted or moved.
std::optional<TopicPartition> parse_partition_directory(std::string_view name);
enum class DirectoryState { kLive, kDelete, kFuture, kStray };
/// What the end of a directory's name says it is.
DirectoryState directory_state(std::string_view name);
/// "topic-3" of "topic-3.<hex>-future"; nothing for other names.
std::optional<TopicPartition> parse_future_directory(std::string_view name);
/// "topic-3.<hex>-delete", cut in the topic to 255 bytes but for kFuture. Requires another state than kLive.
std::string renamed_directory(const TopicPartition& tp, const Uuid& id, DirectoryState state);

/// The topic id in `directory`/partition.metadata; nothing when there is no such file, or one that a crash
/// left without its content. The id is then the one that the metadata log names.
Result<std::optional<TopicId>> read_partition_metadata(FileSystem& files, const std::string& directory);
/// It lasts once the caller has synced the file and `directory`.
Result<void> write_partition_metadata(FileSystem& files, const std::string& directory, TopicId topic_id);

}  // namespace barnabas::log
