#include "simulation/coordinators/consumer_member.hpp"

#include <fmt/format.h>

namespace barnabas::simulation {

namespace {
constexpr std::int16_t kVersion = 1;
constexpr std::int32_t kRebalanceTimeoutMs = 4000;
constexpr std::int32_t kLeaves = -1;
constexpr std::int32_t kStaticLeaves = -2;
constexpr std::chrono::milliseconds kHeartbeatInterval{500};
}  // namespace

void ConsumerMember::start() {
  begin_anew();
  arrange_heartbeat();
}

void ConsumerMember::begin_anew() {
  lose_all();
  joined(id().empty() ? Uuid::random(client().surroundings().world.random()).to_string() : id(), 0);
}

void ConsumerMember::arrange_heartbeat() {
  client().after(kHeartbeatInterval, [this] { heartbeat(); });
}

void ConsumerMember::heartbeat() {
  if (is_leaving_ || is_over()) return;
  const TopicId topic = client().id_of(options().topic);
  if (topic == TopicId()) {
    client().refresh();
    return arrange_heartbeat();
  }
  protocol::ConsumerGroupHeartbeatRequest request;
  request.group_id = options().group;
  request.member_id = id();
  request.member_epoch = epoch();
  request.instance_id = options().instance;
  request.rebalance_timeout_ms = kRebalanceTimeoutMs;
  request.subscribed_topic_names = std::vector<std::string>{options().topic};
  auto& owns = request.topic_partitions.emplace();
  if (!owned().empty()) owns.emplace_back().topic_id = topic.value();
  for (const auto& [partition, tenure] : owned())
    owns.back().partitions.push_back(partition.partition.value());
  client().ask<Response>(coordinator(), request, {kVersion, kVersion},
                         [this](const Response& response) { on_answer(response); });
}

void ConsumerMember::on_answer(const Response& response) {
  if (is_leaving_) return;
  switch (static_cast<ErrorCode>(response.error_code)) {
    case ErrorCode::kNone:
      take(response);
      break;
    case ErrorCode::kUnknownMemberId:
    case ErrorCode::kFencedMemberEpoch:
      begin_anew();
      break;
    case ErrorCode::kUnreleasedInstanceId:  // whose place it takes is still there
    case ErrorCode::kRequestTimedOut:
      break;
    case ErrorCode::kFencedInstanceId:
      return end();
    default:
      client().checks().violated(fmt::format("{} of {} is refused with error {}: {}", client().host(),
                                             options().group, response.error_code,
                                             response.error_message.value_or("")));
  }
  arrange_heartbeat();
}

void ConsumerMember::take(const Response& response) {
  joined(id(), response.member_epoch);
  std::set<TopicPartition> assigned;
  if (response.assignment) {
    for (const auto& topic : response.assignment->topic_partitions)
      for (const std::int32_t partition : topic.partitions)
        assigned.insert({client().name_of(TopicId(topic.topic_id)), PartitionIndex(partition)});
  } else {
    for (const auto& [partition, tenure] : owned()) assigned.insert(partition);
  }
  own(assigned);
}

void ConsumerMember::leave(std::function<void()> done) {
  is_leaving_ = true;
  lose_all();
  protocol::ConsumerGroupHeartbeatRequest request;
  request.group_id = options().group;
  request.member_id = id();
  request.instance_id = options().instance;
  request.member_epoch = options().instance ? kStaticLeaves : kLeaves;
  client().ask<Response>(coordinator(), request, {kVersion, kVersion},
                         [done = std::move(done)](const Response&) { done(); });
}

}  // namespace barnabas::simulation
