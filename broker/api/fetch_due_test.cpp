// A fetch of a session looks only at what may have something to tell. Nobody must be able to see that: two
// nodes live through the same, one asked by sessions, the other one each time by a fetch that names all
// partitions. What the second one answers, less what its client knows already, is what the first must answer.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <list>
#include <map>
#include <utility>

#include "broker/api/leader_fixture.hpp"
#include "protocol/messages/api_fetch.hpp"

namespace barnabas::broker::testing {
namespace {

using protocol::FetchRequest;
using protocol::FetchResponse;
using PartitionData = FetchResponse::PartitionData;
using std::chrono::milliseconds;
using Leader = LeaderFixture;

/// What a client asks of one partition.
struct Asked {
  int topic = 0;
  Uuid id;
  std::int32_t index = 0;
  std::int32_t leader_epoch = -1;
  std::int32_t named_epoch = -1;  // the leader epoch when the leader was named it last
  std::int64_t offset = 0;
  std::int32_t last_epoch = -1;
  std::int64_t told_high_watermark = -1;
  std::int64_t told_log_start = -1;
  bool is_changed = true;
};

struct Client {
  std::int16_t version = 17;
  std::int32_t follower = -1;
  std::int8_t isolation = 0;
  std::string rack = {};
  std::int32_t session_id = 0;
  std::int32_t session_epoch = 0;
  std::list<Asked> order = {};
  std::vector<Asked> forgotten = {};
};

struct Told {
  Uuid id;
  std::string topic;
  PartitionData data;
};

std::string text_of(const Told& told) {
  const auto& data = told.data;
  std::string text = fmt::format(
      "{}{}-{}: error {} high watermark {} stable {} start {} records {} diverging {}@{} replica {} leader "
      "{}/{}",
      told.topic, told.id.to_string(), data.partition_index, data.error_code, data.high_watermark,
      data.last_stable_offset, data.log_start_offset, data.records ? data.records->bytes.size() : 0,
      data.diverging_epoch.epoch, data.diverging_epoch.end_offset, data.preferred_read_replica,
      data.current_leader.leader_id, data.current_leader.leader_epoch);
  return text + (data.aborted_transactions ? " with a list" : "");
}

std::vector<Told> told_by(const FetchResponse& response) {
  std::vector<Told> all;
  for (const auto& topic : response.responses)
    for (const auto& data : topic.partitions) all.push_back({topic.topic_id, topic.topic, data});
  return all;
}

class TwinLeaders {
 public:
  explicit TwinLeaders(std::uint64_t seed) : random_(seed) {
    pair_ids();
    for (int topic = 0; topic < kTopics; ++topic)
      for (std::int32_t index = 0; index < kPartitions; ++index) lead(topic, index, true);
    clients_.resize(4);
    clients_[0] = {.version = 17, .follower = 2};
    clients_[1] = {.version = 13, .isolation = 1};
    clients_[2] = {.version = 12, .rack = "there"};
    clients_[3] = {.version = 16, .follower = 3};
    for (Client& client : clients_) {
      for (int topic = 0; topic < kTopics; ++topic)
        for (std::int32_t index = 0; index < kPartitions; ++index) add(client, topic, index);
    }
  }

  void step() {
    if (chance(3)) return fetch(any_client());
    happen(random_.below(16));
    compare_leaders();
  }

 private:
  /// What brokers have heard last: newer than anything that the controller of each says by itself.
  struct Known {
    std::int32_t leader_epoch = 1000;
    std::int32_t partition_epoch = 1000;
    bool leads = true;
    std::vector<BrokerId> isr = {BrokerId(1), BrokerId(2), BrokerId(3)};
  };

