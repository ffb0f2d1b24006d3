#include "log/partition_files.hpp"

#include <fmt/format.h>

#include <charconv>

namespace barnabas::log {
namespace {

constexpr std::size_t kOffsetDigits = 20;
constexpr std::size_t kLongestName = 255;
constexpr std::string_view kDeleteEnd = "-delete";
constexpr std::string_view kFutureEnd = "-future";
constexpr std::string_view kStrayEnd = "-stray";

template <class T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

std::string hex(const Uuid& id) {
  std::string text;
  for (std::uint8_t byte : id.bytes) text += fmt::format("{:02x}", byte);
  return text;
}

/// The value behind "`key`:" in lines of `content`.
std::optional<std::string_view> line_value(std::string_view content, std::string_view key) {
  while (!content.empty()) {
    std::size_t end = content.find('\n');
    std::string_view line = content.substr(0, end);
    content = end == std::string_view::npos ? std::string_view{} : content.substr(end + 1);
    std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.substr(0, colon) != key) continue;
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\r')) value.remove_suffix(1);
    return value;
  }
  return std::nullopt;
}

}  // namespace

std::string offset_file_name(Offset base, std::string_view suffix) {
  return fmt::format("{:020}{}", base.value(), suffix);
}

std::optional<Offset> parse_offset_file_name(std::string_view name, std::string_view suffix) {
  if (name.size() != kOffsetDigits + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
  auto value = parse_number<std::int64_t>(name.substr(0, kOffsetDigits));
  if (!value) return std::nullopt;
  return Offset(*value);
}

std::optional<TopicPartition> parse_partition_directory(std::string_view name) {
  if (directory_state(name) != DirectoryState::kLive) return std::nullopt;
  std::size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || dash == 0) return std::nullopt;
  auto partition = parse_number<std::int32_t>(name.substr(dash + 1));
  if (!partition) return std::nullopt;
  return TopicPartition{std::string(name.substr(0, dash)), PartitionIndex(*partition)};
}

std::optional<TopicPartition> parse_future_directory(std::string_view name) {
  if (directory_state(name) != DirectoryState::kFuture) return std::nullopt;
  return parse_partition_directory(name.substr(0, name.size() - kFutureEnd.size() - 33));
}

DirectoryState directory_state(std::string_view name) {
  // A topic may itself end in "-delete": the renamed forms also carry a dot and 32 hex digits.
  auto renamed = [&](std::string_view end) {
    if (!name.ends_with(end)) return false;
    std::string_view stem = name.substr(0, name.size() - end.size());
    return stem.size() > 33 && stem[stem.size() - 33] == '.' &&
           stem.substr(stem.size() - 32).find_first_not_of("0123456789abcdef") == std::string_view::npos;
  };
  if (renamed(kDeleteEnd)) return DirectoryState::kDelete;
  if (renamed(kFutureEnd)) return DirectoryState::kFuture;
  if (renamed(kStrayEnd)) return DirectoryState::kStray;
  return DirectoryState::kLive;
}

std::string renamed_directory(const TopicPartition& tp, const Uuid& id, DirectoryState state) {
  std::string_view kind = state == DirectoryState::kDelete   ? kDeleteEnd
                          : state == DirectoryState::kFuture ? kFutureEnd
                                                             : kStrayEnd;
  std::string end = fmt::format("-{}.{}{}", tp.partition.value(), hex(id), kind);
  if (state == DirectoryState::kFuture) return tp.topic + end;
  return tp.topic.substr(0, kLongestName - end.size()) + end;
}

Result<std::optional<TopicId>> read_partition_metadata(FileSystem& files, const std::string& directory) {
  std::string path = directory + "/partition.metadata";
  if (!TRY(files.exists(path))) return std::nullopt;
  std::string content = TRY(files.read_file(path));
  auto version = line_value(content, "version");
  auto text = line_value(content, "topic_id");
  // It is written without a sync, so a crash may leave its end cut off or zero.
  constexpr std::size_t kIdCharacters = 22;
  const bool is_torn =
      content.find('\0') != std::string::npos || !version || !text || text->size() < kIdCharacters;
  if (is_torn) return std::nullopt;
  auto id = text ? Uuid::parse(*text) : std::nullopt;
  if (version != "0" || !id)
    return fail(ErrorCode::kKafkaStorageError,
                "malformed " + path + ": it should name version 0 and a topic_id");
  return TopicId(*id);
}

Result<void> write_partition_metadata(FileSystem& files, const std::string& directory, TopicId topic_id) {
  return files.replace_file(directory + "/partition.metadata",
                            "version: 0\ntopic_id: " + topic_id.value().to_string());
}

}  // namespace barnabas::log
