#include "tools/commands/base64_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tools/options/misuse.hpp"

namespace barnabas::tools {
namespace {

constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kGroup = 4;

/// `end` is where the digits end.
Result<void> check_padding(std::string_view text, std::size_t end) {
  const std::size_t in_group = end % kGroup;
  if (in_group == 1) return misuse("Last unit does not have enough valid bits");
  if (end == text.size()) return {};
  const std::size_t wanted = kGroup - in_group;
  const std::string_view padding = text.substr(end, wanted);
  if (in_group == 0 || padding != std::string_view("==").substr(0, wanted))
    return misuse("Input byte array has wrong 4-byte ending unit");
  if (end + wanted < text.size())
    return misuse(fmt::format("Input byte array has incorrect ending byte at {}", end + wanted));
  return {};
}

}  // namespace

Result<Bytes> parse_base64_text(std::string_view text) {
  if (text.size() == 1) return misuse("Input byte[] should at least have 2 bytes for base64 bytes");
  const std::size_t end = std::min(text.find('='), text.size());
  Bytes bytes;
  std::uint32_t bits = 0;
  int count = 0;  // of the bits that no byte has yet
  for (const char letter : text.substr(0, end)) {
    const auto digit = kDigits.find(letter);
    if (digit == std::string_view::npos)
      return misuse(fmt::format("Illegal base64 character {:x}", static_cast<unsigned char>(letter)));
    bits = bits << 6 | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<std::uint8_t>(bits >> count));
  }
  TRY(check_padding(text, end));
  return bytes;
}

}  // namespace barnabas::tools
