#include <catch2/catch.hpp>

#include "broker/coordinator/shard_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

/// One stable member subscribed to `topics`.
std::string stable_member(ShardFixture& fixture, const std::vector<std::string>& topics = {"t"},
                          const std::string& type = "consumer") {
  auto joined = fixture.join_with_new_id(
      {.type = type, .protocols = {{"range", subscription(topics)}}, .session_ms = 1000000000});
  fixture.settle();
  REQUIRE(joined.came());
  REQUIRE(fixture.sync(joined->member_id, joined->generation_id, {{joined->member_id, {1}}}).came());
  return joined->member_id;
}

Caught<protocol::OffsetDeleteResponse> delete_offset(ShardFixture& fixture, const std::string& group,
                                                     const std::string& topic) {
  Caught<protocol::OffsetDeleteResponse> caught;
  protocol::OffsetDeleteRequest request;
  request.group_id = group;
  auto& asked = request.topics.emplace_back();
  asked.name = topic;
  asked.partitions.push_back({0});
  fixture.exclusive([&](Step& step) { fixture.shard.delete_offsets(request, caught.answer(), step); });
  return caught;
}

TEST_CASE("A consumer outside any group commits, and its group is there, empty and without a protocol type") {
  ShardFixture fixture;
  auto commit = fixture.commit("gs", "ct1", 0, 1);
  CHECK(ShardFixture::error_of(commit) == ErrorCode::kNone);
  CHECK(fixture.committed("gs", "ct1", 0) == 1);
  CHECK(fixture.committed("gs", "ct1", 1) == -1);
  CHECK(fixture.committed("gs", "nope", 0) == -1);
  CHECK(fixture.committed("unknown", "ct1", 0) == -1);
  const auto described = fixture.describe("gs");
  CHECK(described.error_code == 0);
  CHECK(described.group_state == "Empty");
  CHECK(described.protocol_type.empty());
}

TEST_CASE("Metadata above the limit is refused for its partition only, counted as Java counts") {
  ShardFixture fixture;
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 1, {}, -1, std::string(4097, 'x'))) ==
        ErrorCode::kOffsetMetadataTooLarge);
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 1, {}, -1, std::string(4096, 'x'))) ==
        ErrorCode::kNone);
  std::string accents;
  for (int i = 0; i < 4096; ++i) accents += "\xC3\xA9";
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 2, {}, -1, accents)) == ErrorCode::kNone);
  CHECK(fixture.committed("g", "t", 0) == 2);
}

TEST_CASE("While a group has members only they commit, in its generation") {
  ShardFixture fixture;
  const std::string member = stable_member(fixture);
  const auto error = [&](const std::string& who, std::int32_t generation, std::int16_t version = 9) {
    return ShardFixture::error_of(fixture.commit("g", "t", 0, 7, who, generation, {}, -1, version));
  };
  CHECK(error(member, 1) == ErrorCode::kNone);
  CHECK(error("", -1) == ErrorCode::kUnknownMemberId);
  CHECK(error("zz", 1) == ErrorCode::kUnknownMemberId);
  CHECK(error(member, 2) == ErrorCode::kIllegalGeneration);
  CHECK(fixture.committed("g", "t", 0) == 7);
  CHECK(ShardFixture::error_of(fixture.commit("new", "t", 0, 1, "m", 3, {}, -1, 9)) ==
        ErrorCode::kGroupIdNotFound);
  CHECK(ShardFixture::error_of(fixture.commit("new", "t", 0, 1, "m", 3, {}, -1, 8)) ==
        ErrorCode::kIllegalGeneration);
}

TEST_CASE("Members commit while the group prepares a rebalance, not while it waits for the assignment") {
  ShardFixture fixture;
  const std::string member = stable_member(fixture);
  auto newcomer = fixture.join_with_new_id({.protocols = {{"range", subscription({"t"})}}});
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 1, member, 1)) == ErrorCode::kNone);
  auto back = fixture.join({.member = member, .protocols = {{"range", subscription({"t"})}}});
  REQUIRE(back.came());
  CHECK(ShardFixture::error_of(fixture.commit("g", "t", 0, 2, member, 2)) == ErrorCode::kRebalanceInProgress);
  CHECK(fixture.committed("g", "t", 0) == 1);
}

TEST_CASE("Commits of several members share one append") {
  ShardFixture fixture;
  fixture.batching = true;
  std::vector<Caught<protocol::OffsetCommitResponse>> commits;
  for (int i = 0; i < 20; ++i) commits.push_back(fixture.commit("g" + std::to_string(i), "t", 0, i));
  CHECK(fixture.log->batch_count() == 0);
  CHECK_FALSE(commits[0].came());
  fixture.runtime.flush(fixture.now);
  CHECK(fixture.log->batch_count() == 1);
  for (auto& commit : commits) CHECK(ShardFixture::error_of(commit) == ErrorCode::kNone);
  CHECK(fixture.committed("g7", "t", 0) == 7);
}

