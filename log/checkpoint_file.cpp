#include "log/checkpoint_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <optional>
#include <string_view>

namespace barnabas::log {
namespace {

constexpr int kVersion = 0;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::unexpected<Error> malformed(const std::string& path, std::size_t line) {
  return fail(ErrorCode::kKafkaStorageError, fmt::format("malformed line {} in checkpoint {}", line, path));
}

/// The lines behind the head, each split into `fields` fields.
Result<std::vector<std::vector<std::string_view>>> entry_lines(const std::string& path,
                                                               std::string_view content, std::size_t fields) {
  std::vector<std::vector<std::string_view>> entries;
  if (content.empty()) return entries;
  std::vector<std::string_view> lines = split(content, '\n');
  if (number<int>(lines[0]) != kVersion) return malformed(path, 1);
  auto count = lines.size() > 1 ? number<std::size_t>(lines[1]) : std::nullopt;
  if (!count || lines.size() != *count + 2) return malformed(path, 2);
  for (std::size_t i = 2; i < lines.size(); ++i) {
    entries.push_back(split(lines[i], ' '));
    if (entries.back().size() != fields) return malformed(path, i + 1);
  }
  return entries;
}

Result<std::string> content_or_nothing(FileSystem& files, const std::string& path) {
  if (!TRY(files.exists(path))) return std::string();
  return files.read_file(path);
}

}  // namespace

Result<OffsetCheckpoint> read_offset_checkpoint(FileSystem& files, const std::string& path) {
  std::string content = TRY(content_or_nothing(files, path));
  OffsetCheckpoint offsets;
  std::size_t line = 2;
  for (const auto& fields : TRY(entry_lines(path, content, 3))) {
    ++line;
    auto partition = number<std::int32_t>(fields[1]);
    auto offset = number<std::int64_t>(fields[2]);
    if (!partition || !offset) return malformed(path, line);
    offsets[TopicPartition{std::string(fields[0]), PartitionIndex(*partition)}] = Offset(*offset);
  }
  return offsets;
}

Result<void> write_offset_checkpoint(FileSystem& files, const std::string& path,
                                     const OffsetCheckpoint& offsets) {
  std::string content = fmt::format("{}\n{}\n", kVersion, offsets.size());
  for (const auto& [tp, offset] : offsets)
    fmt::format_to(std::back_inserter(content), "{} {} {}\n", tp.topic, tp.partition.value(), offset.value());
  return files.write_file_atomically(path, content);
}

Result<std::vector<EpochEntry>> read_epoch_checkpoint(FileSystem& files, const std::string& path) {
  std::string content = TRY(content_or_nothing(files, path));
  std::vector<EpochEntry> entries;
  // An empty file is one that a crash took the content of: entries or none, two lines stand there.
  if (content.empty() && TRY(files.exists(path))) return malformed(path, 1);
  // One that it took the end of may still read as numbers.
  if (!content.empty() && content.back() != '\n')
    return malformed(path, 1 + static_cast<std::size_t>(std::ranges::count(content, '\n')));
  for (const auto& fields : TRY(entry_lines(path, content, 2))) {
    auto epoch = number<std::int32_t>(fields[0]);
    auto offset = number<std::int64_t>(fields[1]);
    if (!epoch || !offset) return malformed(path, entries.size() + 3);
    entries.push_back({LeaderEpoch(*epoch), Offset(*offset)});
  }
  return entries;
}

namespace {

std::string epoch_checkpoint(const std::vector<EpochEntry>& entries) {
  std::string content = fmt::format("{}\n{}\n", kVersion, entries.size());
  for (const EpochEntry& entry : entries)
    fmt::format_to(std::back_inserter(content), "{} {}\n", entry.epoch.value(), entry.start_offset.value());
  return content;
}

}  // namespace

Result<void> write_epoch_checkpoint(FileSystem& files, const std::string& path,
                                    const std::vector<EpochEntry>& entries) {
  return files.write_file_atomically(path, epoch_checkpoint(entries));
}

Result<void> replace_epoch_checkpoint(FileSystem& files, const std::string& path,
                                      const std::vector<EpochEntry>& entries) {
  return files.replace_file(path, epoch_checkpoint(entries));
}

}  // namespace barnabas::log
