#include "tools/client/producer_config.hpp"

#include <catch2/catch.hpp>

using namespace barnabas;
using namespace barnabas::tools;
using namespace std::chrono_literals;

TEST_CASE("idempotence is on unless it cannot be, and insists when it is asked for") {
  CHECK(producer_config_of({})->idempotence);
  CHECK(!producer_config_of({{"acks", "1"}})->idempotence);
  CHECK(!producer_config_of({{"retries", "0"}})->idempotence);
  CHECK(!producer_config_of({{"enable.idempotence", "false"}})->idempotence);
  CHECK(!producer_config_of({{"acks", "1"}, {"enable.idempotence", "true"}}).has_value());
  CHECK(!producer_config_of({{"acks", "1"}, {"transactional.id", "t"}}).has_value());
}

TEST_CASE("values are checked as Kafka checks them") {
  CHECK(producer_config_of({{"acks", "2"}}).error().detail ==
        "Invalid value 2 for configuration acks: String must be one of: all, -1, 0, 1");
  CHECK(producer_config_of({{"linger.ms", "x"}}).error().detail ==
        "Invalid value x for configuration linger.ms: Not a number of type LONG");
  CHECK(!producer_config_of({{"compression.type", "zip"}}).has_value());
  CHECK(producer_config_of({{"compression.type", "zstd"}, {"compression.zstd.level", "7"}})->level == 7);
  CHECK(!producer_config_of({{"delivery.timeout.ms", "5"}}).has_value());
  CHECK(producer_config_of({{"request.timeout.ms", "200000"}})->delivery_timeout == 200'005ms);
}