  bool chance(std::uint64_t of) { return random_.below(of) == 0; }
  Client& any_client() { return clients_[random_.below(clients_.size())]; }
  template <class Call>
  void both(Call&& call) {
    call(by_session_);
    call(by_walk_);
  }
  /// Each node draws the ids of its topics for itself; a test speaks of the first one's.
  void pair_ids() {
    for (std::size_t topic = 0; topic < kTopics; ++topic) {
      to_walk_[by_session_.ids[topic]] = by_walk_.ids[topic];
      to_session_[by_walk_.ids[topic]] = by_session_.ids[topic];
    }
  }
  Known& known(int topic, std::int32_t index) { return known_[static_cast<std::size_t>(topic)][index]; }

  /// By metadata newer than what there is.
  void lead(int topic, std::int32_t index, bool is_new_epoch) {
    Known& now = known(topic, index);
    kraft::PartitionRegistration metadata;
    metadata.replicas = {BrokerId(1), BrokerId(2), BrokerId(3)};
    metadata.isr = now.isr;
    metadata.leader = BrokerId(now.leads ? 1 : 2);
    metadata.leader_epoch = LeaderEpoch(now.leader_epoch += is_new_epoch ? 1 : 0);
    metadata.partition_epoch = ++now.partition_epoch;
    both([&](Leader& at) {
      const auto partition = at.find(topic, index);
      if (!partition) return;
      now.leads ? partition->become_leader(metadata) : (void)partition->become_follower(metadata);
    });
  }
  void add(Client& client, int topic, std::int32_t index) {
    client.order.push_back({.topic = topic,
                            .id = by_session_.ids[static_cast<std::size_t>(topic)],
                            .index = index,
                            .leader_epoch = known(topic, index).leader_epoch});
  }

  void happen(std::uint64_t what) {
    const int topic = static_cast<int>(random_.below(kTopics));
    const auto index = static_cast<std::int32_t>(random_.below(kPartitions));
    const bool is_here = by_session_.find(topic, index) != nullptr;
    REQUIRE(is_here == (by_walk_.find(topic, index) != nullptr));
    Known& now = known(topic, index);
    switch (what) {
      case 0: {  // time passes
        const milliseconds span(1 + random_.below(chance(4) ? 20000 : 200));
        return both([&](Leader& at) { at.node.world.run_until(at.node.clock.monotonic() + span); });
      }
      case 1:
        return both([](Leader& at) { at.node.replicas->shrink_isrs(); });
      case 2:
        return answer_isr_question();
      case 3: {  // a broker begins another life
        const std::int32_t broker = chance(2) ? 2 : 3;
        if (chance(6)) both([&](Leader& at) { at.register_broker(broker); });
        return;
      }
      case 4: {  // permissions
        const bool takes = chance(3);
        return both([&](Leader& at) {
          auto& refused = at.node.authorizer.refused;
          if (takes && refused.empty())
            refused.push_back({Operation::kRead, ResourceKind::kTopic, name_of(topic)});
          else
            refused.clear();
        });
      }
      case 5: {  // a topic goes, or comes
        const bool is_there = by_session_.find(topic, 0) != nullptr;
        if (is_there && !chance(4)) return;
        both([&](Leader& at) { is_there ? at.remove(topic) : at.create(topic); });
        pair_ids();
        for (std::int32_t one = 0; one < kPartitions; ++one) {
          known(topic, one) = {};
          lead(topic, one, true);
        }
        return;
      }
      default:
        if (is_here) happen_to(what, topic, index, now);
    }
  }

