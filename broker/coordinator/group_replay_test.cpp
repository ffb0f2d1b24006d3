// State rebuilt from the log equals the live state, whatever happened, whichever appends failed.
#include <catch2/catch.hpp>

#include "broker/coordinator/compacted_log_testing.hpp"
#include "broker/coordinator/hex_testing.hpp"
#include "broker/coordinator/shard_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

/// What restarts must keep, as text: every offset, and every group that is not amid a rebalance.
std::string persistent_state(const GroupShard& shard, const GroupShard* only_groups_settled_in = nullptr) {
  std::string text;
  for (const auto& [group, topics] : shard.offsets().groups()) {
    for (const auto& [topic, partitions] : topics) {
      for (const auto& [partition, committed] : partitions) {
        text += group + " " + topic + " " + std::to_string(partition) + "=" +
                std::to_string(committed.offset) + "/" + std::to_string(committed.commit_timestamp_ms) + "/" +
                std::to_string(committed.expire_timestamp_ms) + "/" + committed.metadata + "/" +
                committed.topic_id.value().to_string() + "\n";
      }
    }
  }
  for (const auto& [id, group] : shard.classic().groups()) {
    const ClassicGroup* reference =
        only_groups_settled_in ? only_groups_settled_in->classic().find(id) : &group;
    text += "group " + id;
    if (reference == nullptr || reference->is_in(ClassicState::kPreparingRebalance) ||
        reference->is_in(ClassicState::kCompletingRebalance)) {
      text += " rebalances\n";
      continue;
    }
    text += " " + std::string(to_string(group.state())) + " " + std::to_string(group.generation()) + " " +
            group.protocol_type().value_or("-") + " " + group.protocol_name().value_or("-") + " " +
            group.leader() + " " + std::to_string(group.state_timestamp_ms()) + "\n";
    for (const auto& [member_id, member] : group.members()) {
      text += "  " + member_id + " " + member.instance_id.value_or("-") + " " + member.client_id + " " +
              member.client_host + " " + std::to_string(member.session_timeout_ms) + " " +
              std::to_string(member.rebalance_timeout_ms) + " " + hex(view_of(member.assignment)) + " " +
              hex(view_of(member.metadata_of(group.protocol_name().value_or("")))) + "\n";
    }
  }
  return text;
}

struct Client {
  std::string group;
  std::optional<std::string> instance;
  std::string id;
  std::int32_t generation = -1;
  bool leads = false;
  std::optional<Caught<protocol::JoinGroupResponse>> join;
  std::optional<Caught<protocol::SyncGroupResponse>> sync;
};

/// Clients that do as clients do, and at times as they should not.
class RandomGroups {
 public:
  explicit RandomGroups(std::uint64_t seed) : fixture(options()), random_(seed) {
    for (int i = 0; i < 6; ++i) {
      Client client;
      client.group = "group-" + std::to_string(i % 2);
      if (i % 3 == 0) client.instance = "instance-" + std::to_string(i);
      clients_.push_back(std::move(client));
    }
  }

  void step() {
    Client& client = clients_[random_.below(clients_.size())];
    collect(client);
    if (random_.below(20) == 0) fixture.log->fail_after(static_cast<int>(random_.below(3)));
    switch (random_.below(10)) {
      case 0:
      case 1:
      case 2:
        if (!client.join) client.join = fixture.join(input_of(client));
        break;
      case 3:
      case 4:
        if (!client.sync && !client.id.empty()) sync(client);
        break;
      case 5:
        (void)fixture.heartbeat(client.id, client.generation, client.group, client.instance);
        break;
      case 6:
        (void)fixture.commit(
            client.group, "t" + std::to_string(random_.below(3)), static_cast<std::int32_t>(random_.below(3)),
            static_cast<std::int64_t>(random_.below(100)), random_.below(3) == 0 ? "" : client.id,
            random_.below(3) == 0 ? -1 : client.generation);
        break;
      case 7:
        fixture.advance(static_cast<std::int64_t>(random_.below(3000)));
        break;
      case 8:
        if (random_.below(4) == 0) {
          (void)fixture.leave({{client.id, client.instance}}, client.group);
          client.id.clear();
        } else {
          client.id = random_.below(3) == 0 ? "" : client.id;  // the process starts again
        }
        break;
      default:
        if (random_.below(10) == 0) (void)fixture.remove(client.group);
        break;
    }
  }

  [[nodiscard]] std::int32_t highest_generation() const {
    std::int32_t highest = 0;
    for (const auto& [id, group] : fixture.shard.classic().groups())
      highest = std::max(highest, group.generation());
    return highest;
  }

  static GroupShardOptions options() {
    GroupShardOptions options = ShardFixture::options();
    options.offsets_retention_ms = 20000;
    options.cleanup_interval_ms = 5000;
    options.classic.max_size = 3;
    return options;
  }

  ShardFixture fixture;

