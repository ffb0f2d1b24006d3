#include "simulation/coordinators/group_worker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::simulation {

namespace {
constexpr std::int16_t kFetchVersion = 12;  // the last with topic names
constexpr std::int8_t kReadCommitted = 1;
constexpr std::int32_t kWaitMs = 100;
constexpr std::int32_t kPartitionBytes = 4 * 1024;
constexpr std::chrono::seconds kBetweenLooks{2};
constexpr std::int16_t kOffsetFetchVersion = 9;  // the last with topic names

/// Which records of a fetched piece count, by what the answer says of aborted transactions (KIP-98).
class AbortedTransactions {
 public:
  using List = std::optional<std::vector<protocol::FetchResponse::AbortedTransaction>>;

  explicit AbortedTransactions(const List& list) {
    if (list)
      for (const auto& aborted : *list) begins_.emplace(aborted.first_offset, aborted.producer_id);
  }
  /// To be asked of the records in their order.
  bool covers(const LoggedRecord& record) {
    const std::int64_t last = record.batch.last_offset().value();
    for (; !begins_.empty() && begins_.begin()->first <= last; begins_.erase(begins_.begin()))
      open_.insert(begins_.begin()->second);
    const std::int64_t producer = record.batch.producer_id().value();
    if (record.marker() == false) open_.erase(producer);
    return record.batch.is_transactional() && open_.contains(producer);
  }

 private:
  std::multimap<std::int64_t, std::int64_t> begins_;
  std::set<std::int64_t> open_;
};

}  // namespace

GroupWorker::GroupWorker(ClientSurroundings surroundings, std::string host, CoordinatorChecks checks,
                         MembershipOptions options)
    : CoordinatedClient(std::move(surroundings), std::move(host)),
      checks_(checks),
      member_(make_group_member(*this, checks.groups, std::move(options))) {}

void GroupWorker::start() {
  look_for_metadata();
  member_->start();
  go_on();
}

void GroupWorker::look_for_metadata() {
  refresh();
  after(kBetweenLooks, [this] { look_for_metadata(); });
}

void GroupWorker::pause_a_little() {
  after(kBackoff, [this] { take_next(); });
}

void GroupWorker::go_on() {
  after(std::chrono::milliseconds(1), [this] { take_next(); });
}

bool GroupWorker::still_owns(const Taken& taken) const {
  return member_->tenure(taken.partition) == taken.tenure;
}

void GroupWorker::take_next() {
  if (is_over()) return;
  const auto& owned = member_->owned();
  if (owned.empty()) return pause_a_little();
  auto chosen = owned.begin();
  std::advance(chosen, below(owned.size()));
  const auto [partition, tenure] = *chosen;
  const auto position = positions_.find(partition);
  if (position == positions_.end() || position->second.tenure != tenure) return ask_where(partition);
  fetch(partition);
}

void GroupWorker::ask_where(const TopicPartition& partition) {
  protocol::OffsetFetchRequest request;
  request.require_stable = true;
  auto& group = request.groups.emplace_back();
  group.group_id = member_->options().group;
  group.member_id = member_->id();
  group.member_epoch = member_->epoch();
  auto& topic = group.topics.emplace().emplace_back();
  topic.name = partition.topic;
  topic.partition_indexes = {partition.partition.value()};
  ask<protocol::OffsetFetchResponse>(
      {CoordinatorKind::kGroup, group.group_id}, request, {kOffsetFetchVersion, kOffsetFetchVersion},
      [this, partition, epoch = member_->epoch(), tenure = member_->tenure(partition),
       acknowledged = checks_.groups.acknowledged_by({group.group_id, partition}, member_->epoch())](
          const protocol::OffsetFetchResponse& response) {
        // Offsets of a transaction that is open, or a member that is behind: it will know soon.
        if (error_in(response) != ErrorCode::kNone) return pause_a_little();
        const auto& committed = response.groups[0].topics[0].partitions[0];
        const Offset begin = std::max(Offset(committed.committed_offset), Offset(0));
        if (member_->tenure(partition) == tenure) {
          checks_.groups.begins({member_->options().group, partition}, epoch, begin, acknowledged);
          positions_[partition] = {tenure, begin, LeaderEpoch(committed.committed_leader_epoch)};
        }
        go_on();
      });
}

void GroupWorker::fetch(const TopicPartition& partition) {
  const Place place = place_of(partition);
  Position position = positions_.at(partition);
  if (place.leader < 0 || place.epoch < position.epoch) {
    refresh();
    return pause_a_little();
  }
  position.epoch = place.epoch;
  protocol::FetchRequest request;
  request.max_wait_ms = kWaitMs;
  request.min_bytes = 1;
  request.isolation_level = kReadCommitted;
  auto& topic = request.topics.emplace_back();
  topic.topic = partition.topic;
  auto& wanted = topic.partitions.emplace_back();
  wanted.partition = partition.partition.value();
  wanted.current_leader_epoch = place.epoch.value();
  wanted.fetch_offset = position.offset.value();
  wanted.partition_max_bytes = kPartitionBytes;
  channel_to(place.leader)
      .call<protocol::FetchResponse>(
          std::move(request), {kFetchVersion, kFetchVersion},
          [this, partition, position](FetchAnswer answer) { on_fetched(partition, position, answer); });
}

void GroupWorker::on_fetched(const TopicPartition& partition, Position from, const FetchAnswer& answer) {
  const auto* data =
      answer && answer->body.error_code == 0 ? &answer->body.responses.at(0).partitions.at(0) : nullptr;
  if (data == nullptr || data->error_code != 0) {
    if (data != nullptr && static_cast<ErrorCode>(data->error_code) == ErrorCode::kOffsetOutOfRange)
      checks().violated(
          fmt::format("offset {} of {}, where group {} stands, is out of range of {} to {} on {}",
                      from.offset.value(), to_string(partition), member_->options().group,
                      data->log_start_offset, data->high_watermark, place_of(partition).leader));
    refresh();
    return pause_a_little();
  }
  Taken taken{partition, from.tenure, from.offset, from.offset, from.epoch, {}};
  if (!still_owns(taken)) return go_on();
  take(taken, *data);
  positions_[partition] = {from.tenure, taken.next, from.epoch};
  process(std::move(taken));
}

void GroupWorker::take(Taken& taken, const protocol::FetchResponse::PartitionData& data) {
  if (!data.records || data.records->bytes.empty()) return;
  AbortedTransactions aborted(data.aborted_transactions);
  const auto end = for_each_record(data.records->bytes, taken.from, [&](const LoggedRecord& record) {
    checks().committed(taken.partition, record.offset, record.written(), "a reader was given");
    if (!aborted.covers(record) && !record.batch.is_control())
      taken.records.emplace_back(record.offset, record.written());
  });
  if (end)
    taken.next = *end;
  else
    checks().violated(fmt::format("what a reader was given of {} from offset {} on is broken: {}",
                                  to_string(taken.partition), taken.from.value(), end.error().detail));
}

}  // namespace barnabas::simulation