TEST_CASE("An append that fails answers every commit in it and changes nothing") {
  ShardFixture fixture;
  REQUIRE(fixture.commit("a", "t", 0, 1).came());
  fixture.batching = true;
  auto one = fixture.commit("a", "t", 0, 2);
  auto two = fixture.commit("b", "t", 0, 2);
  fixture.log->fail_with = ErrorCode::kNotLeaderOrFollower;
  fixture.log->fail_after(0);
  fixture.runtime.flush(fixture.now);
  CHECK(ShardFixture::error_of(one) == ErrorCode::kNotCoordinator);
  CHECK(ShardFixture::error_of(two) == ErrorCode::kNotCoordinator);
  CHECK(fixture.committed("a", "t", 0) == 1);
  CHECK(fixture.describe("b").error_code == 69);
}

TEST_CASE("An exclusive operation sees the commits before it") {
  ShardFixture fixture;
  fixture.batching = true;
  auto commit = fixture.commit("g", "t", 0, 1);
  CHECK(fixture.remove("g") == ErrorCode::kNone);
  CHECK(commit.came());
  CHECK(fixture.committed("g", "t", 0) == -1);
}

TEST_CASE("A commit is answered when it is committed, and with an error when that takes too long") {
  ShardFixture fixture;
  fixture.log->commits_at_once = false;
  auto first = fixture.commit("g", "t", 0, 1);
  CHECK_FALSE(first.came());
  fixture.log->committed = fixture.log->end_offset();
  fixture.runtime.release();
  CHECK(ShardFixture::error_of(first) == ErrorCode::kNone);
  auto second = fixture.commit("g", "t", 0, 2);
  fixture.advance(4999);
  CHECK_FALSE(second.came());
  fixture.advance(1);
  CHECK(ShardFixture::error_of(second) == ErrorCode::kCoordinatorNotAvailable);
  auto third = fixture.commit("g", "t", 0, 3);
  fixture.runtime.close(ErrorCode::kNotCoordinator);
  CHECK(ShardFixture::error_of(third) == ErrorCode::kNotCoordinator);
}

TEST_CASE("Offsets of topics that members read stay, others can be deleted") {
  ShardFixture fixture;
  const std::string member = stable_member(fixture, {"read"});
  REQUIRE(fixture.commit("g", "read", 0, 1, member, 1).came());
  REQUIRE(fixture.commit("g", "other", 0, 1, member, 1).came());
  CHECK(delete_offset(fixture, "g", "read")->topics[0].partitions[0].error_code == 86);
  CHECK(delete_offset(fixture, "g", "other")->topics[0].partitions[0].error_code == 0);
  CHECK(delete_offset(fixture, "g", "never")->topics[0].partitions[0].error_code == 0);
  CHECK(delete_offset(fixture, "unknown", "t").error() == ErrorCode::kGroupIdNotFound);
  CHECK(fixture.committed("g", "read", 0) == 1);
  CHECK(fixture.committed("g", "other", 0) == -1);
}

TEST_CASE("Offsets of a group of another protocol type are not deleted while it has members") {
  ShardFixture fixture;
  (void)stable_member(fixture, {"t"}, "connect");
  CHECK(delete_offset(fixture, "g", "t").error() == ErrorCode::kNonEmptyGroup);
}

TEST_CASE("Groups with members are not deleted, unknown ones not found") {
  ShardFixture fixture;
  const std::string member = stable_member(fixture);
  CHECK(fixture.remove("g") == ErrorCode::kNonEmptyGroup);
  CHECK(fixture.remove("gunk") == ErrorCode::kGroupIdNotFound);
  REQUIRE(fixture.leave({{member, {}}}).came());
  CHECK(fixture.remove("g") == ErrorCode::kNone);
  CHECK(fixture.remove("g") == ErrorCode::kGroupIdNotFound);
  const auto dead = fixture.describe("g", 5);
  CHECK(dead.error_code == 0);
  CHECK(dead.group_state == "Dead");
  CHECK(fixture.describe("g", 6).error_message == "Group g not found.");
}

