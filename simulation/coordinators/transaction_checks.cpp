#include "simulation/coordinators/transaction_checks.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::simulation {

namespace {
/// Producers -1 are nobody.
constexpr std::int64_t kFirstCopy = -2;
}  // namespace

WrittenRecord copy_of(PartitionIndex input, Offset offset) {
  return {kFirstCopy - input.value(), offset.value()};
}

TransactionChecks::Entry& TransactionChecks::entry(const TopicPartition& partition, Offset offset) {
  auto& entries = outputs_[partition].entries;
  const auto at = static_cast<std::size_t>(offset.value());
  if (entries.size() <= at) entries.resize(at + 1);
  return entries[at];
}

void TransactionChecks::record(const TopicPartition& partition, Offset offset, ProducerId producer,
                               const WrittenRecord& copy) {
  entry(partition, offset).copy = copy;
  outputs_[partition].open[producer].push_back(offset);
}

void TransactionChecks::marker(const TopicPartition& partition, Offset offset, ProducerId producer,
                               bool committed) {
  Entry& own = entry(partition, offset);
  own.is_committed = false;
  compare(partition, offset, own);
  const auto open = outputs_[partition].open.extract(producer);
  if (open.empty()) return;  // nothing of the transaction is here
  ++(committed ? commits_ : aborts_);
  for (const Offset at : open.mapped()) {
    Entry& ended = entry(partition, at);
    ended.is_committed = committed;
    compare(partition, at, ended);
    if (!committed) continue;
    const auto [known, is_new] = copied_.emplace(*ended.copy, std::pair(partition, at));
    if (!is_new)
      all_.violated(fmt::format("{} is committed twice: at offset {} of {} and at offset {} of {}",
                                to_string(*ended.copy), known->second.second.value(),
                                to_string(known->second.first), at.value(), to_string(partition)));
  }
}

void TransactionChecks::read(const TopicPartition& partition, Offset from, Offset to,
                             const std::set<Offset>& given) {
  for (Offset at = from; at < to; at = at + 1) {
    Entry& read = entry(partition, at);
    const bool is_given = given.contains(at);
    if (read.given.value_or(is_given) != is_given)
      all_.violated(
          fmt::format("{} at offset {} was given to one reader under read_committed and not to another",
                      to_string(partition), at.value()));
    read.given = is_given;
    compare(partition, at, read);
  }
}

void TransactionChecks::ended(const std::vector<std::pair<TopicPartition, Offset>>& records, bool committed) {
  for (const auto& [partition, offset] : records) {
    Entry& told = entry(partition, offset);
    told.told = committed;
    compare(partition, offset, told);
  }
}

void TransactionChecks::compare(const TopicPartition& partition, Offset offset, const Entry& entry) {
  if (!entry.is_committed) return;
  const auto where = [&] { return fmt::format("{} at offset {}", to_string(partition), offset.value()); };
  const std::string word = *entry.is_committed ? "committed" : entry.copy ? "aborted" : "a marker";
  if (entry.given.value_or(*entry.is_committed) != *entry.is_committed)
    all_.violated(fmt::format("{} is {} and was {} a reader under read_committed", where(), word,
                              *entry.given ? "given to" : "kept from"));
  if (entry.told.value_or(*entry.is_committed) != *entry.is_committed)
    all_.violated(fmt::format("{} is {} and its producer was told that the transaction is {}", where(), word,
                              *entry.told ? "committed" : "aborted"));
}

void TransactionChecks::took_over(const std::string& id, ProducerEpoch epoch) {
  const auto [known, is_new] = newest_.emplace(id, epoch);
  if (!is_new && known->second == epoch)
    all_.violated(fmt::format("epoch {} of {} was given to two producers", epoch.value(), id));
  known->second = std::max(known->second, epoch);
}

ProducerEpoch TransactionChecks::newest(const std::string& id) const {
  const auto known = newest_.find(id);
  return known == newest_.end() ? kNoProducerEpoch : known->second;
}

void TransactionChecks::obeyed(const std::string& id, ProducerEpoch epoch, ProducerEpoch newest,
                               const std::string& what) {
  if (epoch < newest)
    all_.violated(fmt::format("{} of epoch {} of {} was granted, and epoch {} has taken over", what,
                              epoch.value(), id, newest.value()));
}

std::string TransactionChecks::unsettled() const {
  for (const auto& [partition, output] : outputs_)
    for (const auto& [producer, offsets] : output.open)
      return fmt::format("the transaction of producer id {} is open in {} from offset {} on",
                         producer.value(), to_string(partition), offsets.front().value());
  return {};
}

void TransactionChecks::finish(PartitionIndex input,
                               const std::vector<std::optional<WrittenRecord>>& records) {
  for (std::size_t at = 0; at < records.size(); ++at) {
    const Offset offset(static_cast<std::int64_t>(at));
    if (!records[at] || records[at]->producer < 0 || is_copied(input, offset)) continue;
    all_.violated(fmt::format("{} was never copied", to_string(copy_of(input, offset))));
  }
}

}  // namespace barnabas::simulation