  void happen_to(std::uint64_t what, int topic, std::int32_t index, Known& now) {
    switch (what) {
      case 6:
      case 7:
      case 8:
      case 9: {
        if (!now.leads) return;
        const int count = 1 + static_cast<int>(random_.below(3));
        return both([&](Leader& at) { (void)at.node.append(name_of(topic), index, count); });
      }
      case 10: {
        now.leads = chance(2) || !now.leads;
        return lead(topic, index, true);
      }
      case 11: {  // the controller takes a broker out of the in-sync set, or lets it in
        now.isr = {BrokerId(1)};
        for (const std::int32_t broker : {2, 3})
          if (chance(2)) now.isr.emplace_back(broker);
        return lead(topic, index, false);
      }
      case 12: {
        const auto below = random_.below(8);
        return both([&](Leader& at) {
          at.find(topic, index)->with_log([&](log::PartitionLog& log) {
            const Offset to = std::min(log.high_watermark(), log.log_start_offset() + std::int64_t(below));
            (void)demand(log.delete_records_before(to));
          });
        });
      }
      case 13: {
        const auto count = static_cast<std::int32_t>(1 + random_.below(3));
        return both([&](Leader& at) { at.find(topic, index)->set_min_insync_replicas(count); });
      }
      case 14: {  // as a follower of the other leader: it learns what is committed, and loses its end
        if (now.leads) return;
        const bool truncates = chance(2);
        return both([&](Leader& at) {
          const auto partition = at.find(topic, index);
          const Offset end = partition->with_log([](log::PartitionLog& log) { return log.log_end_offset(); });
          const LeaderEpoch epoch(now.leader_epoch);
          if (truncates)
            (void)partition->follow_range(epoch, Offset(0), std::max(Offset(0), end - 1));
          else
            (void)partition->append_as_follower({epoch, end, {}, end, Offset(0)});
        });
      }
      case 15: {  // clients change what they ask for
        Client& client = any_client();
        const auto found = std::ranges::find_if(
            client.order, [&](const Asked& asked) { return asked.topic == topic && asked.index == index; });
        // A request that names what it forgets forgets it.
        const bool is_forgotten = std::ranges::any_of(client.forgotten, [&](const Asked& asked) {
          return asked.topic == topic && asked.index == index;
        });
        if (found == client.order.end()) return is_forgotten ? void() : add(client, topic, index);
        if (chance(2)) {
          client.forgotten.push_back(*found);
          client.order.erase(found);
        } else {
          found->offset = std::max<std::int64_t>(found->offset - std::int64_t(random_.below(3)), 0);
          found->leader_epoch = chance(4) ? -1 : now.leader_epoch;
          found->is_changed = true;
        }
        return;
      }
      default:
        return;
    }
  }

  void answer_isr_question() {
    if (by_session_.questions.questions.empty()) return;
    const bool is_accepted = chance(2);
    std::optional<AcceptedIsr> accepted;
    both([&](Leader& at) {
      auto question = std::move(at.questions.questions.front());
      at.questions.questions.pop_front();
      if (!is_accepted) return question.callback(fail(ErrorCode::kIneligibleReplica, "not now"));
      accepted.emplace();
      accepted->leader = BrokerId(1);
      accepted->leader_epoch = question.change.leader_epoch;
      accepted->partition_epoch = question.change.partition_epoch + 1;
      for (const IsrMember& member : question.change.isr) accepted->isr.push_back(member.broker);
      question.callback(*accepted);
    });
  }

  /// In-sync sets, high watermarks and the times of followers tell whether fetches that were not looked at
  /// counted all the same.
  void compare_leaders() {
    REQUIRE(by_session_.questions.questions.size() == by_walk_.questions.questions.size());
    for (std::size_t at = 0; at < by_walk_.questions.questions.size(); ++at)
      REQUIRE(by_session_.questions.questions[at].change.isr == by_walk_.questions.questions[at].change.isr);
    REQUIRE(by_session_.node.clock.monotonic() == by_walk_.node.clock.monotonic());
    for (int topic = 0; topic < kTopics; ++topic)
      for (std::int32_t index = 0; index < kPartitions; ++index)
        REQUIRE(state_of(by_session_, topic, index) == state_of(by_walk_, topic, index));
  }
  static std::string state_of(const Leader& at, int topic, std::int32_t index) {
    const auto partition = at.find(topic, index);
    if (!partition) return "none";
    const Offset high_watermark =
        partition->with_log([](log::PartitionLog& log) { return log.high_watermark(); });
    std::string text = fmt::format("{}-{}: {}", topic, index, high_watermark.value());
    for (const ReadableReplica& replica : partition->readable_at(high_watermark))
      text += fmt::format(", broker {} up to {} at {}", replica.broker.value(), replica.log_end.value(),
                          replica.caught_up_at.count() / 1000000);
    return text;
  }

