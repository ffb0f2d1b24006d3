#include "tools/client/client_config.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace barnabas;
using namespace barnabas::tools;
using namespace std::chrono_literals;

TEST_CASE("a client's configuration has Kafka's defaults, and takes what is set") {
  CHECK(client_config_of({})->request_timeout == 30s);
  const auto config = client_config_of({{"client.id", "me"}, {"request.timeout.ms", "5"}, {"acks", "all"}});
  REQUIRE(config.has_value());
  CHECK(config->client_id == "me");
  CHECK(config->request_timeout == 5ms);
  CHECK(config->default_api_timeout == 60s);
}

TEST_CASE("a wrong value names the key and what is allowed") {
  CHECK(client_config_of({{"request.timeout.ms", "soon"}}).error().detail ==
        "Invalid value soon for configuration request.timeout.ms: Not a number of type INT");
  CHECK(client_config_of({{"retry.backoff.ms", "-1"}}).error().detail ==
        "Invalid value -1 for configuration retry.backoff.ms: Value must be at least 0");
  CHECK(client_config_of({{"security.protocol", "SASL_SSL"}}).error().code == ErrorCode::kInvalidConfig);
}

TEST_CASE("a file of properties is read, one that is missing is named") {
  const std::string path = std::filesystem::temp_directory_path() / "barnabas_client_config_test.properties";
  std::ofstream(path) << "# comment\nclient.id = a b\n";
  const auto properties = read_properties(path);
  std::filesystem::remove(path);
  REQUIRE(properties.has_value());
  CHECK(*properties == Properties{{"client.id", "a b"}});
  CHECK(read_properties(path).error().detail == path + ": No such file or directory");
}
