// A metadata node in a test: a file system in memory, a clock that stands still until moved, configurations
// of a few names. Single-threaded.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/memory_file_system.hpp"
#include "kraft/bootstrap.hpp"
#include "kraft/metadata_node.hpp"

namespace barnabas::kraft {

class ManualClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t wall_ms() const override { return 1700000000000 + now_ms; }
  [[nodiscard]] std::chrono::nanoseconds monotonic() const override {
    return std::chrono::milliseconds(now_ms);
  }
  std::int64_t now_ms = 1000;
};

/// Knows retention.ms (a number), min.insync.replicas and cleanup.policy (a list).
class FewConfigs final : public ConfigValidator {
 public:
  [[nodiscard]] Result<void> validate(const ConfigResource&, const ConfigMap& overrides) const override {
    for (const auto& [name, value] : overrides) {
      if (name != "retention.ms" && name != "min.insync.replicas" && name != "cleanup.policy")
        return fail(ErrorCode::kInvalidConfig, "Unknown topic config name: " + name);
      if (name == "retention.ms" && value.find_first_not_of("-0123456789") != std::string::npos)
        return fail(ErrorCode::kInvalidConfig, "Invalid value " + value + " for configuration retention.ms");
    }
    return {};
  }
  [[nodiscard]] std::vector<DescribedConfig> describe(const ConfigResource&, const ConfigMap& overrides,
                                                      const ConfigMap&) const override {
    std::vector<DescribedConfig> entries;
    for (const auto& [name, value] : overrides) entries.push_back({name, value, false, 1, false});
    return entries;
  }
  [[nodiscard]] bool is_list(ConfigResourceType, std::string_view name) const override {
    return name == "cleanup.policy";
  }
  [[nodiscard]] std::optional<std::string> default_value(ConfigResourceType,
                                                         std::string_view name) const override {
    if (name == "cleanup.policy") return "delete";
    return name == "min.insync.replicas" ? std::optional<std::string>("1") : std::nullopt;
  }
};

inline constexpr const char* kTestClusterId = "4L6g3nShT-eMCtK--X86sw";

struct NodeFixture {
  MemoryFileSystem files;
  ManualClock clock;
  SeededRandom random{7};
  FewConfigs configs;
  MetadataNodeOptions options;
  std::unique_ptr<MetadataNode> node;
  std::vector<MetadataImagePtr> images;
  std::int64_t broker_epoch = -1;
  std::string directory = "/data";

  NodeFixture() {
    options.directory = directory;
    options.node_id = BrokerId(1);
    options.controller.cluster_id = kTestClusterId;
    options.controller_endpoints = {{"CONTROLLER", {"localhost", 9093}, 0}};
  }

  [[nodiscard]] Result<FormatReport> format(FormatOptions::Voters voters = FormatOptions::Voters::kStandalone,
                                            bool is_started_at_once = false) {
    FormatOptions format;
    format.is_started_at_once = is_started_at_once;
    format.cluster_id = kTestClusterId;
    format.node_id = BrokerId(1);
    format.log_directories = {directory};
    format.metadata_directory = directory;
    format.voters = voters;
    format.controller_endpoints = {{"CONTROLLER", {"localhost", 9093}}};
    return format_storage(files, clock, random, format);
  }

  [[nodiscard]] Result<void> open();

  Result<std::chrono::nanoseconds> run() { return node->run_once(clock.monotonic()); }

  /// Submits, runs once, gives the answer.
  template <class Response, class Request>
  std::optional<Response> ask(Request request) {
    std::optional<Response> answer;
    node->submit(std::move(request), ReplyTo<Response>([&answer](Response r) { answer = std::move(r); }));
    (void)run();
    return answer;
  }

  std::optional<protocol::BrokerRegistrationResponse> register_broker(std::int64_t previous_epoch = -1);
  std::optional<protocol::BrokerHeartbeatResponse> heartbeat(bool want_shut_down = false);
  std::optional<protocol::CreateTopicsResponse> create_topic(const std::string& name,
                                                             std::int32_t partitions = 1);
};

}  // namespace barnabas::kraft
