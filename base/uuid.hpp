// Uuid as Kafka writes it: 16 bytes, big endian; as text url-safe base64 without padding (22 characters).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace barnabas {

class Random;

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(const Uuid&) const = default;
  [[nodiscard]] bool is_zero() const { return *this == Uuid{}; }
  /// High 64 bits zero and low below 100: Kafka keeps these for itself.
  [[nodiscard]] bool is_reserved() const;
  [[nodiscard]] std::string to_string() const;

  static std::optional<Uuid> parse(std::string_view text);
  /// A version 4 uuid that is not reserved and whose text does not begin with a dash, as Kafka's randomUuid.
  static Uuid random(Random& random);
  /// The uuid whose high half is zero.
  static constexpr Uuid of_low(std::uint64_t low) {
    Uuid uuid;
    for (int i = 0; i < 8; ++i) uuid.bytes[15 - i] = static_cast<std::uint8_t>(low >> (8 * i));
    return uuid;
  }
};

/// Topic id of __cluster_metadata ("AAAAAAAAAAAAAAAAAAAAAQ").
inline constexpr Uuid kMetadataTopicUuid = Uuid::of_low(1);

}  // namespace barnabas

template <>
struct std::hash<barnabas::Uuid> {
  std::size_t operator()(const barnabas::Uuid& uuid) const {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    std::memcpy(&high, uuid.bytes.data(), 8);
    std::memcpy(&low, uuid.bytes.data() + 8, 8);
    return static_cast<std::size_t>(high ^ (low * 0x9E3779B97F4A7C15ULL));
  }
};
