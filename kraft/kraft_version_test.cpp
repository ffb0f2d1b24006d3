// kraft.version from 0 to 1 (KIP-853): what UpdateFeatures is answered, and a quorum of several nodes before
// and after. The words are those of Kafka 4.3.1, measured by compat-tests/cluster_kraft_version.py.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "kraft/controller/feature_control.hpp"
#include "kraft/controller_testing.hpp"
#include "kraft/quorum_testing.hpp"

using namespace barnabas;
using namespace barnabas::kraft;

namespace {

constexpr std::int16_t kInvalidUpdate = 95;
constexpr std::string_view kFailed =
    "The update failed for all features since the following feature had an error: ";

protocol::UpdateFeaturesRequest raising(std::int16_t level, std::int8_t type = 1) {
  protocol::UpdateFeaturesRequest request;
  auto& update = request.feature_updates.emplace_back();
  update.feature = "kraft.version";
  update.max_version_level = level;
  update.upgrade_type = type;
  return request;
}

/// Of a controller whose quorum has `level`.
FeatureUpdates asked(std::int16_t level, bool can_upgrade, const protocol::UpdateFeaturesRequest& request) {
  ControllerFixture controller;
  controller.start_brokers(1);
  ControlContext context = controller.context();
  context.kraft_version = level;
  context.can_upgrade_kraft_version = can_upgrade;
  return update_features(context, request, 2);
}
std::string said(std::int16_t level, bool can_upgrade, const protocol::UpdateFeaturesRequest& request) {
  const FeatureUpdates updates = asked(level, can_upgrade, request);
  CHECK(updates.records.empty());
  if (updates.response.error_code == 0) return "";
  CHECK_FALSE(updates.upgrades_kraft_version);
  CHECK(updates.response.error_code == kInvalidUpdate);
  REQUIRE(updates.response.error_message->starts_with(kFailed));
  return std::string(updates.response.error_message->substr(kFailed.size()));
}

/// As their drivers do it.
void register_controllers(QuorumFixture& quorum) {
  REQUIRE(quorum.wait_until_equal());
  for (int id = 1; id <= 3; ++id) {
    const auto wanted = quorum.node(id).wanted_registration();
    if (!wanted) continue;
    bool is_registered = false;
    quorum.node(quorum.leader())
        .submit(*wanted, ReplyTo<protocol::ControllerRegistrationResponse>(
                             [&](const auto& response) { is_registered = response.error_code == 0; }));
    REQUIRE(quorum.run_until([&] { return is_registered; }));
  }
}
std::optional<protocol::UpdateFeaturesResponse> update(QuorumFixture& quorum, int id,
                                                       protocol::UpdateFeaturesRequest request) {
  std::optional<protocol::UpdateFeaturesResponse> answer;
  quorum.node(id).submit(std::move(request), 2, ReplyTo<protocol::UpdateFeaturesResponse>([&](auto response) {
                           answer = response;
                         }));
  quorum.member(id).due = quorum.clock.monotonic();
  REQUIRE(quorum.run_until([&] { return answer.has_value(); }));
  return answer;
}
std::int16_t raise(QuorumFixture& quorum, int id) {
  return update(quorum, id, raising(1))->error_code;
}
/// As soon as all voters have told the leader who they are. Its id.
int raise_when_possible(QuorumFixture& quorum) {
  for (int tries = 0; tries < 50; ++tries) {
    const int leader = quorum.wait_for_leader();
    if (raise(quorum, leader) == 0) return leader;
    quorum.run_ms(200);
  }
  return 0;
}
ErrorCode change_voters(QuorumFixture& quorum, int leader, RaftMessage request) {
  std::optional<ErrorCode> answered;
  quorum.node(leader).receive(kNoBroker, std::move(request), 0, [&](QuorumAnswer answer) {
    answered = std::get<ChangeRaftVoterResponse>(answer.message).error;
  });
  quorum.member(leader).due = quorum.clock.monotonic();
  REQUIRE(quorum.run_until([&] { return answered.has_value(); }));
  return *answered;
}

}  // namespace

TEST_CASE("kraft.version goes up by an upgrade alone, when all voters can, and never down") {
  const std::string invalid = "Invalid update version ";
  CHECK(asked(0, true, raising(1)).upgrades_kraft_version);
  CHECK(said(0, false, raising(1)) ==
        "Invalid upgrade of kraft.version to KRAFT_VERSION_1 because not all of the voters support it");
  CHECK(said(0, true, raising(1, 2)) ==
        invalid + "1 for feature kraft.version. Can't downgrade to a newer version.");
  CHECK(said(0, true, raising(2)) ==
        invalid + "2 for feature kraft.version. Local controller 1000 only supports versions 0-1");
  CHECK(said(1, false, raising(0, 3)) ==
        invalid + "0 for feature kraft.version. Can't downgrade the version of this feature.");
  for (const std::int16_t level : {0, 1})
    for (const std::int8_t type : {1, 2, 3}) {
      const FeatureUpdates same = asked(level, false, raising(level, type));
      CHECK(same.response.error_code == 0);
      CHECK_FALSE(same.upgrades_kraft_version);
    }
}

TEST_CASE("a dry run, or another feature that cannot be had, raises no kraft.version") {
  auto dry = raising(1);
  dry.validate_only = true;
  const FeatureUpdates validated = asked(0, true, dry);
  CHECK(validated.response.error_code == 0);
  CHECK_FALSE(validated.upgrades_kraft_version);
  auto both = raising(1);
  both.feature_updates.push_back({"made.up", 1, false, 1});
  CHECK(said(0, true, both).starts_with("Invalid update version 1 for feature made.up."));
}

