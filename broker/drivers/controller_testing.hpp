// For tests of what asks the active controller: a controller on a simulated network that answers as it is
// told to, and a MetadataDriver that knows what a test tells it. Single-threaded.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/simulated_network.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "broker/peers/frame_server_testing.hpp"
#include "kraft/metadata_node.hpp"
#include "protocol/headers.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker::testing {

/// Listens on HOST:9093. What has no handler is not advertised; a handler that gives nothing keeps silent.
class FakeController {
 public:
  FakeController(SimulatedWorld& world, std::string host)
      : server_(world, {std::move(host), 9093}, [this](ByteView frame) { return answer(frame); }) {}

  template <class Request, class Response>
  void serve(std::function<std::optional<Response>(const Request&)> handler,
             std::int16_t newest = Request::kMaxVersion) {
    apis_[Request::kApiKey] = {Request::kMinVersion, newest,
                               [handler](protocol::Reader& reader, std::int16_t version) {
                                 Request request;
                                 request.read(reader, version);
                                 REQUIRE(reader.ok());
                                 const auto response = handler(request);
                                 if (!response) return Bytes();
                                 protocol::Writer body;
                                 if (Response::is_flexible(version)) body.uvarint(0);
                                 response->write(body, version);
                                 return body.take();
                               }};
  }
  void crash() { server_.crash(); }
  void restart() { server_.restart(); }
  [[nodiscard]] const Endpoint& endpoint() const { return server_.endpoint(); }
  [[nodiscard]] int connections() const { return server_.connections; }

  std::vector<protocol::RequestPrefix> asked;  // ApiVersions apart

 private:
  struct Api {
    std::int16_t min = 0, max = 0;
    std::function<Bytes(protocol::Reader&, std::int16_t)> handler;
  };

  Bytes answer(ByteView frame) {
    protocol::Reader reader(frame);
    const protocol::RequestPrefix header = protocol::read_request_header(reader);
    Bytes body;
    if (header.api_key == protocol::ApiVersionsRequest::kApiKey) {
      protocol::ApiVersionsResponse response;
      response.api_keys.push_back({protocol::ApiVersionsRequest::kApiKey, 0, 4});
      for (const auto& [key, api] : apis_) response.api_keys.push_back({key, api.min, api.max});
      protocol::Writer writer;
      response.write(writer, header.api_version);
      body = writer.take();
    } else {
      asked.push_back(header);
      body = apis_.at(header.api_key).handler(reader, header.api_version);
      if (body.empty()) return {};
    }
    protocol::Writer answer;
    answer.int32(static_cast<std::int32_t>(4 + body.size()));
    answer.int32(header.correlation_id);
    answer.raw(body);
    return answer.take();
  }

  std::map<std::int16_t, Api> apis_;
  FrameServer server_;
};

/// Tells who the active controller is. Tasks for a controller in this process are counted, not run.
class ToldDriver final : public MetadataDriver {
 public:
  void submit(Task task) override { tasks.push_back(std::move(task)); }
  void add_listener(ImageListener) override {}
  void add_controller_listener(ControllerListener listener) override {
    listeners_.push_back(std::move(listener));
  }
  [[nodiscard]] kraft::ActiveController active_controller() const override { return active_; }
  [[nodiscard]] std::int64_t broker_epoch() const override { return 5; }

  void tell(std::int32_t id, std::optional<Endpoint> endpoint, bool is_local = false) {
    active_ = {BrokerId(id), LeaderEpoch(active_.epoch.value() + 1), std::move(endpoint), is_local};
    for (const auto& listener : listeners_) listener(active_);
  }

  std::vector<Task> tasks;

 private:
  kraft::ActiveController active_;
  std::vector<ControllerListener> listeners_;
};

}  // namespace barnabas::broker::testing
