#include "tools/records/record_json.hpp"

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>

namespace barnabas::tools {

TEST_CASE("numbers with a fraction are written as Java writes them") {
  const auto text = [](double number) { return json_text(boost::json::value(number)); };
  CHECK(text(0) == "0.0");
  CHECK(text(2e6) == "2000000.0");
  CHECK(text(12.5) == "12.5");
  CHECK(text(0.001) == "0.001");
  CHECK(text(1e7) == "1.0E7");
  CHECK(text(1.25e-5) == "1.25E-5");
  CHECK(json_text(boost::json::array{1, "a\"b", nullptr, true}) == R"([1,"a\"b",null,true])");
}

TEST_CASE("a coordinator's key names the message of its value") {
  const Bytes key = {0, 2, 0, 2, 'g', '1'};
  const auto parsed = parse_coordinator_key(CoordinatorTopic::kGroup, key);
  REQUIRE(parsed);
  CHECK(parsed->type == 2);
  CHECK(parsed->message_name == "GroupMetadataValue");
  CHECK(json_text(parsed->data) == R"({"group":"g1"})");
}

TEST_CASE("keys of one topic are not taken for those of another") {
  const Bytes key = {0, 2, 0, 2, 'g', '1'};
  CHECK(parse_coordinator_key(CoordinatorTopic::kShare, key).error().detail == "Unknown record type 2");
  CHECK_FALSE(parse_coordinator_key(CoordinatorTopic::kGroup, Bytes{0}));
}

TEST_CASE("a framed record that is none is refused") {
  CHECK_FALSE(framed_record_json(FramedTopic::kMetadata, Bytes{0, 1, 0}));
  CHECK_FALSE(framed_record_json(FramedTopic::kMetadata, Bytes{}));
  CHECK_FALSE(framed_record_json(FramedTopic::kRemoteLog, Bytes{1, 99, 0}));
}

}  // namespace barnabas::tools
