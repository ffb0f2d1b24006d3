#include "broker/drivers/wanted_topics.hpp"

#include <fmt/format.h>

#include <future>

#include "base/logging.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int32_t kTimeoutMs = 30'000;

protocol::CreateTopicsRequest request_for(const std::vector<WantedTopic>& topics) {
  protocol::CreateTopicsRequest request;
  request.timeout_ms = kTimeoutMs;
  for (const auto& wanted : topics) {
    auto& topic = request.topics.emplace_back();
    topic.name = wanted.name;
    topic.num_partitions = wanted.partitions;
    topic.replication_factor = wanted.replication_factor;
    for (const auto& [key, value] : wanted.configs) topic.configs.push_back({key, value});
  }
  return request;
}

}  // namespace

Result<void> create_wanted_topics(MetadataDriver& driver, const std::vector<WantedTopic>& topics) {
  if (topics.empty()) return {};
  auto promise = std::make_shared<std::promise<protocol::CreateTopicsResponse>>();
  auto future = promise->get_future();
  driver.submit([request = request_for(topics), promise = std::move(promise)](kraft::MetadataNode& node,
                                                                              std::int64_t) mutable {
    node.submit(std::move(request), [promise = std::move(promise)](protocol::CreateTopicsResponse response) {
      promise->set_value(std::move(response));
    });
  });
  try {
    for (const auto& result : future.get().topics) {
      const auto error = static_cast<ErrorCode>(result.error_code);
      if (error == ErrorCode::kNone)
        log_info("barnabas", "Created the topic {}", result.name);
      else if (error != ErrorCode::kTopicAlreadyExists)
        return fail(error,
                    fmt::format("barnabas.create.topics: {}: {}", result.name,
                                result.error_message.value_or(fmt::format("error {}", result.error_code))));
    }
  } catch (const std::future_error&) {
    return fail(ErrorCode::kNotController,
                "barnabas.create.topics: the node stopped before it could be asked");
  }
  return {};
}

}  // namespace barnabas::broker
