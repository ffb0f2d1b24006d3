#include "broker/node.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "broker/storage_commands.hpp"
#include "protocol/headers.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_init_producer_id.hpp"
#include "protocol/messages/api_metadata.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/reader.hpp"
#include "protocol/record_batch_builder.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {
namespace {

/// A directory under /tmp for one test.
class Directory {
 public:
  Directory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "barnabas-node-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// A client that sends a request and waits for its answer.
class Client {
 public:
  explicit Client(const Endpoint& endpoint) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(endpoint.port);
    REQUIRE(inet_pton(AF_INET, endpoint.host.c_str(), &address.sin_addr) == 1);
    REQUIRE(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const timeval patience{10, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~Client() { close(socket_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  template <class Response, class Request>
  Response ask(const Request& request, std::int16_t version) {
    protocol::Writer writer;
    writer.int32(0);
    protocol::write_request_header(writer, {Request::kApiKey, version, 7, "test",
                                            protocol::request_header_version(Request::kApiKey, version)});
    request.write(writer, version);
    writer.patch_int32(0, static_cast<std::int32_t>(writer.size() - 4));
    const Bytes frame = writer.take();
    REQUIRE(send(socket_, frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
    answer_ = receive();
    protocol::Reader reader(answer_);
    CHECK(reader.int32() == 7);
    if (protocol::response_header_version(Request::kApiKey, version) == 1) CHECK(reader.uvarint() == 0);
    Response response;
    response.read(reader, version);
    REQUIRE(reader.ok());
    return response;
  }
  /// True when the peer closed.
  bool at_end() {
    char byte = 0;
    return recv(socket_, &byte, 1, 0) == 0;
  }

 private:
  Bytes receive() {
    Bytes size = receive_exactly(4);
    protocol::Reader reader(size);
    return receive_exactly(static_cast<std::size_t>(reader.int32()));
  }
  Bytes receive_exactly(std::size_t size) {
    Bytes bytes(size);
    for (std::size_t done = 0; done < size;) {
      const ssize_t got = recv(socket_, bytes.data() + done, size - done, 0);
      REQUIRE(got > 0);
      done += static_cast<std::size_t>(got);
    }
    return bytes;
  }

  int socket_;
  Bytes answer_;  // views of the last response point into it
};

ConfigMap properties(const std::string& directory) {
  return {{"process.roles", "broker,controller"},
          {"node.id", "1"},
          {"listeners", "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0"},
          {"controller.listener.names", "CONTROLLER"},
          {"controller.quorum.bootstrap.servers", "localhost:9093"},
          {"offsets.topic.replication.factor", "1"},
          {"log.dirs", directory}};
}

Result<std::unique_ptr<Node>> try_start(const Directory& directory, ConfigMap more = {}) {
  NodeOptions options;
  options.properties = properties(directory / "data");
  for (auto& [name, value] : more) options.properties[name] = value;
  options.ready_file = directory / "ready";
  return Node::start(std::move(options));
}

std::unique_ptr<Node> start(const Directory& directory) {
  auto node = try_start(directory);
  INFO((node ? std::string() : node.error().detail));
  REQUIRE(node);
  return std::move(*node);
}

void format(const Directory& directory) {
  std::filesystem::create_directories(directory / "data");
  const auto config = BrokerConfig::make(properties(directory / "data"));
  REQUIRE(config);
  REQUIRE(format_when_new(**config).value());
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::int16_t create_topic(Client& client, const std::string& name, std::int32_t partitions) {
  protocol::CreateTopicsRequest request;
  auto& topic = request.topics.emplace_back();
  topic.name = name;
  topic.num_partitions = partitions;
  topic.replication_factor = 1;
  return client.ask<protocol::CreateTopicsResponse>(request, 7).topics.at(0).error_code;
}

/// Error code and base offset of one record produced with acks=all.
std::pair<std::int16_t, std::int64_t> produce(Client& client, const std::string& topic,
                                              std::string_view value, std::int32_t index = 0) {
  protocol::RecordBatchBuilder builder{protocol::BatchOptions{}};
  builder.append({.timestamp = 1700000000000, .key = std::nullopt, .value = as_bytes(value), .headers = {}});
  const Bytes batch = builder.build();
  protocol::ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 5000;
  auto& data = request.topic_data.emplace_back();
  data.name = topic;
  auto& partition = data.partition_data.emplace_back();
  partition.index = index;
  partition.records.emplace().bytes = batch;
  const auto response = client.ask<protocol::ProduceResponse>(request, 9);
  const auto& answer = response.responses.at(0).partition_responses.at(0);
  return {answer.error_code, answer.base_offset};
}

TEST_CASE("a node serves on ports of its own choice and tells them in its ready file") {
  const Directory directory;
  format(directory);
  const auto node = start(directory);
  const Endpoint plain = node->listeners().at("PLAINTEXT");
  CHECK(plain.port != 0);
  CHECK(node->listeners().at("CONTROLLER").port != plain.port);
  const std::string ready = content(directory / "ready");
  CHECK(ready.find("\"PLAINTEXT\":\"127.0.0.1:" + std::to_string(plain.port) + "\"") != std::string::npos);
  CHECK(ready.find("\"cluster_id\":\"" + node->cluster_id() + "\"") != std::string::npos);
  CHECK(ready.find("\"pid\":" + std::to_string(getpid())) != std::string::npos);

  Client client(plain);
  protocol::MetadataRequest request;
  request.topics = std::nullopt;
  const auto metadata = client.ask<protocol::MetadataResponse>(request, 9);
  REQUIRE(metadata.brokers.size() == 1);
  CHECK(metadata.brokers[0].node_id == 1);
  CHECK(metadata.brokers[0].port == plain.port);
  CHECK(metadata.cluster_id == node->cluster_id());
}

TEST_CASE("a topic takes records as soon as its creation is answered") {
  const Directory directory;
  format(directory);
  const auto node = start(directory);
  Client client(node->listeners().at("PLAINTEXT"));
  for (int i = 0; i < 10; ++i) {
    const std::string topic = "topic-" + std::to_string(i);
    REQUIRE(create_topic(client, topic, 1) == 0);
    CHECK(produce(client, topic, "first") == std::pair<std::int16_t, std::int64_t>{0, 0});
  }
  CHECK(create_topic(client, "topic-3", 1) == static_cast<std::int16_t>(ErrorCode::kTopicAlreadyExists));
}

TEST_CASE("a topic of more partitions than are opened at once takes records in each of them soon") {
  const Directory directory;
  format(directory);
  const auto node = start(directory);
  Client client(node->listeners().at("PLAINTEXT"));
  constexpr std::int32_t kPartitions = 350;
  REQUIRE(create_topic(client, "large", kPartitions) == 0);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (std::int32_t index = kPartitions - 1; index >= 0;) {
    const std::int16_t error = produce(client, "large", "first", index).first;
    if (error == 0) {
      --index;
      continue;
    }
    REQUIRE(error == static_cast<std::int16_t>(ErrorCode::kNotLeaderOrFollower));
    REQUIRE(std::chrono::steady_clock::now() < give_up);
  }
}

TEST_CASE("topics, records and the cluster's id outlive a clean stop") {
  const Directory directory;
  format(directory);
  std::string cluster;
  {
    const auto node = start(directory);
    cluster = node->cluster_id();
    Client client(node->listeners().at("PLAINTEXT"));
    REQUIRE(create_topic(client, "kept", 2) == 0);
    REQUIRE(produce(client, "kept", "one").second == 0);
    REQUIRE(produce(client, "kept", "two").second == 1);
    REQUIRE(node->stop());
    CHECK(client.at_end());
    CHECK_FALSE(std::filesystem::exists(directory / "ready"));
  }
  CHECK(content(directory / "data/.kafka_cleanshutdown").find("\"brokerEpoch\":") != std::string::npos);
  const auto node = start(directory);
  CHECK(node->cluster_id() == cluster);
  CHECK_FALSE(std::filesystem::exists(directory / "data/.kafka_cleanshutdown"));
  Client client(node->listeners().at("PLAINTEXT"));
  CHECK(produce(client, "kept", "three") == std::pair<std::int16_t, std::int64_t>{0, 2});
  CHECK(create_topic(client, "kept", 1) == static_cast<std::int16_t>(ErrorCode::kTopicAlreadyExists));
}

TEST_CASE("the first request for a producer id is answered with one, and each is given once") {
  const Directory directory;
  format(directory);
  const auto node = start(directory);
  Client client(node->listeners().at("PLAINTEXT"));
  std::int64_t last = -1;
  for (int i = 0; i < 3; ++i) {
    protocol::InitProducerIdRequest request;
    request.transactional_id = std::nullopt;
    request.transaction_timeout_ms = 1000;
    const auto response = client.ask<protocol::InitProducerIdResponse>(request, 4);
    REQUIRE(response.error_code == 0);
    CHECK(response.producer_id > last);
    last = response.producer_id;
  }
}

TEST_CASE("a directory that another node holds is refused") {
  const Directory directory;
  format(directory);
  const auto node = start(directory);
  const auto second = try_start(directory);
  REQUIRE_FALSE(second);
  CHECK(second.error().detail.find(".lock") != std::string::npos);
}

TEST_CASE("directories that are not formatted or another node's are refused, and nothing is left running") {
  const Directory directory;
  std::filesystem::create_directories(directory / "data");
  const auto unformatted = try_start(directory);
  REQUIRE_FALSE(unformatted);
  CHECK(unformatted.error().detail.find("meta.properties") != std::string::npos);
  format(directory);
  const auto other = try_start(directory, {{"node.id", "2"}});
  REQUIRE_FALSE(other);
  CHECK(other.error().detail.find("node.id is 2") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(directory / "ready"));
  CHECK(try_start(directory));
}

TEST_CASE("what is not served yet is refused by name") {
  const Directory directory;
  format(directory);
  const auto refusal = [&](ConfigMap more) {
    const auto node = try_start(directory, std::move(more));
    return node ? std::string("started") : node.error().detail;
  };
  CHECK(refusal({{"listener.security.protocol.map", "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT"}})
            .find("Listener PLAINTEXT") != std::string::npos);
}

TEST_CASE("a node that is a controller alone starts with its listener, and stops") {
  const Directory directory;
  format(directory);
  auto node =
      try_start(directory, {{"process.roles", "controller"}, {"listeners", "CONTROLLER://127.0.0.1:0"}});
  INFO((node ? std::string() : node.error().detail));
  REQUIRE(node);
  CHECK((*node)->listeners().size() == 1);
  CHECK((*node)->listeners().contains("CONTROLLER"));
  CHECK((*node)->stop());
}

TEST_CASE("a controller of several starts before the others are there") {
  const Directory directory;
  format(directory);
  std::filesystem::remove_all(directory / "data/__cluster_metadata-0");  // formatted for itself alone
  auto node =
      try_start(directory, {{"process.roles", "controller"},
                            {"listeners", "CONTROLLER://127.0.0.1:0"},
                            {"controller.quorum.bootstrap.servers", ""},
                            {"controller.quorum.voters", "1@127.0.0.1:1,2@127.0.0.1:2,3@127.0.0.1:3"}});
  INFO((node ? std::string() : node.error().detail));
  REQUIRE(node);
  CHECK((*node)->stop());
}

TEST_CASE("formatting is done once, prints what was formatted, and refuses what it cannot make sense of") {
  const Directory directory;
  const std::string config = directory / "server.properties";
  {
    std::ofstream file(config);
    for (const auto& [name, value] : properties(directory / "data")) file << name << "=" << value << "\n";
  }
  const auto run = [&](FormatArguments arguments) {
    arguments.config_file = config;
    std::ostringstream out;
    std::ostringstream err;
    const int code = run_format(arguments, out, err);
    return std::to_string(code) + " " + out.str() + err.str();
  };
  const std::string id = "MkU3OEVBNTcwNTJENDM2Qg";
  CHECK(run({.cluster_id = id}).find("1 Because controller.quorum.voters is not set") == 0);
  CHECK(run({.cluster_id = id, .features = {"x"}, .standalone = true}).find("1 ") == 0);
  const std::string done = run({.cluster_id = id, .standalone = true});
  CHECK(
      done.starts_with("0 Bootstrap metadata: BootstrapMetadata(records=[ApiMessageAndVersion("
                       "FeatureLevelRecord(name='metadata.version', featureLevel=30) at version 0), "));
  CHECK(
      done.ends_with("metadataVersionLevel=30, source=format command)\nFormatting dynamic metadata voter "
                     "directory " +
                     (directory / "data") + " with metadata.version 4.3-IV0.\n"));
  CHECK(run({.cluster_id = id, .standalone = true}).find("already formatted") != std::string::npos);
  CHECK(run({.cluster_id = id, .ignore_formatted = true, .standalone = true}) ==
        "0 All of the log directories are already formatted.\n");
  CHECK(content(directory / "data/meta.properties").find("cluster.id=" + id) != std::string::npos);
  CHECK(try_start(directory));
}

}  // namespace
}  // namespace barnabas::broker