TEST_CASE("a registered broker that does not know kraft.version 1 keeps the quorum from it") {
  ControllerFixture controller;
  auto old = controller.registration(7);
  std::erase_if(old.features, [](const auto& feature) { return feature.name == "kraft.version"; });
  REQUIRE(controller.register_broker(old).error_code == 0);
  ControlContext context = controller.context();
  context.can_upgrade_kraft_version = true;
  const FeatureUpdates refused = update_features(context, raising(1), 2);
  CHECK(refused.response.error_message->ends_with("Broker 7 does not support this feature."));
}

TEST_CASE("levels are of all nodes that are registered, and of controllers that should be") {
  ControllerFixture controller({.metadata_version = 26, .elr = true, .min_isr = "1", .seed = 7});
  auto old = controller.registration(7);
  for (auto& feature : old.features)
    if (feature.name == kMetadataVersionFeature) feature.max_supported_version = 26;
  REQUIRE(controller.register_broker(old).error_code == 0);
  const auto said = [&](std::int16_t level, std::int8_t type, const std::vector<BrokerId>& quorum) {
    protocol::UpdateFeaturesRequest request;
    auto& update = request.feature_updates.emplace_back();
    update.feature = kMetadataVersionFeature;
    update.max_version_level = level;
    update.upgrade_type = type;
    const std::string text =
        update_features(controller.context(), request, 2, quorum).response.error_message.value_or("");
    const std::string before = fmt::format("Invalid update version {} for feature metadata.version. ", level);
    const std::size_t at = text.find(before);
    return at == std::string::npos ? text : text.substr(at + before.size());
  };
  const std::vector<BrokerId> quorum{controller.options.node_id, BrokerId(3)};
  CHECK(said(27, 1, quorum) == "Broker 7 only supports versions 7-26");
  CHECK(said(27, 3, {}) == "Broker 7 only supports versions 7-26");
  CHECK(said(26, 1, quorum) == "controller 3 has not registered, and may not support this feature");
  CHECK(said(25, 1, quorum) == "controller 3 has not registered, and may not support this feature");
  CHECK(said(26, 1, {controller.options.node_id}).empty());
}

TEST_CASE("a static quorum gets voters of its own, and keeps them over crashes, snapshots and new leaders") {
  QuorumFixture quorum;
  quorum.start_all();
  const int first = quorum.wait_for_leader();
  CHECK(raise(quorum, first) == kInvalidUpdate);
  register_controllers(quorum);
  const int leader = raise_when_possible(quorum);
  REQUIRE(leader != 0);
  REQUIRE(quorum.wait_until_equal());
  for (int id = 1; id <= 3; ++id) CHECK(quorum.node(id).kraft_version() == 1);
  CHECK(raise(quorum, leader) == 0);
  SECTION("a crash of all") {
    for (int id = 1; id <= 3; ++id) quorum.crash(id);
    for (int id = 1; id <= 3; ++id) REQUIRE(quorum.start(id));
  }
  SECTION("starts from a snapshot") {
    for (int id = 1; id <= 3; ++id) {
      REQUIRE(quorum.node(id).write_snapshot());
      quorum.stop(id);
    }
    for (int id = 1; id <= 3; ++id) REQUIRE(quorum.start(id));
  }
  SECTION("another leader") {
    quorum.crash(leader);
    REQUIRE(quorum.run_until([&] { return quorum.leader() != 0; }));
    REQUIRE(quorum.start(leader));
  }
  REQUIRE(quorum.wait_until_equal());
  for (int id = 1; id <= 3; ++id) CHECK(quorum.node(id).kraft_version() == 1);
  const int now = quorum.wait_for_leader();
  const int leaving = now == 1 ? 2 : 1;
  const ReplicaKey gone{BrokerId(leaving), quorum.member(leaving).options.directory_id};
  REQUIRE(change_voters(quorum, now, RemoveRaftVoterRequest{gone}) == ErrorCode::kNone);
  quorum.stop(leaving);
  REQUIRE(quorum.set_quota_now(quorum.wait_for_leader(), "of-two") == ErrorCode::kNone);
}

TEST_CASE("what else a request updates is written with kraft.version, and its answer waits for both") {
  QuorumFixture quorum;
  quorum.start_all();
  (void)quorum.wait_for_leader();
  register_controllers(quorum);
  REQUIRE(quorum.run_until([&] {
    const int leader = quorum.leader();
    auto dry = raising(1);
    dry.validate_only = true;
    if (leader == 0 || update(quorum, leader, dry)->error_code != 0) return false;
    auto both = raising(1);
    both.feature_updates.push_back({"share.version", 0, false, 2});
    return update(quorum, leader, both)->error_code == 0;
  }));
  const int leader = quorum.leader();
  CHECK(quorum.node(leader).kraft_version() == 1);
  CHECK(quorum.node(leader).image()->feature("share.version") == 0);
  REQUIRE(quorum.wait_until_equal());
  for (int id = 1; id <= 3; ++id) {
    CHECK(quorum.node(id).kraft_version() == 1);
    CHECK(quorum.node(id).image()->feature("share.version") == 0);
  }
}

TEST_CASE("a quorum of one is raised at once") {
  QuorumFixture quorum({.controllers = 1, .initial_voters = 1});
  quorum.start_all();
  REQUIRE(quorum.wait_for_leader() == 1);
  CHECK(raise(quorum, 1) == 0);
  CHECK(quorum.node(1).kraft_version() == 1);
  quorum.crash(1);
  REQUIRE(quorum.start(1));
  REQUIRE(quorum.wait_for_leader() == 1);
  CHECK(quorum.node(1).kraft_version() == 1);
  CHECK(quorum.node(1).is_lone_voter());
}
