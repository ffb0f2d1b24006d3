#include "simulation/coordinators/group_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::simulation {

namespace {
std::string to_string(const GroupPartition& partition) {
  return fmt::format("{} of group {}", barnabas::to_string(partition.second), partition.first);
}
}  // namespace

void GroupChecks::owns(const GroupPartition& partition, std::int32_t epoch, const std::string& member) {
  const auto [known, is_new] = owners_.emplace(std::pair(partition, epoch), member);
  if (known->second != member)
    all_.violated(fmt::format("{} and {} both have {} in epoch {}", known->second, member,
                              to_string(partition), epoch));
}

void GroupChecks::acknowledged(const GroupPartition& partition, std::int32_t epoch, Offset committed) {
  Offset& last = acknowledged_[partition][epoch];
  last = std::max(last, committed);
}

GroupChecks::Acknowledged GroupChecks::acknowledged_by(const GroupPartition& partition,
                                                       std::int32_t epoch) const {
  Acknowledged most;
  const auto known = acknowledged_.find(partition);
  if (known == acknowledged_.end()) return most;
  for (const auto& [earlier, offset] : known->second)
    if (earlier <= epoch && offset > most.offset) most = {earlier, offset};
  return most;
}

void GroupChecks::begins(const GroupPartition& partition, std::int32_t epoch, Offset committed,
                         const Acknowledged& when_asked) {
  if (committed < when_asked.offset)
    all_.violated(fmt::format("who got {} in epoch {} begins at {}, and {} was committed in epoch {}",
                              to_string(partition), epoch, committed.value(), when_asked.offset.value(),
                              when_asked.epoch));
}

void GroupChecks::offset_record(std::int32_t /*log*/, const GroupPartition& partition, Offset committed) {
  count(partition, {committed, ++records_});
}

void GroupChecks::transactional_offset_record(std::int32_t log, ProducerId producer,
                                              const GroupPartition& partition, Offset committed) {
  open_[{log, producer}].push_back({partition, {committed, ++records_}});
}

void GroupChecks::marker(std::int32_t log, ProducerId producer, bool committed) {
  const auto ended = open_.extract({log, producer});
  if (ended.empty() || !committed) return;
  for (const Pending& pending : ended.mapped()) count(pending.partition, pending.committed);
}

/// Of two offsets the later record counts, whenever its transaction ended.
void GroupChecks::count(const GroupPartition& partition, const Committed& committed) {
  ++commits_;
  const auto [known, is_new] = committed_.emplace(partition, committed);
  if (is_new || known->second.order > committed.order) return;
  if (committed.offset < known->second.offset)
    all_.violated(fmt::format("the offset of {} went back from {} to {}", to_string(partition),
                              known->second.offset.value(), committed.offset.value()));
  known->second = committed;
}

std::optional<Offset> GroupChecks::committed(const GroupPartition& partition) const {
  const auto known = committed_.find(partition);
  return known == committed_.end() ? std::nullopt : std::optional(known->second.offset);
}

std::string GroupChecks::unsettled() const {
  if (open_.empty()) return {};
  const auto& [at, pending] = *open_.begin();
  return fmt::format("the transaction of producer id {} with offsets of {} is open", at.second.value(),
                     to_string(pending.front().partition));
}

void GroupChecks::finish() {
  for (const auto& [partition, epochs] : acknowledged_)
    for (const auto& [epoch, offset] : epochs)
      if (const auto now = committed(partition); !now || *now < offset)
        all_.violated(fmt::format("offset {} of {} was committed in epoch {} and is lost: it is {}",
                                  offset.value(), to_string(partition), epoch, now ? now->value() : -1));
}

}  // namespace barnabas::simulation
