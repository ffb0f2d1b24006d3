// A controller of many brokers in a test, without log or node: requests go to the controls, their records to
// the image, and after every step the invariants of the cluster's metadata are checked. Time is a number.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kraft/controller/broker_sessions.hpp"
#include "kraft/controller/controller_schedule.hpp"
#include "kraft/node_testing.hpp"
#include "protocol/messages/api_alter_partition.hpp"
#include "protocol/messages/api_alter_partition_reassignments.hpp"
#include "protocol/messages/api_broker_heartbeat.hpp"
#include "protocol/messages/api_broker_registration.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_elect_leaders.hpp"

namespace barnabas::kraft {

/// Knows what FewConfigs knows and unclean.leader.election.enable.
class ElectionConfigs final : public ConfigValidator {
 public:
  [[nodiscard]] Result<void> validate(const ConfigResource& resource,
                                      const ConfigMap& overrides) const override {
    ConfigMap others = overrides;
    others.erase("unclean.leader.election.enable");
    return few_.validate(resource, others);
  }
  [[nodiscard]] std::vector<DescribedConfig> describe(const ConfigResource& resource,
                                                      const ConfigMap& overrides,
                                                      const ConfigMap& defaults) const override {
    return few_.describe(resource, overrides, defaults);
  }
  [[nodiscard]] bool is_list(ConfigResourceType type, std::string_view name) const override {
    return few_.is_list(type, name);
  }
  [[nodiscard]] std::optional<std::string> default_value(ConfigResourceType type,
                                                         std::string_view name) const override {
    if (name == "unclean.leader.election.enable") return "false";
    return few_.default_value(type, name);
  }

 private:
  FewConfigs few_;
};

struct ClusterOptions {
  std::int16_t metadata_version = 30;
  bool elr = true;
  std::string min_isr = "1";
  std::uint64_t seed = 7;
};

class ControllerFixture {
 public:
  explicit ControllerFixture(const ClusterOptions& options = {});

  // --- brokers
  [[nodiscard]] protocol::BrokerRegistrationRequest registration(std::int32_t id);
  protocol::BrokerRegistrationResponse register_broker(const protocol::BrokerRegistrationRequest& request);
  [[nodiscard]] protocol::BrokerHeartbeatRequest beat(std::int32_t id) const;
  protocol::BrokerHeartbeatResponse heartbeat(const protocol::BrokerHeartbeatRequest& request);
  /// Registers brokers 1..n, each with one directory and in rack `racks[i]` if there is one, and unfences
  /// them.
  void start_brokers(std::int32_t count, const std::vector<std::string>& racks = {});
  /// The broker is heard no more; time passes until its session is over. The others go on.
  void let_die(std::int32_t id);
  /// A new life after it died.
  void restart(std::int32_t id, bool clean);
  /// Every registered broker but `silent` beats; time moves on by `ms`; what is due is done.
  void pass(std::int64_t ms, const std::vector<std::int32_t>& silent = {});

  // --- partitions
  /// One partition a list of replicas. Its topic id.
  TopicId create_topic(const std::string& name, const std::vector<std::vector<std::int32_t>>& replicas,
                       const ConfigMap& configs = {});
  [[nodiscard]] const PartitionRegistration& partition(const std::string& topic,
                                                       std::int32_t index = 0) const;
  /// The leader's request to have that ISR, of the newest version.
  [[nodiscard]] protocol::AlterPartitionRequest isr_request(const std::string& topic,
                                                            const std::vector<std::int32_t>& isr,
                                                            std::int32_t index = 0) const;
  std::int16_t alter_isr(const std::string& topic, const std::vector<std::int32_t>& isr);
  std::int16_t reassign(const std::string& topic, std::optional<std::vector<std::int32_t>> replicas,
                        std::int32_t index = 0);
  std::int16_t elect(const std::string& topic, std::int8_t type, std::int32_t index = 0);
  void set_config(ConfigResourceType type, const std::string& name, const std::string& key,
                  const std::string& value);

  // --- the controller
  [[nodiscard]] ControlContext context();
  /// Appends, replays, checks the invariants. Requires records that the image takes.
  void apply(const MetadataRecords& records);
  template <class Response>
  Response take(ControllerResult<Response> result) {
    apply(result.records);
    last_records = std::move(result.records);
    return std::move(result.response);
  }
  [[nodiscard]] const MetadataImage& image() const { return *image_; }
  /// Why the metadata makes no sense; empty when it does.
  [[nodiscard]] std::string broken_invariant() const;

  ControllerOptions options;
  ElectionConfigs configs;
  SeededRandom random;
  BrokerSessions sessions;
  ControllerSchedule schedule;
  std::int64_t now_ms = 1000;
  MetadataRecords last_records;  // of the last take()

 private:
  [[nodiscard]] std::string broken_step(const MetadataImage& before) const;

  MetadataImagePtr image_ = MetadataImage::empty();
  Offset next_offset_{0};
};

}  // namespace barnabas::kraft
