#include "kraft/quorum_state_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <vector>

namespace barnabas::kraft {

std::string format_quorum_state(const QuorumState& state, std::int16_t kraft_version,
                                const VoterSet& voters) {
  if (kraft_version > 0)
    return fmt::format(
        R"({{"leaderId":{},"leaderEpoch":{},"votedId":{},"votedDirectoryId":"{}","data_version":1}})",
        state.leader.value(), state.epoch.value(), state.voted.id.value(),
        state.voted.directory.value().to_string());
  std::string list;
  for (const Voter& voter : voters.voters)
    list += fmt::format(R"({}{{"voterId":{}}})", list.empty() ? "" : ",", voter.key.id.value());
  return fmt::format(R"({{"clusterId":"","leaderId":{},"leaderEpoch":{},"votedId":{},)"
                     R"("appliedOffset":0,"currentVoters":[{}],"data_version":0}})",
                     state.leader.value(), state.epoch.value(), state.voted.id.value(), list);
}

namespace {

/// The text after `"name":`, empty when there is no such key. Keys are unique and values hold no quotes.
std::string_view after_key(std::string_view text, std::string_view name) {
  const std::string quoted = fmt::format("\"{}\"", name);
  std::size_t at = text.find(quoted);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + quoted.size());
  at = text.find_first_not_of(" \t:");
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

std::optional<std::int32_t> number_of(std::string_view text, std::string_view name) {
  const std::string_view value = after_key(text, name);
  std::int32_t number = 0;
  auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

Result<QuorumState> parse_quorum_state(std::string_view text) {
  const auto version = number_of(text, "data_version");
  const auto leader = number_of(text, "leaderId");
  const auto epoch = number_of(text, "leaderEpoch");
  const auto voted = number_of(text, "votedId");
  if (!version || !leader || !epoch || !voted || *version < 0 || *version > 1 || text.back() != '}')
    return fail(ErrorCode::kCorruptMessage, "not a quorum-state: " + std::string(text.substr(0, 200)));
  QuorumState state{BrokerId(*leader), LeaderEpoch(*epoch), {BrokerId(*voted), DirectoryId()}};
  const std::string_view directory = after_key(text, "votedDirectoryId");
  if (directory.size() > 23 && directory.front() == '"')
    if (auto id = Uuid::parse(directory.substr(1, 22))) state.voted.directory = DirectoryId(*id);
  return state;
}

namespace {

/// None in the shape of kraft.version 1.
std::vector<std::int32_t> static_voters_in(std::string_view text) {
  constexpr std::string_view kKey = "\"voterId\"";
  std::vector<std::int32_t> voters;
  for (std::size_t at = text.find(kKey); at != std::string_view::npos; at = text.find(kKey, at + 1))
    if (const auto id = number_of(text.substr(at), "voterId")) voters.push_back(*id);
  std::ranges::sort(voters);
  return voters;
}

}  // namespace

Result<void> check_static_voters(FileSystem& files, const std::string& directory,
                                 const VoterSet& configured) {
  const std::string path = directory + "/quorum-state";
  if (!TRY(files.exists(path))) return {};
  const std::vector<std::int32_t> stored = static_voters_in(TRY(files.read_file(path)));
  std::vector<std::int32_t> wanted;
  for (const Voter& voter : configured.voters) wanted.push_back(voter.key.id.value());
  std::ranges::sort(wanted);
  if (stored.empty() || stored == wanted) return {};
  return fail(ErrorCode::kInvalidConfig,
              fmt::format("controller.quorum.voters names the nodes {}, but {} is of a quorum of {}: put the "
                          "setting right, or format the node anew if the quorum is another one",
                          fmt::join(wanted, ", "), path, fmt::join(stored, ", ")));
}

Result<std::optional<QuorumState>> read_quorum_state(FileSystem& files, const std::string& path) {
  if (!TRY(files.exists(path))) return std::nullopt;
  const std::string text = TRY(files.read_file(path));
  if (text.empty()) return fail(ErrorCode::kCorruptMessage, path + " is empty");
  return TRY(parse_quorum_state(text));
}

}  // namespace barnabas::kraft
