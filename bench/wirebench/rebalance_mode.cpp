// The mode in which many members join a group of the consumer protocol at once.
//
// Each member does what a client does: it joins with no partitions, owns what it is given, and says so with
// its next heartbeat. They take turns, and wait a little after each turn, as nobody's heartbeats come without
// a pause.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "bench/wirebench/calls.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/modes.hpp"
#include "protocol/messages/api_consumer_group_heartbeat.hpp"

namespace barnabas::wirebench {
namespace {

using protocol::ConsumerGroupHeartbeatRequest;
using protocol::ConsumerGroupHeartbeatResponse;

constexpr std::int16_t kVersion = 1;
constexpr int kRebalanceTimeoutMs = 300'000;
constexpr auto kPause = std::chrono::milliseconds(20);

class Member {
 public:
  Member(const std::string& group, int number) {
    request_.group_id = group;
    request_.member_id = fmt::format("{}-{}", group, number);
  }

  void join(Connection& connection, const std::string& topic) {
    request_.rebalance_timeout_ms = kRebalanceTimeoutMs;
    request_.subscribed_topic_names = {topic};
    request_.topic_partitions.emplace();
    beat(connection);
    request_.rebalance_timeout_ms = -1;
    request_.subscribed_topic_names.reset();
  }

  void beat(Connection& connection) {
    const auto answer = call_patiently<ConsumerGroupHeartbeatResponse>(
        connection, request_, kVersion, "ConsumerGroupHeartbeat",
        [](const ConsumerGroupHeartbeatResponse& response) { return response.error_code; });
    request_.member_epoch = answer.member_epoch;
    request_.topic_partitions.reset();
    if (!answer.assignment) return;
    owned_ = 0;
    auto& told = request_.topic_partitions.emplace();
    for (const auto& topic : answer.assignment->topic_partitions) {
      told.push_back({topic.topic_id, topic.partitions});
      owned_ += std::ssize(topic.partitions);
    }
  }

  void leave(Connection& connection) {
    request_.member_epoch = -1;
    request_.topic_partitions.reset();
    (void)call<ConsumerGroupHeartbeatResponse>(connection, request_, kVersion);
  }

  [[nodiscard]] std::int32_t epoch() const { return request_.member_epoch; }
  [[nodiscard]] std::ptrdiff_t owned() const { return owned_; }
  [[nodiscard]] bool has_told() const { return !request_.topic_partitions; }

 private:
  ConsumerGroupHeartbeatRequest request_;  // the next
  std::ptrdiff_t owned_ = 0;
};

/// All of one epoch, all partitions owned, and the broker knows it.
bool is_settled(const std::vector<Member>& members, int partitions) {
  std::ptrdiff_t owned = 0;
  for (const Member& member : members) {
    if (!member.has_told() || member.epoch() != members.front().epoch()) return false;
    owned += member.owned();
  }
  return owned == partitions;
}

}  // namespace

int run_rebalance(const Options& options) {
  Connection connection(options.address);
  const std::string group = options.topic + "-group";
  wait_for_coordinator(connection, 0, group);
  std::vector<Member> members;
  for (int number = 0; number < options.count; ++number) members.emplace_back(group, number);
  const Measurement measurement(options.pid);
  for (Member& member : members) member.join(connection, options.topic);
  int rounds = 0;
  for (; !is_settled(members, options.partitions); ++rounds) {
    if (measurement.seconds() > options.patience_seconds) {
      fmt::print(stderr, "the group does not settle\n");
      return 1;
    }
    std::this_thread::sleep_for(kPause);
    for (Member& member : members) member.beat(connection);
  }
  const Measurement::Used used = measurement.used();
  const auto [least, most] = std::ranges::minmax(members, {}, &Member::owned);
  fmt::print("mode=rebalance members={} partitions={} rounds={} least={} most={} seconds={:.3f}",
             options.count, options.partitions, rounds, least.owned(), most.owned(), used.seconds);
  if (measurement.has_process())
    fmt::print(" cpu_s={:.2f} rss_mb={:.1f}", used.cpu_seconds, used.resident_mb);
  fmt::print("\n");
  for (Member& member : members) member.leave(connection);
  return 0;
}

}  // namespace barnabas::wirebench
