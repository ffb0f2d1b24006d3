#include <catch2/catch.hpp>
#include <string>
#include <type_traits>

#include "protocol/api_keys.hpp"
#include "protocol/headers.hpp"
#include "protocol/message_registry.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/messages/api_update_metadata.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::protocol {
namespace {

template <class T>
Bytes encode(const T& message, std::int16_t version) {
  Writer writer;
  message.write(writer, version);
  REQUIRE(writer.failure() == nullptr);
  return writer.take();
}

template <class T>
std::string failure_of_write(const T& message, std::int16_t version) {
  Writer writer;
  message.write(writer, version);
  return writer.ok() ? "" : writer.failure();
}

template <class T>
std::string failure_of_read(ByteView bytes, std::int16_t version) {
  Reader reader(bytes);
  T message;
  message.read(reader, version);
  return reader.ok() ? "" : reader.failure();
}

}  // namespace

TEST_CASE("a field that a version lacks must have its default, unless the schema lets it go", "[messages]") {
  ProduceRequest produce;
  produce.transactional_id = "t";
  CHECK(failure_of_write(produce, 2) == "ProduceRequest.TransactionalId exists in versions 3+ only");
  CHECK(failure_of_write(produce, 3).empty());

  FetchRequest fetch;
  fetch.rack_id = "r";  // may be dropped
  CHECK(failure_of_write(fetch, 4).empty());
}

TEST_CASE("a version outside the message's range is refused both ways", "[messages]") {
  CHECK(failure_of_write(ProduceRequest{}, 14) == "a version that ProduceRequest does not have");
  CHECK(failure_of_write(ProduceRequest{}, -1) == "a version that ProduceRequest does not have");
  CHECK(failure_of_read<ProduceRequest>({}, 14) == "a version that ProduceRequest does not have");
}

TEST_CASE("null is refused where a version does not know it", "[messages]") {
  MetadataRequest request;
  request.topics = std::nullopt;
  CHECK(failure_of_write(request, 0) == "MetadataRequest.Topics may be null in versions 1+ only");
  CHECK(failure_of_write(request, 1).empty());
  Bytes null_topics = {0xFF, 0xFF, 0xFF, 0xFF};
  CHECK(failure_of_read<MetadataRequest>(null_topics, 0) == "an array that may not be null is null");
  CHECK(failure_of_read<MetadataRequest>(null_topics, 1).empty());
}

TEST_CASE("tagged fields are written only if they differ from their default", "[messages]") {
  ApiVersionsResponse plain;
  ApiVersionsResponse tagged;
  tagged.finalized_features_epoch = 5;
  CHECK(encode(plain, 3).back() == 0);
  Bytes bytes = encode(tagged, 3);
  CHECK(bytes.size() == encode(plain, 3).size() + 10);
  CHECK(bytes.size() == tagged.size(3));
}

TEST_CASE("unknown tagged fields are passed over", "[messages]") {
  Bytes bytes = encode(ApiVersionsResponse{}, 3);
  bytes.back() = 1;
  bytes.insert(bytes.end(), {99, 2, 0xAB, 0xCD});
  Reader reader(bytes);
  ApiVersionsResponse read;
  read.read(reader, 3);
  CHECK(reader.ok());
  CHECK(reader.remaining() == 0);
  CHECK(read == ApiVersionsResponse{});
}

TEST_CASE("a tagged field that is longer or shorter than its value is refused", "[messages]") {
  Bytes empty = encode(ApiVersionsResponse{}, 3);
  empty.pop_back();
  Bytes longer = empty;
  longer.insert(longer.end(), {1, 3, 2, 1, 1});  // ZkMigrationReady in two bytes
  CHECK(failure_of_read<ApiVersionsResponse>(longer, 3) == "a tagged field longer than its value");
  Bytes shorter = empty;
  shorter.insert(shorter.end(), {1, 1, 4, 0, 0, 0, 0});  // an epoch of four bytes
  CHECK(failure_of_read<ApiVersionsResponse>(shorter, 3) == "the message ends inside a field");
}

TEST_CASE("an array that announces more than the message holds is refused before memory is taken",
          "[messages]") {
  Bytes bytes = {0x7F, 0xFF, 0xFF, 0xFF};
  CHECK(failure_of_read<MetadataRequest>(bytes, 1) == "an array longer than the message");
}

TEST_CASE("a message cut short anywhere is refused", "[messages]") {
  FetchRequest fetch;
  fetch.topics.emplace_back().partitions.emplace_back().fetch_offset = 7;
  Bytes bytes = encode(fetch, 17);
  REQUIRE(failure_of_read<FetchRequest>(bytes, 17).empty());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    CHECK_FALSE(failure_of_read<FetchRequest>(ByteView(bytes).first(size), 17).empty());
  }
}