  FetchRequest request_of(const Client& client, const Leader& at, bool whole, std::int32_t wait_ms) {
    FetchRequest request;
    if (client.follower >= 0 && client.version < 15) request.replica_id = client.follower;
    if (client.follower >= 0 && client.version >= 15)
      request.replica_state = {client.follower, follower_epoch_of(client, at)};
    request.max_wait_ms = wait_ms;
    request.min_bytes = min_bytes_;
    request.max_bytes = max_bytes_;
    request.isolation_level = client.isolation;
    request.rack_id = client.rack;
    request.session_epoch = -1;
    for (const Asked& asked : client.order) {
      if (!whole && !asked.is_changed) continue;
      auto& topic = request.topics.emplace_back();
      if (client.version < 13) topic.topic = name_of(asked.topic);
      if (client.version >= 13) topic.topic_id = whole ? to_walk_.at(asked.id) : asked.id;
      auto& partition = topic.partitions.emplace_back();
      partition.partition = asked.index;
      partition.current_leader_epoch = asked.leader_epoch;
      partition.fetch_offset = asked.offset;
      partition.last_fetched_epoch = client.version >= 12 ? asked.last_epoch : -1;
      partition.log_start_offset = client.follower >= 0 ? 0 : -1;
      partition.partition_max_bytes = 150;
    }
    if (whole) return request;
    request.session_id = client.session_id;
    request.session_epoch = client.session_epoch;
    for (const Asked& asked : client.forgotten) {
      auto& topic = request.forgotten_topics_data.emplace_back();
      if (client.version < 13) topic.topic = name_of(asked.topic);
      if (client.version >= 13) topic.topic_id = asked.id;
      topic.partitions.push_back(asked.index);
    }
    return request;
  }
  /// Broker 2 tells of its newest life, broker 3 of none.
  [[nodiscard]] static std::int64_t follower_epoch_of(const Client& client, const Leader& at) {
    return client.follower == 2 ? at.epoch_of(2) : -1;
  }

  void fetch(Client& client) {
    max_bytes_ = chance(3) ? 200 : 1 << 20;
    min_bytes_ = chance(4) ? 200 : 1;
    const std::int32_t wait_ms = chance(3) ? 50 : 0;
    if (chance(30)) client.session_epoch = 0;
    if (client.session_epoch == 0)
      for (Asked& asked : client.order) asked.is_changed = true;
    const bool is_incremental = client.session_epoch != 0;
    const Call ours = by_session_.node.start(request_of(client, by_session_, false, wait_ms), client.version);
    const Call theirs = by_walk_.node.start(request_of(client, by_walk_, true, wait_ms), client.version);
    client.forgotten.clear();
    for (Asked& asked : client.order) name(asked);
    run(milliseconds(2));
    REQUIRE(ours->answers == theirs->answers);
    if (ours->answers == 0) {
      happen(6 + random_.below(9));
      run(milliseconds(2));
      INFO("after it waited");
      REQUIRE(ours->answers == theirs->answers);
      if (ours->answers == 0) run(milliseconds(50));
    }
    const auto answer = by_session_.node.decode<FetchResponse>(ours, client.version);
    const auto expected = by_walk_.node.decode<FetchResponse>(theirs, client.version);
    REQUIRE(answer.error_code == 0);
    REQUIRE(expected.error_code == 0);
    client.session_id = answer.session_id;
    client.session_epoch = answer.session_id == 0 ? 0 : client.session_epoch + 1;
    std::vector<Told> told = told_by(expected);
    if (client.version >= 13)
      for (Told& one : told) one.id = to_session_.at(one.id);
    take(client, told_by(answer), told, is_incremental);
    compare_leaders();
  }
  /// In another leader epoch a client takes nothing from what it was told in the one before.
  static void name(Asked& asked) {
    if (!std::exchange(asked.is_changed, false)) return;
    if (std::exchange(asked.named_epoch, asked.leader_epoch) == asked.leader_epoch) return;
    asked.told_high_watermark = asked.told_log_start = -1;
  }
  void run(milliseconds span) {
    both([&](Leader& at) { at.node.world.run_until(at.node.clock.monotonic() + span); });
  }

