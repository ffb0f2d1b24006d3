#include "base/uuid.hpp"

#include <catch2/catch.hpp>

#include "base/random.hpp"

namespace barnabas {
namespace {

/// What it is told to be, then a sequence.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::uint64_t first) : first_(first) {}
  std::uint64_t next() override { return calls_++ < 2 ? first_ : rest_.next(); }

 private:
  std::uint64_t first_;
  int calls_ = 0;
  SeededRandom rest_{1};
};

TEST_CASE("known uuids have Kafka's text") {
  CHECK(Uuid{}.to_string() == "AAAAAAAAAAAAAAAAAAAAAA");
  CHECK(kMetadataTopicUuid.to_string() == "AAAAAAAAAAAAAAAAAAAAAQ");
  Uuid ones;
  ones.bytes.fill(0xFF);
  CHECK(ones.to_string() == "_____________________w");
  CHECK(Uuid::of_low(0xF8).to_string() == "AAAAAAAAAAAAAAAAAAAA-A");
}

TEST_CASE("every uuid is read back from its text, with or without padding") {
  SeededRandom random(3);
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::random(random);
    REQUIRE(uuid.to_string().size() == 22);
    REQUIRE(Uuid::parse(uuid.to_string()) == uuid);
    REQUIRE(Uuid::parse(uuid.to_string() + "==") == uuid);
    REQUIRE(std::hash<Uuid>()(uuid) == std::hash<Uuid>()(*Uuid::parse(uuid.to_string())));
  }
}

TEST_CASE("what is not 22 characters of url-safe base64 is no uuid") {
  for (const char* text : {"", "A", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
                           "AAAAAAAAAAAAAAAAAAAAAA=", "AAAAAAAAAAAAAAAAAAAAAA=A", "AAAAAAAAAA+AAAAAAAAAAA",
                           "AAAAAAAAAA/AAAAAAAAAAA", "AAAAAAAAAA AAAAAAAAAAA", "=AAAAAAAAAAAAAAAAAAAAA"}) {
    CAPTURE(text);
    CHECK(!Uuid::parse(text));
  }
}

TEST_CASE("a random uuid is of version 4, unreserved, and does not begin with a dash") {
  // 0xF8... would encode to a leading dash: such a draw is thrown away.
  ScriptedRandom dashed(0xF800000000000000ULL);
  CHECK(Uuid::random(dashed).to_string().front() != '-');
  ScriptedRandom zero(0);
  CHECK_FALSE(Uuid::random(zero).is_reserved());
  SeededRandom random(4);
  for (int i = 0; i < 1000; ++i) {
    const Uuid uuid = Uuid::random(random);
    REQUIRE(uuid.bytes[6] >> 4 == 4);
    REQUIRE(uuid.bytes[8] >> 6 == 2);
    REQUIRE(uuid.to_string().front() != '-');
  }
}

TEST_CASE("the hundred lowest uuids are reserved") {
  CHECK(Uuid{}.is_reserved());
  CHECK(Uuid::of_low(99).is_reserved());
  CHECK_FALSE(Uuid::of_low(100).is_reserved());
  CHECK_FALSE(Uuid::of_low(256).is_reserved());
}

}  // namespace
}  // namespace barnabas
