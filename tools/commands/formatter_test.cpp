#include <catch2/catch.hpp>

#include "tools/commands/date_pattern.hpp"
#include "tools/commands/message_formatter.hpp"

using namespace barnabas;
using namespace barnabas::tools;

namespace {

std::string deserialized(const char* name, const Bytes& bytes) {
  std::string text;
  const auto done =
      find_deserializer(std::string("org.apache.kafka.common.serialization.") + name)(bytes, text);
  return done ? text : done.error().detail;
}
Bytes big_endian(auto value) {
  Bytes bytes(sizeof value);
  protocol::store_big_endian(bytes.data(), value);
  return bytes;
}
std::string of_double(double value) {
  return deserialized("DoubleDeserializer", big_endian(std::bit_cast<std::uint64_t>(value)));
}

}  // namespace

TEST_CASE("deserializers print what Java's do") {
  CHECK(deserialized("LongDeserializer", big_endian(std::int64_t{-2})) == "-2");
  CHECK(deserialized("ShortDeserializer", big_endian(std::int16_t{300})) == "300");
  CHECK(deserialized("LongDeserializer", {1}) == "Size of data received by LongDeserializer is not 8");
  CHECK(of_double(1.0) == "1.0");
  CHECK(of_double(0.1) == "0.1");
  CHECK(of_double(1e7) == "1.0E7");
  CHECK(of_double(1.5e-7) == "1.5E-7");
  CHECK(of_double(-1234567.25) == "-1234567.25");
  CHECK(deserialized("BooleanDeserializer", {2}) == "Unexpected byte received by BooleanDeserializer: 2");
  CHECK(deserialized("BytesDeserializer", {'a', '\\', 0, 255}) == "a\\x5C\\x00\\xFF");
  CHECK(deserialized("UUIDDeserializer", to_bytes(as_bytes("1-2-3-4-ABC"))) ==
        "00000001-0002-0003-0004-000000000abc");
  CHECK(deserialized("UUIDDeserializer", {'x'}) == "Error parsing data into UUID");
  CHECK(find_deserializer("foo.LongDeserializer") == nullptr);
}

TEST_CASE("a formatter of an internal topic shows its own types and fails at what cannot be read") {
  struct Case {
    const char* what;
    std::optional<Bytes> key;
    std::optional<Bytes> value;
    const char* shown;  // null: an error
  };
  const Bytes group = {0, 2, 0, 1, 'g'};
  const Bytes offset = {0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 1};
  for (const Case& one : {
           Case{"its own", group, std::nullopt, R"({"key":{"type":2,"data":{"group":"g"}},"value":null})"},
           Case{"bytes behind a key", Bytes{0, 2, 0, 1, 'g', 'x'}, std::nullopt,
                R"({"key":{"type":2,"data":{"group":"g"}},"value":null})"},
           Case{"another type of the topic", offset, std::nullopt, ""},
           Case{"a type that there is not", Bytes{0, 99, 1}, Bytes{1}, ""},
           Case{"no key", std::nullopt, Bytes{1}, ""},
           Case{"half a type", Bytes{0}, std::nullopt, nullptr},
           Case{"a key that ends too soon", Bytes{0, 2, 0, 2, 'g'}, std::nullopt, nullptr},
           Case{"a value without version", group, Bytes{0}, nullptr},
           Case{"a value of a version that there is not", group, Bytes{0, 9, 0, 0}, nullptr},
           Case{"a value that ends too soon", group, Bytes{0, 0, 0, 9, 'c'}, nullptr},
           Case{"another type's key that ends too soon", Bytes{0, 1, 0, 9}, std::nullopt, nullptr},
           Case{"another type's value without version", offset, Bytes{}, nullptr},
       }) {
    INFO(one.what);
    protocol::RecordView record;
    record.offset = Offset(7);
    if (one.key) record.key = *one.key;
    if (one.value) record.value = *one.value;
    const TopicPartition partition{"t", PartitionIndex(0)};
    const ConsumedRecord consumed{partition, record, protocol::TimestampType::kCreateTime, LeaderEpoch(0)};
    std::string text;
    const auto done = make_internal_formatter("GroupMetadataMessageFormatter")->format(consumed, text);
    REQUIRE(done.has_value() == (one.shown != nullptr));
    CHECK(text == (one.shown != nullptr ? one.shown : ""));
    if (!done) CHECK(done.error().detail.starts_with("Could not read record at offset 7 due to: "));
  }
}

TEST_CASE("dates follow a pattern of Java's") {
  const std::string date = format_date("yyyy-MM-dd HH:mm:ss:SSS", 1'795'374'430'961);
  CHECK(date.size() == 23);
  CHECK(date.starts_with("2026-11-2"));
  CHECK(date.ends_with(":961"));
  CHECK(format_date("'day' d.", 1'795'374'430'961).starts_with("day 2"));
}