TEST_CASE("Groups are listed by state and type") {
  ShardFixture fixture;
  (void)stable_member(fixture);
  REQUIRE(fixture.commit("simple", "t", 0, 1).came());
  const auto list = [&](std::vector<std::string> states, std::vector<std::string> types) {
    Caught<protocol::ListGroupsResponse> caught;
    protocol::ListGroupsRequest request;
    request.states_filter = std::move(states);
    request.types_filter = std::move(types);
    fixture.exclusive([&](Step& step) { fixture.shard.list(request, caught.answer(), step); });
    return *caught;
  };
  REQUIRE(list({}, {}).groups.size() == 2);
  CHECK(list({}, {}).groups[0].group_type == "classic");
  REQUIRE(list({"stable"}, {}).groups.size() == 1);
  CHECK(list({"stable"}, {}).groups[0].protocol_type == "consumer");
  CHECK(list({"Empty"}, {"Classic"}).groups[0].group_id == "simple");
  CHECK(list({}, {"consumer"}).groups.empty());
  CHECK(list({"nonsense"}, {}).groups.empty());
}

TEST_CASE("Offsets expire: of simple groups by their commit, of empty ones since they are empty") {
  GroupShardOptions options = ShardFixture::options();
  options.offsets_retention_ms = 10000;
  options.cleanup_interval_ms = 1000;
  ShardFixture fixture(options);
  const std::string member = stable_member(fixture, {"read"});
  REQUIRE(fixture.commit("g", "read", 0, 1, member, 1).came());
  REQUIRE(fixture.commit("g", "unread", 0, 1, member, 1).came());
  REQUIRE(fixture.commit("simple", "t", 0, 1).came());
  REQUIRE(fixture.commit("short", "t", 0, 1, {}, -1, {}, 3000, 4).came());
  fixture.advance(5000);
  CHECK(fixture.describe("short").error_code == 69);
  CHECK(fixture.committed("simple", "t", 0) == 1);
  fixture.advance(7000);
  CHECK(fixture.describe("simple").error_code == 69);
  CHECK(fixture.committed("g", "read", 0) == 1);
  CHECK(fixture.committed("g", "unread", 0) == -1);
  REQUIRE(fixture.leave({{member, {}}}).came());
  fixture.advance(9000);
  CHECK(fixture.committed("g", "read", 0) == 1);
  fixture.advance(3000);
  CHECK(fixture.describe("g").error_code == 69);
}

TEST_CASE("Offsets of a deleted topic are forgotten, not those of a new one with its name") {
  ShardFixture fixture;
  REQUIRE(fixture.commit("g", "gone", 0, 1).came());
  REQUIRE(fixture.commit("g", "kept", 0, 1).came());
  const TopicId id(Uuid::of_low(1000 + 4));  // both have names of four letters
  fixture.exclusive([&](Step& step) {
    fixture.shard.forget_topics({{"gone", id}, {"kept", TopicId(Uuid::of_low(1))}}, step);
  });
  CHECK(fixture.committed("g", "gone", 0) == -1);
  CHECK(fixture.committed("g", "kept", 0) == 1);
}

/// What one group has for one partition, and what transactions are about to do to it.
struct TransactionalOffsets : ShardFixture {
  Caught<protocol::TxnOffsetCommitResponse> commit_pending(std::int64_t producer, std::int64_t offset,
                                                           const std::string& topic = "t") {
    Caught<protocol::TxnOffsetCommitResponse> caught;
    protocol::TxnOffsetCommitRequest request;
    request.group_id = "g";
    request.producer_id = producer;
    request.producer_epoch = 0;
    request.generation_id = -1;
    auto& to = request.topics.emplace_back();
    to.name = topic;
    to.partitions.emplace_back().committed_offset = offset;
    commuting([&](Step& step) { shard.commit_in_transaction(request, 0, caught.answer(), step); });
    return caught;
  }
  void end(std::int64_t producer, bool committed) {
    exclusive([&](Step& step) {
      step.end = TransactionEnd{ProducerId(producer), ProducerEpoch(0), 1, committed, 0};
    });
  }
  protocol::OffsetFetchResponse::OffsetFetchResponsePartitions fetch(bool stable,
                                                                     const std::string& topic = "t") {
    Caught<GroupShard::FetchedGroup> caught;
    protocol::OffsetFetchRequest::OffsetFetchRequestGroup request;
    request.group_id = "g";
    request.topics.emplace().push_back({topic, {}, {0}});
    commuting([&](Step& step) { shard.fetch_offsets(request, stable, caught.answer(), step); });
    return caught->topics.at(0).partitions.at(0);
  }
  /// As another coordinator would find it in the log.
  std::int64_t loaded() {
    ShardFixture after(options(), log);
    return after.committed("g", "t", 0);
  }
};

