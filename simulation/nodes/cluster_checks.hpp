// What must hold in every run of a simulated cluster, whatever happens to it.
//
// Told of what clients see and of what replicas are; keeps the one history that there may be. Owned by the
// simulation. Not thread-safe; pure. The first violation stays; what is told later is not looked at. Checked:
//  1. One controller leads an epoch of the metadata quorum; one broker leads a partition's leader epoch.
//  2. What was committed at an offset is, in every replica and for every consumer, the same for ever: that is
//     what a producer was acknowledged, what a consumer was given, and what lies below a high watermark.
//  3. A high watermark does not go back within a leader epoch, on the broker that leads it.
//  4. A producer's records in a partition are its numbers 0, 1, 2, ... in the order of the offsets: none
//  twice,
//     none left out, none out of order.
//  5. All nodes see the same metadata at the same offset.
//  6. At the end every replica has everything that was committed (finish()).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.hpp"

namespace barnabas::simulation {

/// What a simulated producer writes: it numbers what it sends to a partition from 0 on.
struct WrittenRecord {
  /// -1: not a simulated producer's, such as a marker. Below: a copy, of which record of the input producer
  /// and number tell (transaction_checks.hpp).
  std::int64_t producer = -1;
  std::int64_t number = -1;
  auto operator<=>(const WrittenRecord&) const = default;
};
[[nodiscard]] std::string to_string(const WrittenRecord& record);

class ClusterChecks {
 public:
  // Who leads.
  void controller_leads(LeaderEpoch epoch, std::int32_t node);
  void broker_leads(const TopicPartition& partition, LeaderEpoch epoch, std::int32_t broker);
  /// Of a broker that leads.
  void high_watermark(const TopicPartition& partition, LeaderEpoch epoch, std::int32_t broker, Offset offset);

  // What is committed. `who` is named when it does not fit.
  void committed(const TopicPartition& partition, Offset offset, const WrittenRecord& record,
                 const std::string& who);
  /// A producer was told that its record is at `offset`.
  void acknowledged(const TopicPartition& partition, Offset offset, const WrittenRecord& record);

  /// `digest` is of the metadata's content.
  void metadata(std::int32_t node, Offset offset, LeaderEpoch epoch, std::uint64_t digest);

  /// A replica holds the committed records of [start, end) and no others.
  void finish(const TopicPartition& partition, std::int32_t broker, Offset start, Offset end);

  /// Something else that must not be.
  void violated(std::string what);
  /// The records of a topic that was deleted are gone.
  void forget(const std::string& topic);

  [[nodiscard]] const std::optional<std::string>& failure() const { return failure_; }
  /// Behind the last record that is known to be committed.
  [[nodiscard]] Offset committed_end(const TopicPartition& partition) const;
  /// Whoever led the newest leader epoch that anybody led; -1: nobody did.
  [[nodiscard]] std::int32_t newest_leader(const TopicPartition& partition) const;
  /// What is known to be committed, by offset.
  [[nodiscard]] const std::vector<std::optional<WrittenRecord>>& history(const TopicPartition& partition) {
    return histories_[partition].records;
  }
  [[nodiscard]] std::size_t records() const { return records_; }
  [[nodiscard]] std::size_t acknowledgements() const { return acknowledgements_; }
  [[nodiscard]] std::size_t leaderships() const { return leaderships_; }

 private:
  struct Led {
    std::int32_t broker = -1;
    Offset high_watermark;
  };
  struct History {
    std::vector<std::optional<WrittenRecord>> records;  // by offset
    std::size_t ordered = 0;                            // of those, looked at for their order
    std::map<std::int64_t, std::int64_t> next_numbers;  // by producer
    std::map<LeaderEpoch, Led> leaders;
  };
  void check_order(const TopicPartition& partition, History& history);

  std::optional<std::string> failure_;
  std::map<TopicPartition, History> histories_;
  std::map<LeaderEpoch, std::int32_t> controllers_;
  std::map<Offset, std::pair<LeaderEpoch, std::uint64_t>> metadata_;
  std::size_t records_ = 0;
  std::size_t acknowledgements_ = 0;
  std::size_t leaderships_ = 0;
};

}  // namespace barnabas::simulation