 private:
  JoinInput input_of(const Client& client) {
    JoinInput input;
    input.group = client.group;
    input.member = client.id;
    input.instance = client.instance;
    input.protocols = {{"range", subscription({"t" + std::to_string(random_.below(3))})}};
    if (random_.below(2) == 0) input.protocols.push_back({"sticky", {1}});
    input.session_ms = 8000;
    input.rebalance_ms = 4000;
    input.version = random_.below(5) == 0 ? 3 : 9;
    return input;
  }
  void sync(Client& client) {
    std::vector<std::pair<std::string, Bytes>> assignments;
    if (client.leads) {
      for (const Client& other : clients_) {
        if (!other.id.empty())
          assignments.emplace_back(other.id, Bytes{static_cast<std::uint8_t>(random_.below(256))});
      }
    }
    client.sync = fixture.sync(client.id, client.generation, assignments, client.group, client.instance);
  }
  void collect(Client& client) {
    if (client.join && client.join->count() > 0) {
      const protocol::JoinGroupResponse& response = **client.join;
      if (response.error_code == 0 || response.error_code == 79) client.id = response.member_id;
      if (response.error_code == 0) client.generation = response.generation_id;
      if (response.error_code == 25 || response.error_code == 82) client.id.clear();
      client.leads = response.error_code == 0 && response.leader == response.member_id;
      client.join.reset();
    }
    if (client.sync && client.sync->count() > 0) client.sync.reset();
  }

  SeededRandom random_;
  std::vector<Client> clients_;
};

TEST_CASE(
    "A shard loaded from the log equals the one that wrote it, after random operations with failing "
    "appends") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    RandomGroups groups(seed);
    std::int32_t highest = 0;
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 25; ++i) groups.step();
      highest = std::max(highest, groups.highest_generation());
      ShardFixture loaded(RandomGroups::options(), groups.fixture.log);
      INFO("seed " << seed << " round " << round);
      const std::string live = persistent_state(groups.fixture.shard);
      const std::string again = persistent_state(loaded.shard, &groups.fixture.shard);
      CHECK(again == live);
      if (again != live) return;
    }
    CHECK(highest >= 3);
  }
}

TEST_CASE("What the cleaner leaves of the log gives back what the whole log does") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    RandomGroups groups(seed);
    SeededRandom chance(1000 + seed);
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 25; ++i) groups.step();
      const MemoryShardLog& log = *groups.fixture.log;
      const std::string live = persistent_state(groups.fixture.shard);
      for (const bool keeps_tombstones : {true, false}) {
        const Offset to(static_cast<std::int64_t>(
            chance.below(static_cast<std::uint64_t>(log.end_offset().value()) + 1)));
        ShardFixture loaded(RandomGroups::options(), compacted(log, to, keeps_tombstones));
        INFO("seed " << seed << " round " << round << " below " << to.value());
        const std::string again = persistent_state(loaded.shard, &groups.fixture.shard);
        CHECK(again == live);
        if (again != live) return;
      }
    }
  }
}

TEST_CASE("Groups that are gone have left nothing in the log once it is compacted") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    RandomGroups groups(seed);
    for (int i = 0; i < 200; ++i) groups.step();
    groups.fixture.advance(600000);
    for (const char* group : {"group-0", "group-1"}) (void)groups.fixture.remove(group);
    CAPTURE(seed);
    CHECK(persistent_state(groups.fixture.shard) == "");
    const MemoryShardLog& log = *groups.fixture.log;
    CHECK(compacted(log, log.end_offset(), false)->batch_count() == 0);
  }
}

TEST_CASE("Loading reads the log in bounded pieces and goes on where the log ends") {
  ShardFixture fixture;
  for (int i = 0; i < 50; ++i) REQUIRE(fixture.commit("g", "t", i % 7, i).came());
  GroupShard shard(ShardFixture::options(), *fixture.surroundings, fixture.random);
  CoordinatorRuntime runtime(shard, *fixture.log, {.name = "test", .load_buffer_bytes = 300});
  int pieces = 0;
  CHECK(runtime.availability() == ErrorCode::kCoordinatorLoadInProgress);
  for (bool done = false; !done; ++pieces) done = runtime.load_some(fixture.now).value();
  CHECK(pieces > 10);
  CHECK(runtime.availability() == ErrorCode::kNone);
  CHECK(persistent_state(shard) == persistent_state(fixture.shard));
}

TEST_CASE("A record of a known type that does not parse fails the load, an unknown type is passed over") {
  ShardFixture fixture;
  const Bytes unknown = {0, 99, 1, 2, 3};
  CHECK(fixture.shard.replay(unknown, ByteView(unknown)).has_value());
  const Bytes cut = {0, 1, 0, 9, 'g'};
  const auto result = fixture.shard.replay(cut, ByteView(unknown));
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code == ErrorCode::kCorruptMessage);
}

}  // namespace
}  // namespace barnabas::broker::testing
