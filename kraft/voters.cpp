#include "kraft/voters.hpp"

#include <algorithm>
#include <charconv>

namespace barnabas::kraft {

namespace {

std::unexpected<Error> malformed(std::string_view entry) {
  return fail(ErrorCode::kInvalidConfig, "not a voter: '" + std::string(entry) + "'");
}

template <class Number>
bool parse_number(std::string_view text, Number& number) {
  const char* end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end;
}

/// `ID@HOST:PORT`; brackets around an IPv6 host are dropped.
Result<Voter> parse_voter(std::string_view entry, std::string_view listener) {
  const std::size_t at = entry.find('@');
  const std::size_t colon = entry.rfind(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon < at) return malformed(entry);
  std::int32_t id = 0;
  std::uint16_t port = 0;
  if (!parse_number(entry.substr(0, at), id) || id < 0) return malformed(entry);
  if (!parse_number(entry.substr(colon + 1), port)) return malformed(entry);
  std::string_view host = entry.substr(at + 1, colon - at - 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host.empty()) return malformed(entry);
  Voter voter;
  voter.key.id = BrokerId(id);
  voter.endpoints.push_back({std::string(listener), {std::string(host), port}});
  return voter;
}

template <class Parse>
Result<VoterSet> parse_list(std::string_view text, Parse parse) {
  VoterSet set;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    Voter voter = TRY(parse(text.substr(0, comma)));
    if (set.contains(voter.key.id))
      return fail(ErrorCode::kInvalidConfig,
                  "voter " + std::to_string(voter.key.id.value()) + " is given twice");
    set.voters.push_back(std::move(voter));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  if (set.voters.empty()) return fail(ErrorCode::kInvalidConfig, "no voters are given");
  return set;
}

}  // namespace

Result<VoterSet> parse_static_voters(std::string_view text, std::string_view listener) {
  return parse_list(text, [listener](std::string_view entry) { return parse_voter(entry, listener); });
}

Result<VoterSet> parse_initial_controllers(std::string_view text, std::string_view listener) {
  return parse_list(text, [listener](std::string_view entry) -> Result<Voter> {
    const std::size_t colon = entry.rfind(':');
    if (colon == std::string_view::npos) return malformed(entry);
    const std::optional<Uuid> directory = Uuid::parse(entry.substr(colon + 1));
    if (!directory) return malformed(entry);
    Voter voter = TRY(parse_voter(entry.substr(0, colon), listener));
    voter.key.directory = DirectoryId(*directory);
    return voter;
  });
}

}  // namespace barnabas::kraft