TEST_CASE_METHOD(
    TransactionalOffsets,
    "Offsets of an open transaction appear with its commit, and make the offset unstable until then") {
  REQUIRE(commit("g", "t", 0, 1).came());
  REQUIRE(commit_pending(5, 9)->topics.at(0).partitions.at(0).error_code == 0);
  CHECK(fetch(true).error_code == 88);
  CHECK(fetch(true).committed_offset == -1);
  CHECK(fetch(false).committed_offset == 1);
  end(5, true);
  CHECK(fetch(true).committed_offset == 9);
  REQUIRE(commit_pending(6, 12).came());
  end(6, false);
  CHECK(fetch(true).error_code == 0);
  CHECK(fetch(true).committed_offset == 9);
}

TEST_CASE_METHOD(TransactionalOffsets, "An offset is as unstable after a move of the coordinator as before") {
  REQUIRE(commit("g", "t", 0, 1).came());
  REQUIRE(commit_pending(5, 9).came());
  GroupShard moved(options(), *surroundings, random);
  CoordinatorRuntime loading(moved, *log, {.name = "__consumer_offsets-0"});
  while (!loading.load_some(now).value()) {
  }
  CHECK(moved.offsets().is_pending("g", "t", 0));
  CHECK(moved.offsets().find("g", "t", 0)->offset == 1);
  end(5, true);
  CHECK(loaded() == 9);
}

TEST_CASE_METHOD(TransactionalOffsets,
                 "Of two commits the later one counts, though the earlier one ends later") {
  REQUIRE(commit_pending(5, 9).came());
  REQUIRE(commit("g", "t", 0, 20).came());
  CHECK(fetch(true).error_code == 88);
  end(5, true);
  CHECK(fetch(true).committed_offset == 20);
  CHECK(loaded() == 20);
  // Two transactions at once, of which the earlier ends last.
  REQUIRE(commit_pending(6, 30).came());
  REQUIRE(commit_pending(7, 40).came());
  end(7, true);
  CHECK(fetch(true).error_code == 88);
  end(6, true);
  CHECK(fetch(true).committed_offset == 40);
  CHECK(loaded() == 40);
  // And the last of one transaction's own.
  REQUIRE(commit_pending(8, 50).came());
  REQUIRE(commit_pending(8, 45).came());
  end(8, true);
  CHECK(fetch(true).committed_offset == 45);
}

TEST_CASE_METHOD(TransactionalOffsets,
                 "Offsets of transactions and plain ones are in the log in the order in which they came") {
  batching = true;
  const auto plain = commit("g", "t", 0, 20);
  CHECK_FALSE(plain.came());  // it waits for others
  REQUIRE(commit_pending(5, 30).came());
  CHECK(plain.came());
  end(5, true);
  CHECK(fetch(true).committed_offset == 30);
  CHECK(loaded() == 30);
}

TEST_CASE_METHOD(TransactionalOffsets, "What is deleted is not brought back by a transaction that was open") {
  REQUIRE(commit("g", "t", 0, 1).came());
  REQUIRE(commit_pending(5, 9).came());
  REQUIRE(commit_pending(5, 9, "other").came());
  SECTION("the group") {
    CHECK(remove("g") == ErrorCode::kNone);
    end(5, true);
    CHECK(describe("g").error_code == 69);
    CHECK(committed("g", "other", 0) == -1);
  }
  SECTION("its offset") {
    CHECK(delete_offset(*this, "g", "t")->topics.at(0).partitions.at(0).error_code == 0);
    CHECK(delete_offset(*this, "g", "other")->topics.at(0).partitions.at(0).error_code == 0);
    CHECK(fetch(true).error_code == 0);
    end(5, true);
    CHECK(committed("g", "other", 0) == -1);
  }
  SECTION("the topic") {
    exclusive([&](Step& step) {
      shard.forget_topics({{"t", TopicId(Uuid::of_low(1001))}, {"other", TopicId(Uuid::of_low(7))}}, step);
    });
    end(5, true);
    CHECK(committed("g", "other", 0) == -1);  // its record has no topic id
  }
  CHECK(committed("g", "t", 0) == -1);
  CHECK(loaded() == -1);
  CHECK_FALSE(shard.offsets().has_pending("g"));
}

TEST_CASE_METHOD(TransactionalOffsets, "A group with an offset of an open transaction does not expire") {
  REQUIRE(commit_pending(5, 9).came());
  advance(std::int64_t{30} * 86400 * 1000);
  CHECK(describe("g").error_code == 0);
  end(5, false);
  advance(86400 * 1000);
  CHECK(describe("g").error_code == 69);
}

}  // namespace
}  // namespace barnabas::broker::testing
