// ControllerSchedule: what an active controller does without being asked: fences brokers that are silent,
// gives partitions back to their preferred leaders, and elects leaders out of sync where that is allowed.
//
// Owned by the metadata node; its strand only. Intervals count from the start of a leadership, as Kafka's do
// (leader.imbalance.check.interval.seconds, unclean.leader.election.interval.ms). Units: `now_ms` of the
// context is the controller's clock.
#pragma once

#include "kraft/controller/broker_sessions.hpp"
#include "kraft/controller/control.hpp"

namespace barnabas::kraft {

class ControllerSchedule {
 public:
  explicit ControllerSchedule(const ControllerOptions& options);

  /// A leadership begins.
  void start(std::int64_t now_ms);
  /// The records of the next thing that is due; none when nothing is. To be called again with an image that
  /// has those records.
  [[nodiscard]] MetadataRecords next(const ControlContext& context, const BrokerSessions& sessions);
  /// The records could not be written: nothing is due before then.
  void hold_off(std::int64_t until_ms) { held_off_until_ms_ = until_ms; }
  /// When next() may have something again, at the earliest.
  [[nodiscard]] std::int64_t due_ms(const MetadataImage& image, const BrokerSessions& sessions) const;

 private:
  using Elections = MetadataRecords (*)(const ControlContext&, std::size_t);
  struct Periodic {
    Elections hold;
    std::int64_t interval_ms;
    std::int64_t due_ms;
  };
  std::vector<Periodic> periodic_;
  std::int64_t held_off_until_ms_ = INT64_MIN;
};

}  // namespace barnabas::kraft