  static std::list<Asked>::iterator find(Client& client, const Told& told) {
    return std::ranges::find_if(client.order, [&](const Asked& asked) {
      return asked.index == told.data.partition_index &&
             (client.version >= 13 ? asked.id == told.id : name_of(asked.topic) == told.topic);
    });
  }

  void take(Client& client, const std::vector<Told>& answer, const std::vector<Told>& expected,
            bool is_incremental) {
    std::vector<std::string> ours;
    std::vector<std::string> theirs;
    for (const Told& told : answer) ours.push_back(text_of(told));
    for (const Told& told : expected) {
      const auto asked = find(client, told);
      REQUIRE(asked != client.order.end());
      const PartitionData& data = told.data;
      const bool has_records = data.records && !data.records->bytes.empty();
      const bool failed = data.error_code != 0 || data.diverging_epoch.epoch >= 0;
      const bool is_news = has_records || failed || data.preferred_read_replica >= 0 ||
                           data.high_watermark != asked->told_high_watermark ||
                           data.log_start_offset != asked->told_log_start;
      if (!is_news && is_incremental) continue;
      theirs.push_back(text_of(told));
      asked->told_high_watermark = failed ? -1 : data.high_watermark;
      asked->told_log_start = failed ? -1 : data.log_start_offset;
      go_on_from(*asked, data);
      if (has_records) client.order.splice(client.order.end(), client.order, asked);
    }
    REQUIRE(ours == theirs);
  }

  /// As clients do, if not always at once.
  void go_on_from(Asked& asked, const PartitionData& data) {
    if (chance(5)) return;
    asked.is_changed = true;
    if (data.error_code == static_cast<std::int16_t>(ErrorCode::kOffsetOutOfRange)) {
      asked.offset = asked.offset == 0 ? std::int64_t(random_.below(20)) : 0;
      asked.last_epoch = -1;
    } else if (data.error_code != 0) {
      asked.leader_epoch = known(asked.topic, asked.index).leader_epoch;
    } else if (data.diverging_epoch.epoch >= 0) {
      asked.offset = data.diverging_epoch.end_offset;
      asked.last_epoch = data.diverging_epoch.epoch;
    } else if (data.records && !data.records->bytes.empty()) {
      protocol::BatchCursor cursor(data.records->bytes);
      while (const auto entry = demand(cursor.next())) {
        asked.offset = entry->last_offset().value() + 1;
        asked.last_epoch = entry->batch().leader_epoch().value();
      }
    } else {
      asked.is_changed = false;
    }
  }

  SeededRandom random_;
  Leader by_session_;
  Leader by_walk_;
  std::map<Uuid, Uuid> to_walk_;
  std::map<Uuid, Uuid> to_session_;
  std::array<std::map<std::int32_t, Known>, kTopics> known_;
  std::vector<Client> clients_;
  std::int32_t max_bytes_ = 1 << 20;
  std::int32_t min_bytes_ = 1;
};

TEST_CASE("a fetch of a session answers as one that looks at every partition") {
  const char* given = std::getenv("BARNABAS_FETCH_SEEDS");
  const std::uint64_t seeds = given != nullptr ? std::strtoull(given, nullptr, 10) : 20;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    TwinLeaders twins(seed);
    for (int step = 0; step < 1000; ++step) {
      INFO("seed " << seed << ", step " << step);
      twins.step();
    }
  }
}

}  // namespace
}  // namespace barnabas::broker::testing
