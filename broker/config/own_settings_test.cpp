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

TEST_CASE("wanted ACLs are written as kafka-acls takes them") {
  const auto acls = parse_wanted_acls(
      "--add --allow-principal User:alice --operation Read --operation Describe --topic orders, "
      "--deny-principal User:* --deny-host 10.0.0.1 --topic=t- --resource-pattern-type prefixed");
  REQUIRE(acls);
  CHECK(*acls == std::vector<kraft::AclEntry>{{2, "orders", 3, "User:alice", "*", 3, 3},
                                              {2, "orders", 3, "User:alice", "*", 8, 3},
                                              {2, "t-", 4, "User:*", "10.0.0.1", 2, 2}});
  const auto clients = parse_wanted_acls(
      "--allow-principal 'User:CN=a b' --producer --idempotent --consumer --topic t --group g");
  REQUIRE(clients);
  CHECK(*clients == std::vector<kraft::AclEntry>{{2, "t", 3, "User:CN=a b", "*", 4, 3},
                                                 {2, "t", 3, "User:CN=a b", "*", 8, 3},
                                                 {2, "t", 3, "User:CN=a b", "*", 5, 3},
                                                 {4, "kafka-cluster", 3, "User:CN=a b", "*", 12, 3},
                                                 {2, "t", 3, "User:CN=a b", "*", 3, 3},
                                                 {2, "t", 3, "User:CN=a b", "*", 8, 3},
                                                 {3, "g", 3, "User:CN=a b", "*", 3, 3}});
  CHECK(parse_wanted_acls("")->empty());
  CHECK_FALSE(parse_wanted_acls("@/nonexistent"));
}

TEST_CASE("wanted ACLs that make no sense are told") {
  const auto told = [](const char* value) { return refusal_of({{"barnabas.create.acls", value}}); };
  CHECK(told("--topic t").ends_with("needs --allow-principal or --deny-principal"));
  CHECK(told("--allow-principal bob --topic t").ends_with("the principal bob must be TYPE:NAME"));
  CHECK(told("--allow-principal User:a").ends_with("names no resource, such as --topic NAME"));
  CHECK(told("--allow-principal User:a --topic").ends_with("--topic needs a value"));
  CHECK(
      told("--allow-principal User:a --topics t").ends_with("--topics is no option for ACLs that are added"));
  CHECK(told("--allow-principal User:a --operation Foo --topic t").ends_with("there is no such operation"));
  CHECK(told("--allow-principal User:a --operation Write --group g")
            .ends_with("WRITE is no operation of the resource type GROUP"));
  CHECK(told("--allow-principal User:a --topic t --resource-pattern-type match")
            .ends_with("must be literal or prefixed"));
  CHECK(told("--allow-principal 'User:a --topic t").ends_with("a quote ' is not closed"));
  CHECK(told("--allow-principal User:a --consumer --topic t").ends_with("--consumer needs a --group"));
}

TEST_CASE("our own properties are taken out, and nothing else") {
  kraft::ConfigMap properties = {{"barnabas.http.listener", "127.0.0.1:8080"},
                                 {"barnabas.advertised.listeners.wait", "true"},
                                 {"barnabas.cold.read.cache.bytes", "1000"},
                                 {"barnabas.log.scrub.bytes.per.second", "0"},
                                 {"barnabas.log.scrub.interval.ms", "500"},
                                 {"barnabas.broker.disconnect.timeout.ms", "700"},
                                 {"barnabasx", "1"},
                                 {"node.id", "1"}};
  const auto taken = take_own_settings(properties);
  REQUIRE(taken);
  CHECK(taken->http_listener == Endpoint{"127.0.0.1", 8080});
  CHECK(taken->advertised_listeners_wait);
  CHECK(taken->cold_read_cache_bytes == 1000);
  CHECK(taken->log_scrub_bytes_per_second == 0);
  CHECK(taken->log_scrub_interval_ms == 500);
  CHECK(taken->broker_disconnect_timeout_ms == 700);
  CHECK(properties == kraft::ConfigMap{{"barnabasx", "1"}, {"node.id", "1"}});
}

TEST_CASE("own properties that make no sense are refused") {
  CHECK(refusal_of({{"barnabas.http.listener", "8080"}}).ends_with("must be HOST:PORT"));
  CHECK(refusal_of({{"barnabas.cold.read.cache.bytes", "-1"}})
            .ends_with("must be a number of bytes, 0 or more"));
  CHECK(refusal_of({{"barnabas.log.scrub.interval.ms", "soon"}})
            .ends_with("must be a number of milliseconds, 0 or more"));
  CHECK(refusal_of({{"barnabas.advertised.listeners.wait", "yes"}}).ends_with("either true or false"));
  CHECK(refusal_of({{"barnabas.advertised.listeners.wait", "true"}}).find("nobody could end the waiting") !=
        std::string::npos);
  CHECK(refusal_of({{"barnabas.create.topic", "a"}}).starts_with("barnabas.create.topic is not known."));
  CHECK(refusal_of({{"barnabas.create.acls", "a"}}) ==
        "Invalid value a for configuration barnabas.create.acls: a is no option of kafka-acls");
  CHECK(refusal_of({{"barnabas.create.users", "alice:secret"}}) ==
        "barnabas.create.users: the mechanism must be SCRAM-SHA-256 or SCRAM-SHA-512");
}

}  // namespace barnabas::broker
