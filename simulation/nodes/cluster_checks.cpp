#include "simulation/nodes/cluster_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::simulation {

namespace {
/// Of images: what all nodes published long ago is not compared any more.
constexpr std::size_t kKeptImages = 4000;
}  // namespace

std::string to_string(const WrittenRecord& record) {
  if (record.producer < -1)
    return fmt::format("the copy of offset {} of input partition {}", record.number, -2 - record.producer);
  return record.producer < 0 ? fmt::format("a record of no producer ({})", record.number)
                             : fmt::format("record {} of producer {}", record.number, record.producer);
}

void ClusterChecks::violated(std::string what) {
  if (!failure_) failure_ = std::move(what);
}

void ClusterChecks::controller_leads(LeaderEpoch epoch, std::int32_t node) {
  const auto [known, is_new] = controllers_.emplace(epoch, node);
  if (known->second != node)
    violated(fmt::format("controllers {} and {} both lead epoch {}", known->second, node, epoch.value()));
}

void ClusterChecks::broker_leads(const TopicPartition& partition, LeaderEpoch epoch, std::int32_t broker) {
  Led& led = histories_[partition].leaders[epoch];
  if (led.broker < 0) {
    led.broker = broker;
    ++leaderships_;
  }
  if (led.broker != broker)
    violated(fmt::format("brokers {} and {} both lead {} in epoch {}", led.broker, broker,
                         to_string(partition), epoch.value()));
}

std::int32_t ClusterChecks::newest_leader(const TopicPartition& partition) const {
  const auto found = histories_.find(partition);
  if (found == histories_.end() || found->second.leaders.empty()) return -1;
  return found->second.leaders.rbegin()->second.broker;
}

void ClusterChecks::high_watermark(const TopicPartition& partition, LeaderEpoch epoch, std::int32_t broker,
                                   Offset offset) {
  broker_leads(partition, epoch, broker);
  Led& led = histories_[partition].leaders[epoch];
  if (offset < led.high_watermark)
    violated(fmt::format("the high watermark of {} went back from {} to {} in leader epoch {}",
                         to_string(partition), led.high_watermark.value(), offset.value(), epoch.value()));
  led.high_watermark = offset;
}

void ClusterChecks::committed(const TopicPartition& partition, Offset offset, const WrittenRecord& record,
                              const std::string& who) {
  History& history = histories_[partition];
  const auto at = static_cast<std::size_t>(offset.value());
  if (history.records.size() <= at) history.records.resize(at + 1);
  std::optional<WrittenRecord>& known = history.records[at];
  if (!known) {
    known = record;
    ++records_;
    check_order(partition, history);
    return;
  }
  if (*known == record) return;
  violated(fmt::format("{} at offset {} is {} by what {}, and was {}", to_string(partition), offset.value(),
                       to_string(record), who, to_string(*known)));
}

void ClusterChecks::acknowledged(const TopicPartition& partition, Offset offset,
                                 const WrittenRecord& record) {
  ++acknowledgements_;
  committed(partition, offset, record, "its producer was told");
}

/// As far as there are no holes: acknowledgements come before those of earlier offsets.
void ClusterChecks::check_order(const TopicPartition& partition, History& history) {
  for (; history.ordered < history.records.size() && history.records[history.ordered]; ++history.ordered) {
    const WrittenRecord& record = *history.records[history.ordered];
    if (record.producer < 0) continue;
    std::int64_t& next = history.next_numbers[record.producer];
    if (record.number != next)
      violated(fmt::format("{} at offset {} is {}, after its record {}: {}", to_string(partition),
                           history.ordered, to_string(record), next - 1,
                           record.number < next ? "twice or out of order" : "something is left out"));
    next = record.number + 1;
  }
}

void ClusterChecks::metadata(std::int32_t node, Offset offset, LeaderEpoch epoch, std::uint64_t digest) {
  const auto [known, is_new] = metadata_.emplace(offset, std::pair(epoch, digest));
  if (known->second != std::pair(epoch, digest))
    violated(fmt::format("node {} has other metadata than others at offset {} (epoch {}, not {})", node,
                         offset.value(), epoch.value(), known->second.first.value()));
  if (metadata_.size() > kKeptImages) metadata_.erase(metadata_.begin());
}

void ClusterChecks::finish(const TopicPartition& partition, std::int32_t broker, Offset start, Offset end) {
  const Offset known = committed_end(partition);
  if (start > Offset(0) || end != known)
    violated(fmt::format("broker {} has {} from {} to {}, and committed is up to {}", broker,
                         to_string(partition), start.value(), end.value(), known.value()));
  const auto& records = histories_[partition].records;
  const auto hole = std::ranges::find_if(records, [](const auto& record) { return !record; });
  if (hole != records.end())
    violated(fmt::format("nobody has {} at offset {}, and what comes after was committed",
                         to_string(partition), hole - records.begin()));
}

void ClusterChecks::forget(const std::string& topic) {
  std::erase_if(histories_, [&](const auto& entry) { return entry.first.topic == topic; });
}

Offset ClusterChecks::committed_end(const TopicPartition& partition) const {
  const auto history = histories_.find(partition);
  return Offset(history == histories_.end() ? 0 : std::ssize(history->second.records));
}

}  // namespace barnabas::simulation
