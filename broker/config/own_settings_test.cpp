#include "broker/config/own_settings.hpp"

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

std::string refusal_of(kraft::ConfigMap properties) {
  const auto taken = take_own_settings(properties);
  return taken ? "" : taken.error().detail;
}

}  // namespace

TEST_CASE("wanted topics are names with partitions, replicas and configurations") {
  const auto topics =
      parse_wanted_topics("orders:3, events:1:1:cleanup.policy=compact:retention.ms=5,plain,x::2:a=b:c=d:e");
  REQUIRE(topics);
  REQUIRE(topics->size() == 4);
  CHECK((*topics)[0] == WantedTopic{"orders", 3, -1, {}});
  CHECK((*topics)[1] == WantedTopic{"events", 1, 1, {{"cleanup.policy", "compact"}, {"retention.ms", "5"}}});
  CHECK((*topics)[2] == WantedTopic{"plain", -1, -1, {}});
  CHECK((*topics)[3] == WantedTopic{"x", -1, 2, {{"a", "b"}, {"c", "d:e"}}});
  CHECK(parse_wanted_topics("")->empty());
  CHECK_FALSE(parse_wanted_topics("@/nonexistent"));
}

TEST_CASE("a wrong wanted topic is told with what is allowed") {
  CHECK(refusal_of({{"barnabas.create.topics", "a:0"}}) ==
        "Invalid value a:0 for configuration barnabas.create.topics: 0 is no count; it must be at least 1, "
        "or -1");
  CHECK(refusal_of({{"barnabas.create.topics", ":1"}})
            .ends_with("must be NAME[:PARTITIONS[:REPLICAS[:KEY=VALUE]...]]"));
  CHECK(refusal_of({{"barnabas.create.topics", "a:1:1:compact"}}).ends_with("compact is not KEY=VALUE"));
  CHECK(refusal_of({{"barnabas.create.topics", "a:99999999999"}}).ends_with("must be at least 1, or -1"));
}

TEST_CASE("wanted users are written as kafka-storage takes them") {
  const auto users = parse_wanted_users(
      "SCRAM-SHA-256=[name=alice,password=secret], SCRAM-SHA-512=[name=bob,password=x,iterations=8192]");
  REQUIRE(users);
  REQUIRE(users->size() == 2);
  CHECK((*users)[0].mechanism == 1);
  CHECK((*users)[0].name == "alice");
  CHECK((*users)[0].password == "secret");
  CHECK((*users)[1].mechanism == 2);
  CHECK((*users)[1].iterations == 8192);
  CHECK_FALSE(parse_wanted_users("@/nonexistent"));
}

TEST_CASE("our own properties are taken out, and nothing else") {
  kraft::ConfigMap properties = {{"barnabas.http.listener", "127.0.0.1:8080"},
                                 {"barnabas.advertised.listeners.wait", "true"},
                                 {"barnabasx", "1"},
                                 {"node.id", "1"}};
  const auto taken = take_own_settings(properties);
  REQUIRE(taken);
  CHECK(taken->http_listener == Endpoint{"127.0.0.1", 8080});
  CHECK(taken->advertised_listeners_wait);
  CHECK(properties == kraft::ConfigMap{{"barnabasx", "1"}, {"node.id", "1"}});
}

TEST_CASE("own properties that make no sense are refused") {
  CHECK(refusal_of({{"barnabas.http.listener", "8080"}}).ends_with("must be HOST:PORT"));
  CHECK(refusal_of({{"barnabas.advertised.listeners.wait", "yes"}}).ends_with("either true or false"));
  CHECK(refusal_of({{"barnabas.advertised.listeners.wait", "true"}}).find("nobody could end the waiting") !=
        std::string::npos);
  CHECK(refusal_of({{"barnabas.create.topic", "a"}}).starts_with("barnabas.create.topic is not known."));
  CHECK(refusal_of({{"barnabas.create.acls", "a"}}).find("not served yet") != std::string::npos);
  CHECK(refusal_of({{"barnabas.create.users", "alice:secret"}}) ==
        "barnabas.create.users: the mechanism must be SCRAM-SHA-256 or SCRAM-SHA-512");
}

}  // namespace barnabas::broker
