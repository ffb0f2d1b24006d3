#include "simulation/coordinators/group_reader.hpp"

#include <fmt/format.h>

#include "protocol/messages/api_offset_commit.hpp"

namespace barnabas::simulation {

namespace {
constexpr std::int16_t kLastVersionByName = 9;
constexpr std::int16_t kFirstVersion = 7;

/// What befalls a member that the group has left behind.
bool is_of_membership(ErrorCode error) {
  switch (error) {
    case ErrorCode::kIllegalGeneration:
    case ErrorCode::kUnknownMemberId:
    case ErrorCode::kRebalanceInProgress:
    case ErrorCode::kFencedInstanceId:
    case ErrorCode::kStaleMemberEpoch:
    case ErrorCode::kFencedMemberEpoch:
      return true;
    default:
      return false;
  }
}

}  // namespace

void GroupReader::process(Taken taken) {
  std::set<Offset> given;
  for (const auto& [offset, record] : taken.records) given.insert(offset);
  coordinator_checks().transactions.read(taken.partition, taken.from, taken.next, given);
  const bool is_due = taken.records.empty() || below(3) == 0;
  if (!is_due || committed_[taken.partition] == taken.next) return go_on();
  commit(taken);
}

void GroupReader::commit(const Taken& taken) {
  const GroupPartition partition{member().options().group, taken.partition};
  protocol::OffsetCommitRequest request;
  request.group_id = partition.first;
  request.generation_id_or_member_epoch = member().epoch();
  request.member_id = member().id();
  request.group_instance_id = member().options().instance;
  auto& topic = request.topics.emplace_back();
  topic.name = taken.partition.topic;
  auto& committed = topic.partitions.emplace_back();
  committed.partition_index = taken.partition.partition.value();
  committed.committed_offset = taken.next.value();
  committed.committed_leader_epoch = taken.epoch.value();
  committed.committed_metadata = host();
  ask<protocol::OffsetCommitResponse>(
      {CoordinatorKind::kGroup, partition.first}, request, {kFirstVersion, kLastVersionByName},
      [this, partition, epoch = member().epoch(),
       next = taken.next](const protocol::OffsetCommitResponse& response) {
        const ErrorCode error = error_in(response);
        if (error == ErrorCode::kNone) {
          coordinator_checks().groups.acknowledged(partition, epoch, next);
          committed_[partition.second] = next;
        } else if (!is_of_membership(error) && error != ErrorCode::kUnknownTopicOrPartition &&
                   error != ErrorCode::kRequestTimedOut) {
          checks().violated(fmt::format("a commit of {} is refused with error {}", partition.first,
                                        static_cast<int>(error)));
        }
        go_on();
      });
}

}  // namespace barnabas::simulation
