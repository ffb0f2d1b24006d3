#include "tools/commands/iso_time.hpp"

#include <catch2/catch.hpp>

namespace barnabas::tools {
namespace {

TEST_CASE("a date and time without a zone is UTC") {
  CHECK(parse_date_time("1970-01-01T00:00:00.000").value() == 0);
  CHECK(parse_date_time("2020-01-01T00:00:00.007Z").value() == 1'577'836'800'007);
  CHECK(parse_date_time("2020-01-01T01:30:00.000+01:30").value() == 1'577'836'800'000);
  CHECK(parse_date_time("2019-12-31T22:30:00.000-0130").value() == 1'577'836'800'000);
}

TEST_CASE("what is no date and time is refused in Kafka's words") {
  CHECK(parse_date_time("yesterday").error().detail ==
        "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 "
        "format");
  CHECK(parse_date_time("2020-01-01T00:00:00").error().detail ==
        "java.text.ParseException: Unparseable date: \"2020-01-01T00:00:00Z\"");
}

TEST_CASE("durations have days, hours, minutes and seconds, each of which may be missing") {
  CHECK(parse_duration("PT1H").value() == 3'600'000);
  CHECK(parse_duration("P1DT2H3M4.5S").value() == 93'784'500);
  CHECK(parse_duration("-PT1M").value() == -60'000);
  for (const char* text : {"", "P", "PT", "P1DT", "1H", "PT1X"}) CHECK_FALSE(parse_duration(text));
}

}  // namespace
}  // namespace barnabas::tools
