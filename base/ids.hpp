// The identifiers of the domain: one type each, and no conversion from one to another.
//
// Generated messages carry plain integers and Uuids as the schemas do; code past the handlers uses these.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "base/uuid.hpp"

namespace barnabas {

/// A number with a meaning. Explicit from and to its representation.
template <class Tag, class Rep>
class Id {
 public:
  using rep = Rep;
  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}
  [[nodiscard]] constexpr Rep value() const { return value_; }
  constexpr auto operator<=>(const Id&) const = default;

 private:
  Rep value_{};
};

using BrokerId = Id<struct BrokerIdTag, std::int32_t>;
using LeaderEpoch = Id<struct LeaderEpochTag, std::int32_t>;
using PartitionIndex = Id<struct PartitionIndexTag, std::int32_t>;
using ProducerId = Id<struct ProducerIdTag, std::int64_t>;
using ProducerEpoch = Id<struct ProducerEpochTag, std::int16_t>;
using TopicId = Id<struct TopicIdTag, Uuid>;
using DirectoryId = Id<struct DirectoryIdTag, Uuid>;

/// A position in a partition's log. Differences are plain numbers of records.
class Offset {
 public:
  constexpr Offset() = default;
  constexpr explicit Offset(std::int64_t value) : value_(value) {}
  [[nodiscard]] constexpr std::int64_t value() const { return value_; }
  constexpr auto operator<=>(const Offset&) const = default;
  constexpr Offset operator+(std::int64_t n) const { return Offset(value_ + n); }
  constexpr Offset operator-(std::int64_t n) const { return Offset(value_ - n); }
  constexpr std::int64_t operator-(Offset other) const { return value_ - other.value_; }

 private:
  std::int64_t value_ = 0;
};

inline constexpr Offset kNoOffset{-1};
inline constexpr LeaderEpoch kNoLeaderEpoch{-1};
inline constexpr BrokerId kNoBroker{-1};
inline constexpr ProducerId kNoProducerId{-1};
inline constexpr ProducerEpoch kNoProducerEpoch{-1};

struct TopicPartition {
  std::string topic;
  PartitionIndex partition;
  auto operator<=>(const TopicPartition&) const = default;
};

/// "topic-3": as in log directory names and log lines.
inline std::string to_string(const TopicPartition& tp) {
  return tp.topic + "-" + std::to_string(tp.partition.value());
}

}  // namespace barnabas

template <class Tag, class Rep>
struct std::hash<barnabas::Id<Tag, Rep>> {
  std::size_t operator()(const barnabas::Id<Tag, Rep>& id) const { return std::hash<Rep>()(id.value()); }
};
template <>
struct std::hash<barnabas::TopicPartition> {
  std::size_t operator()(const barnabas::TopicPartition& tp) const {
    return std::hash<std::string>()(tp.topic) * 31 + static_cast<std::size_t>(tp.partition.value());
  }
};
