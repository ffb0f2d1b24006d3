#include "broker/coordinator/java_text.hpp"

#include <cstdint>

namespace barnabas::broker {
namespace {

std::uint32_t next_character(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : -1;
  if (more < 0) return 0xFFFD;
  std::uint32_t character = lead & (0x3FU >> more);
  for (int i = 0; i < more; ++i) {
    if (at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) return 0xFFFD;
    character = (character << 6) | (static_cast<unsigned char>(text[at++]) & 0x3FU);
  }
  return character;
}

}  // namespace

std::u16string java_string(std::string_view text) {
  std::u16string units;
  units.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t character = next_character(text, at);
    if (character >= 0x10000) {
      units += static_cast<char16_t>(0xD800 + ((character - 0x10000) >> 10));
      units += static_cast<char16_t>(0xDC00 + ((character - 0x10000) & 0x3FF));
    } else {
      units += static_cast<char16_t>(character);
    }
  }
  return units;
}

}  // namespace barnabas::broker