TEST_CASE("read() forgets what the message held before", "[messages]") {
  MetadataRequest request;
  request.topics.emplace().emplace_back().name = "old";
  Bytes none = {0, 0, 0, 0};
  Reader reader(none);
  request.read(reader, 0);
  REQUIRE(request.topics.has_value());
  CHECK(request.topics->empty());
}

TEST_CASE("records outside of memory count in the size and leave a gap", "[messages]") {
  FetchResponse response;
  auto& partition = response.responses.emplace_back().partitions.emplace_back();
  partition.records = Records{.bytes = {}, .external_id = 3, .external_size = 1000};
  Writer writer;
  response.write(writer, 12);
  REQUIRE(writer.gaps().size() == 1);
  CHECK(writer.gaps()[0].id == 3);
  CHECK(writer.gaps()[0].size == 1000);
  CHECK(response.size(12) == writer.size());
  CHECK(writer.size() == writer.buffer().size() + 1000);
}

TEST_CASE("messages with views compare by content", "[messages]") {
  Bytes one = {1, 2, 3};
  Bytes two = {1, 2, 3};
  ProduceRequest a;
  ProduceRequest b;
  a.topic_data.emplace_back().partition_data.emplace_back().records = Records{.bytes = one};
  b.topic_data.emplace_back().partition_data.emplace_back().records = Records{.bytes = two};
  CHECK(a == b);
  two[2] = 4;
  CHECK_FALSE(a == b);
}

TEST_CASE("request headers are version 1, or 2 where the API is flexible", "[headers]") {
  CHECK(request_header_version(0, 8) == 1);
  CHECK(request_header_version(0, 9) == 2);
  CHECK(request_header_version(7, 0) == 0);
  CHECK(request_header_version(7, 1) == 1);
  CHECK(request_header_version(17, 1) == 1);
  CHECK(request_header_version(18, 2) == 1);
  CHECK(request_header_version(18, 99) == 2);
  CHECK(response_header_version(18, 4) == 0);
  CHECK(response_header_version(0, 8) == 0);
  CHECK(response_header_version(0, 9) == 1);
}

TEST_CASE("a request header is read as it is written and leaves the body", "[headers]") {
  for (auto [key, version] : {std::pair<int, int>{0, 3}, {0, 9}, {7, 0}, {18, 3}}) {
    INFO(key << " v" << version);
    RequestPrefix header;
    header.api_key = static_cast<std::int16_t>(key);
    header.api_version = static_cast<std::int16_t>(version);
    header.correlation_id = 77;
    if (key != 7) header.client_id = "client";
    Writer writer;
    write_request_header(writer, header);
    writer.int8(42);
    Reader reader(writer.buffer());
    RequestPrefix read = read_request_header(reader);
    CHECK(read.api_key == key);
    CHECK(read.api_version == version);
    CHECK(read.correlation_id == 77);
    CHECK(read.client_id == header.client_id);
    CHECK(reader.remaining() == 1);
    CHECK(reader.int8() == 42);
    CHECK(reader.ok());
  }
}

TEST_CASE("a header of an unknown API is refused", "[headers]") {
  Bytes bytes = {0x01, 0x00, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF};
  Reader reader(bytes);
  (void)read_request_header(reader);
  CHECK(reader.failure() == std::string("an unknown API key"));
}

TEST_CASE("the table of APIs agrees with the requests", "[api-keys]") {
  std::size_t requests = 0;
  for (const MessageType& type : all_messages()) {
    if (type.kind != MessageKind::kRequest) continue;
    ++requests;
    INFO(type.name);
    const ApiInfo* api = find_api(type.key);
    REQUIRE(api != nullptr);
    CHECK(api->name + std::string("Request") == type.name);
    CHECK(api->min_version == type.min_version);
    CHECK(api->max_version == type.max_version);
    const MessageType* response = find_message(api->name + std::string("Response"));
    REQUIRE(response != nullptr);
    CHECK(response->min_version == type.min_version);
    CHECK(response->max_version == type.max_version);
  }
  CHECK(requests == all_apis().size());
  CHECK(requests == 93);
  CHECK(find_api(93) == nullptr);
  CHECK(find_api(-1) == nullptr);
  CHECK(find_api(22)->last_version_unstable);
  CHECK(find_api(1)->listeners == (kBrokerListener | kControllerListener));
}

}  // namespace barnabas::protocol
