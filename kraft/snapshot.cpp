#include "kraft/snapshot.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

namespace barnabas::kraft {

namespace {

constexpr std::string_view kSuffix = ".checkpoint";
constexpr std::size_t kNameDigits = 20;
constexpr std::size_t kEpochDigits = 10;
/// Data batches are cut at this size, as Kafka's readers take batches of up to 8 MiB.
constexpr std::size_t kMaxBatchBytes = std::size_t{4} << 20;

template <class Number>
bool parse_digits(std::string_view text, Number& number) {
  auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && at == text.data() + text.size();
}

void append_bytes(Bytes& to, const Bytes& from) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

std::string snapshot_name(const SnapshotId& id) {
  return fmt::format("{:020}-{:010}{}", id.end.value(), id.epoch.value(), kSuffix);
}

std::optional<SnapshotId> parse_snapshot_name(std::string_view name) {
  if (name.size() != kNameDigits + 1 + kEpochDigits + kSuffix.size() || !name.ends_with(kSuffix) ||
      name[kNameDigits] != '-')
    return std::nullopt;
  std::int64_t end = 0;
  std::int32_t epoch = 0;
  if (!parse_digits(name.substr(0, kNameDigits), end) ||
      !parse_digits(name.substr(kNameDigits + 1, kEpochDigits), epoch))
    return std::nullopt;
  return SnapshotId{Offset(end), LeaderEpoch(epoch)};
}

Bytes make_snapshot(const SnapshotId& id, const SnapshotHead& head, std::int64_t now_ms,
                    std::span<const Bytes> records) {
  std::vector<ControlValue> opening{SnapshotHeaderControl{head.last_contained_timestamp_ms}};
  if (head.kraft_version) opening.emplace_back(KraftVersionControl{*head.kraft_version});
  if (head.voters) opening.emplace_back(VotersControl{*head.voters});
  Bytes content = make_control_batch({Offset(0), id.epoch, now_ms}, opening);
  Offset next(static_cast<std::int64_t>(opening.size()));
  while (!records.empty()) {
    std::size_t count = 0;
    std::size_t size = 0;
    while (count < records.size() && (count == 0 || size + records[count].size() <= kMaxBatchBytes))
      size += records[count++].size();
    append_bytes(content, make_data_batch({next, id.epoch, now_ms}, records.first(count)));
    next = next + static_cast<std::int64_t>(count);
    records = records.subspan(count);
  }
  const ControlValue closing = SnapshotFooterControl{};
  append_bytes(content, make_control_batch({next, id.epoch, now_ms}, std::span(&closing, 1)));
  return content;
}

Result<void> write_snapshot_file(FileSystem& files, const std::string& directory, const SnapshotId& id,
                                 ByteView content, bool sync_name) {
  const std::string path = directory + "/" + snapshot_name(id);
  const std::string part = path + ".part";
  TRY(files.remove(part));
  {
    const auto file = TRY(files.open(part, OpenMode::kReadWriteCreate));
    TRY(file->write_at(0, content));
    TRY(file->sync());
  }
  TRY(files.set_mode(part, 0400));
  TRY(files.rename(part, path));
  if (!sync_name) return {};
  return files.sync_directory(directory);
}

Result<SnapshotHead> read_snapshot(ByteView content,
                                   const std::function<Result<void>(const LogRecordView&)>& record) {
  SnapshotHead head;
  bool begun = false;
  bool ended = false;
  LogVisitor visitor;
  visitor.data = [&](const LogRecordView& view) -> Result<void> {
    if (!begun || ended) return fail(ErrorCode::kCorruptMessage, "a snapshot's record outside its marks");
    return record(view);
  };
  visitor.control = [&](const LogRecordView&, const ControlValue& control) -> Result<void> {
    if (const auto* header = std::get_if<SnapshotHeaderControl>(&control)) {
      begun = true;
      head.last_contained_timestamp_ms = header->last_contained_timestamp_ms;
    }
    if (const auto* version = std::get_if<KraftVersionControl>(&control))
      head.kraft_version = version->version;
    if (const auto* voters = std::get_if<VotersControl>(&control)) head.voters = voters->voters;
    if (std::holds_alternative<SnapshotFooterControl>(control)) ended = true;
    return {};
  };
  TRY(visit_batches(content, Offset(0), visitor));
  if (!begun || !ended) return fail(ErrorCode::kCorruptMessage, "the snapshot is not whole");
  return head;
}

Result<Bytes> read_whole_file(FileSystem& files, const std::string& path) {
  const auto file = TRY(files.open(path, OpenMode::kReadOnly));
  Bytes content(static_cast<std::size_t>(TRY(file->size())));
  const std::size_t read = TRY(file->read_at(0, content));
  content.resize(read);
  return content;
}

Result<std::vector<SnapshotId>> list_snapshots(FileSystem& files, const std::string& directory) {
  std::vector<SnapshotId> found;
  for (const DirectoryEntry& entry : TRY(files.list(directory))) {
    if (entry.is_directory) continue;
    if (auto id = parse_snapshot_name(entry.name)) {
      found.push_back(*id);
    } else if (entry.name.ends_with(".checkpoint.part") || entry.name.ends_with(".checkpoint.deleted")) {
      TRY(files.remove(directory + "/" + entry.name));
    }
  }
  std::ranges::sort(found);
  return found;
}

Result<void> remove_snapshot(FileSystem& files, const std::string& directory, const SnapshotId& id) {
  return files.remove(directory + "/" + snapshot_name(id));
}

}  // namespace barnabas::kraft
