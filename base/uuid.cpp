#include "base/uuid.hpp"

#include "base/random.hpp"

namespace barnabas {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> kSextets = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}();

constexpr std::size_t kTextSize = 22;

}  // namespace

bool Uuid::is_reserved() const {
  for (std::size_t i = 0; i < 15; ++i) {
    if (bytes[i] != 0) return false;
  }
  return bytes[15] < 100;
}

std::string Uuid::to_string() const {
  std::string text;
  text.reserve(kTextSize);
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const std::uint8_t byte : bytes) {
    pending = (pending << 8) | byte;
    pending_bits += 8;
    while (pending_bits >= 6) {
      pending_bits -= 6;
      text.push_back(kAlphabet[(pending >> pending_bits) & 63]);
    }
  }
  // 128 bits are 21 sextets and two bits over.
  text.push_back(kAlphabet[(pending << (6 - pending_bits)) & 63]);
  return text;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
  // Java's decoder, which Kafka uses, takes the text with its padding too, and ignores the four bits left
  // over.
  if (text.size() == kTextSize + 2 && text.ends_with("==")) text.remove_suffix(2);
  if (text.size() != kTextSize) return std::nullopt;
  Uuid uuid;
  std::size_t filled = 0;
  std::uint32_t pending = 0;
  int pending_bits = 0;
  for (const char c : text) {
    const std::int8_t sextet = kSextets[static_cast<unsigned char>(c)];
    if (sextet < 0) return std::nullopt;
    pending = (pending << 6) | static_cast<std::uint32_t>(sextet);
    pending_bits += 6;
    if (pending_bits >= 8) {
      pending_bits -= 8;
      uuid.bytes[filled++] = static_cast<std::uint8_t>(pending >> pending_bits);
    }
  }
  return uuid;
}

Uuid Uuid::random(Random& random) {
  while (true) {
    Uuid uuid;
    for (std::size_t half = 0; half < 2; ++half) {
      const std::uint64_t word = random.next();
      for (std::size_t i = 0; i < 8; ++i) {
        uuid.bytes[half * 8 + i] = static_cast<std::uint8_t>(word >> (56 - 8 * i));
      }
    }
    uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0F) | 0x40);
    uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3F) | 0x80);
    // A leading dash would read as an option on a command line. The version bits rule out the reserved ones.
    if (!uuid.to_string().starts_with('-')) return uuid;
  }
}

}  // namespace barnabas
