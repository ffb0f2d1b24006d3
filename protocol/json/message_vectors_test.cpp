// Every message at every version, as the Java classes of Kafka 4.3.1 (and of 3.9.1 for versions that only it
// has) wrote it: protocol/testdata/messages/*.tsv.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "protocol/json/message_json.hpp"
#include "protocol/message_registry.hpp"

namespace barnabas::protocol {
namespace {

struct Vector {
  std::string message;
  std::int16_t version;
  boost::json::value json;
  Bytes bytes;
};

Bytes parse_hex(const std::string& text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> parts;
  for (std::size_t from = 0;;) {
    std::size_t to = line.find('\t', from);
    parts.push_back(line.substr(from, to - from));
    if (to == std::string::npos) return parts;
    from = to + 1;
  }
}

std::vector<Vector> load_vectors(const std::string& file) {
  std::ifstream in(BARNABAS_SOURCE_DIR "/protocol/testdata/messages/" + file);
  std::vector<Vector> vectors;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::vector<std::string> parts = split(line);
    if (parts.size() == 6) parts.erase(parts.begin());  // this file names the kind first
    REQUIRE(parts.size() == 5);
    vectors.push_back({parts[0], static_cast<std::int16_t>(std::stoi(parts[1])), boost::json::parse(parts[3]),
                       parse_hex(parts[4])});
  }
  return vectors;
}

void check_vectors(const std::string& file, std::size_t count) {
  std::vector<Vector> vectors = load_vectors(file);
  CHECK(vectors.size() == count);
  for (const Vector& vector : vectors) {
    INFO(vector.message << " v" << vector.version);
    const MessageType* type = find_message(vector.message);
    const MessageJson* json = find_message_json(vector.message);
    REQUIRE(type != nullptr);
    REQUIRE(json != nullptr);

    Recoded recoded = type->recode(vector.version, vector.bytes);
    INFO("failure: " << (recoded.failure != nullptr ? recoded.failure : "none"));
    CHECK(recoded.failure == nullptr);
    CHECK(recoded.consumed == vector.bytes.size());
    CHECK(recoded.announced == vector.bytes.size());
    CHECK(recoded.bytes == vector.bytes);

    JsonContext to;
    CHECK(boost::json::serialize(json->to_json(to, vector.version, vector.bytes)) ==
          boost::json::serialize(vector.json));
    CHECK(to.failure().empty());
    JsonContext from;
    CHECK(json->from_json(from, vector.version, vector.json) == vector.bytes);
    CHECK(from.failure().empty());
  }
}

}  // namespace

TEST_CASE("requests are what Kafka's classes write", "[messages]") {
  check_vectors("request.tsv", 604);
}
TEST_CASE("responses are what Kafka's classes write", "[messages]") {
  check_vectors("response.tsv", 604);
}
TEST_CASE("headers are what Kafka's classes write", "[messages]") {
  check_vectors("header.tsv", 8);
}
TEST_CASE("data messages are what Kafka's classes write", "[messages]") {
  check_vectors("data.tsv", 40);
}
TEST_CASE("metadata records are what Kafka's classes write", "[messages]") {
  check_vectors("metadata.tsv", 82);
}
TEST_CASE("coordinator keys are what Kafka's classes write", "[messages]") {
  check_vectors("coordinator-key.tsv", 50);
}
TEST_CASE("coordinator values are what Kafka's classes write", "[messages]") {
  check_vectors("coordinator-value.tsv", 68);
}
TEST_CASE("the versions that only Kafka 3.9 has are what its classes write", "[messages]") {
  check_vectors("old-3.9.1-versions.tsv", 222);
}

TEST_CASE("every version of every message is among the vectors", "[messages]") {
  std::set<std::pair<std::string, int>> seen;
  for (const char* file : {"request.tsv", "response.tsv", "header.tsv", "data.tsv", "metadata.tsv",
                           "coordinator-key.tsv", "coordinator-value.tsv", "old-3.9.1-versions.tsv"}) {
    for (const Vector& vector : load_vectors(file)) seen.emplace(vector.message, vector.version);
  }
  std::vector<std::string> missing;
  for (const MessageType& type : all_messages()) {
    for (int version = type.min_version; version <= type.max_version; ++version) {
      if (!seen.contains({type.name, version}))
        missing.push_back(type.name + std::string(" ") + std::to_string(version));
    }
  }
  CHECK(missing == std::vector<std::string>{});
}

TEST_CASE("JSON that does not fit a message is refused with the field's name", "[messages]") {
  const MessageJson* json = find_message_json("HeartbeatRequest");
  REQUIRE(json != nullptr);
  auto failure = [&](const char* text) {
    JsonContext context;
    (void)json->from_json(context, 0, boost::json::parse(text));
    return context.failure();
  };
  CHECK(failure(R"({"groupId":"g","generationId":1,"memberId":"m"})").empty());
  CHECK(failure(R"({"groupId":"g","memberId":"m"})") == "generationId is missing");
  CHECK(failure(R"({"groupId":7,"generationId":1,"memberId":"m"})") == "groupId: expected a string");
  CHECK(failure(R"({"groupId":null,"generationId":1,"memberId":"m"})") == "groupId: expected a string");
  CHECK(failure(R"({"groupId":"g","generationId":3000000000,"memberId":"m"})") ==
        "generationId: 3000000000 is out of range");
  CHECK(failure("[]") == "HeartbeatRequest: expected an object");
}

TEST_CASE("base64 is read as it is written, and nothing else is", "[messages]") {
  for (std::size_t size = 0; size < 9; ++size) {
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 73 + 200));
    Bytes read;
    REQUIRE(parse_base64(base64(bytes), read));
    CHECK(read == bytes);
  }
  Bytes read;
  CHECK(base64(as_bytes("any carnal pleas")) == "YW55IGNhcm5hbCBwbGVhcw==");
  CHECK_FALSE(parse_base64("YW5", read));
  CHECK_FALSE(parse_base64("YW5*", read));
}

}  // namespace barnabas::protocol
