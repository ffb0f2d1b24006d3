#include "kraft/controller/topic_control.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "kraft/controller/partition_change.hpp"
#include "kraft/controller/replica_placement.hpp"

namespace barnabas::kraft {

namespace {

constexpr std::size_t kMaxTopicNameLength = 249;
constexpr std::string_view kMetadataTopicName = "__cluster_metadata";

using Creatable = protocol::CreateTopicsRequest::CreatableTopic;
using CreateResult = protocol::CreateTopicsResponse::CreatableTopicResult;

constexpr std::int16_t code(ErrorCode error) {
  return static_cast<std::int16_t>(error);
}

/// Names that differ only in '.' and '_' give the same metric names, so they exclude each other.
std::string collision_form(std::string_view name) {
  std::string form(name);
  std::ranges::replace(form, '.', '_');
  return form;
}

/// The name of a topic, existing or to be created, that `name` collides with.
const std::string* collision(const MetadataImage& image, const std::set<std::string>& created,
                             const std::string& name) {
  const std::string form = collision_form(name);
  if (name.find_first_of("._") == std::string::npos) return nullptr;
  for (const auto& [existing, topic] : image.topics->by_name)
    if (existing != name && collision_form(existing) == form) return &existing;
  for (const std::string& other : created)
    if (other != name && collision_form(other) == form) return &other;
  return nullptr;
}

struct NewTopic {
  TopicId id;
  ConfigMap configs;
  std::vector<std::string> config_order;
  std::vector<std::vector<BrokerId>> assignments;  // by partition
};

std::string unplaceable(std::int16_t factor, const std::string& why) {
  return fmt::format("Unable to replicate the partition {} time(s): {}", factor, why);
}

Result<void> check_manual_isr(const MetadataImage& image, std::int32_t index,
                              const std::vector<BrokerId>& replicas) {
  if (!in_sync_of(image, replicas).empty()) return {};
  return fail(ErrorCode::kInvalidReplicaAssignment,
              fmt::format("All brokers specified in the manual partition assignment for partition {} are "
                          "fenced or in controlled shutdown.",
                          index));
}

Result<void> check_placed_isrs(const MetadataImage& image, std::int16_t factor,
                               const std::vector<std::vector<BrokerId>>& placed) {
  const bool all = std::ranges::none_of(
      placed, [&image](const auto& replicas) { return in_sync_of(image, replicas).empty(); });
  if (all) return {};
  return fail(ErrorCode::kInvalidReplicationFactor,
              unplaceable(factor, "All brokers are currently fenced or in controlled shutdown."));
}

Result<std::vector<std::vector<BrokerId>>> manual_assignments(const ControlContext& context,
                                                              const Creatable& topic) {
  if (topic.replication_factor != -1)
    return fail(ErrorCode::kInvalidRequest,
                "A manual partition assignment was specified, but replication factor was not set to -1.");
  if (topic.num_partitions != -1)
    return fail(ErrorCode::kInvalidRequest,
                "A manual partition assignment was specified, but numPartitions was not set to -1.");
  std::map<std::int32_t, std::vector<BrokerId>> by_index;
  std::size_t factor = topic.assignments[0].broker_ids.size();
  for (const auto& assignment : topic.assignments) {
    const std::int32_t index = assignment.partition_index;
    if (by_index.contains(index))
      return fail(ErrorCode::kInvalidReplicaAssignment,
                  fmt::format("Found multiple manual partition assignments for partition {}", index));
    std::vector<BrokerId> replicas = to_broker_ids(assignment.broker_ids);
    TRY(check_manual_assignment(context.image, replicas, factor));
    TRY(check_manual_isr(context.image, index, replicas));
    by_index[index] = std::move(replicas);
  }
  std::vector<std::vector<BrokerId>> result;
  for (auto& [index, replicas] : by_index) {
    if (index != static_cast<std::int32_t>(result.size()))
      return fail(ErrorCode::kInvalidReplicaAssignment,
                  "partitions should be a consecutive 0-based integer sequence");
    result.push_back(std::move(replicas));
  }
  return result;
}

Result<std::vector<std::vector<BrokerId>>> automatic_assignments(const ControlContext& context,
                                                                 const Creatable& topic) {
  if (topic.replication_factor < -1 || topic.replication_factor == 0)
    return fail(ErrorCode::kInvalidReplicationFactor,
                "Replication factor must be larger than 0, or -1 to use the default value.");
  if (topic.num_partitions < -1 || topic.num_partitions == 0)
    return fail(ErrorCode::kInvalidPartitions,
                "Number of partitions was set to an invalid non-positive value.");
  PlacementRequest request;
  request.partitions = topic.num_partitions == -1 ? context.options.default_partitions : topic.num_partitions;
  request.replication_factor =
      topic.replication_factor == -1 ? context.options.default_replication_factor : topic.replication_factor;
  auto placed = place_replicas(context.image, request, context.random);
  if (!placed)
    return fail(placed.error().code, unplaceable(request.replication_factor, placed.error().detail));
  TRY(check_placed_isrs(context.image, request.replication_factor, *placed));
  return placed;
}

Result<NewTopic> plan_topic(const ControlContext& context, const Creatable& topic,
                            const std::set<std::string>& created) {
  TRY(validate_topic_name(topic.name));
  if (topic.name == kMetadataTopicName)
    return fail(ErrorCode::kInvalidRequest,
                fmt::format("Creation of internal topic {} is prohibited.", kMetadataTopicName));
  if (context.image.topic(topic.name) != nullptr)
    return fail(ErrorCode::kTopicAlreadyExists, fmt::format("Topic '{}' already exists.", topic.name));
  if (const std::string* other = collision(context.image, created, topic.name))
    return fail(ErrorCode::kInvalidTopicException,
                fmt::format("Topic '{}' collides with existing topic: {}", topic.name, *other));
  NewTopic plan;
  for (const auto& config : topic.configs) {
    if (!config.value)
      return fail(ErrorCode::kInvalidConfig, "Null value not supported for topic configs: " + config.name);
    if (plan.configs.insert_or_assign(config.name, *config.value).second)
      plan.config_order.push_back(config.name);
  }
  TRY(context.configs.validate({ConfigResourceType::kTopic, topic.name}, plan.configs));
  plan.assignments = topic.assignments.empty() ? TRY(automatic_assignments(context, topic))
                                               : TRY(manual_assignments(context, topic));
  plan.id = TopicId(Uuid::random(context.random));
  return plan;
}

void append_topic(const ControlContext& context, const std::string& name, const NewTopic& plan,
                  MetadataRecords& records) {
  protocol::TopicRecord topic;
  topic.name = name;
  topic.topic_id = plan.id.value();
  records.emplace_back(std::move(topic));
  for (const std::string& key : plan.config_order) {
    protocol::ConfigRecord config;
    config.resource_type = static_cast<std::int8_t>(ConfigResourceType::kTopic);
    config.resource_name = name;
    config.name = key;
    config.value = plan.configs.at(key);
    records.emplace_back(std::move(config));
  }
  if (plan.configs.contains("min.insync.replicas") && is_elr_enabled(context.image)) {
    // As whenever the configuration changes (measured on Kafka 4.3.1).
    protocol::ClearElrRecord clear;
    clear.topic_name = name;
    records.emplace_back(std::move(clear));
  }
  for (std::size_t i = 0; i < plan.assignments.size(); ++i)
    records.emplace_back(new_partition(context.image, plan.id, PartitionIndex(static_cast<std::int32_t>(i)),
                                       plan.assignments[i]));
}

void fill_success(const ControlContext& context, const NewTopic& plan, CreateResult& result) {
  result.topic_id = plan.id.value();
  result.error_message = std::nullopt;
  result.num_partitions = static_cast<std::int32_t>(plan.assignments.size());
  result.replication_factor = static_cast<std::int16_t>(plan.assignments[0].size());
  auto& configs = result.configs.emplace();
  const ConfigMap& cluster = context.image.config(ConfigResourceType::kBroker, "");
  for (DescribedConfig& entry :
       context.configs.describe({ConfigResourceType::kTopic, result.name}, plan.configs, cluster)) {
    auto& to = configs.emplace_back();
    to.name = std::move(entry.name);
    to.value = std::move(entry.value);
    to.read_only = entry.read_only;
    to.config_source = entry.source;
    to.is_sensitive = entry.sensitive;
  }
}

void fill_failure(const Error& error, CreateResult& result) {
  result.error_code = code(error.code);
  result.error_message = error.detail.empty() ? std::nullopt : std::optional(error.detail);
}

std::int64_t partitions_asked(const ControlContext& context, const protocol::CreateTopicsRequest& request) {
  std::int64_t total = 0;
  for (const Creatable& topic : request.topics) {
    if (!topic.assignments.empty()) {
      total += static_cast<std::int64_t>(topic.assignments.size());
    } else {
      total +=
          topic.num_partitions == -1 ? context.options.default_partitions : std::max(topic.num_partitions, 0);
    }
  }
  return total;
}

Error excessive() {
  return {ErrorCode::kPolicyViolation, "Excessively large number of partitions per request."};
}

/// Measured on Kafka 4.3.1: when the topics that could be created are too many records together none is, not
/// even the answer to a validation is another, and those that have errors of their own get this one.
void refuse_as_too_large(protocol::CreateTopicsResponse& response) {
  for (CreateResult& answer : response.topics) {
    CreateResult refused;
    refused.name = answer.name;
    fill_failure({ErrorCode::kPolicyViolation, "Unable to perform excessively large batch operation."},
                 refused);
    answer = std::move(refused);
  }
}

}  // namespace

Result<void> validate_topic_name(std::string_view name) {
  const auto invalid = [](std::string why) {
    return fail(ErrorCode::kInvalidTopicException, "Topic name is invalid: " + std::move(why));
  };
  if (name.empty()) return invalid("the empty string is not allowed");
  if (name == "." || name == "..") return invalid(fmt::format("'{}' is not allowed", name));
  if (name.size() > kMaxTopicNameLength)
    return invalid(fmt::format("the length of '{}' is longer than the max allowed length {}", name,
                               kMaxTopicNameLength));
  const auto is_legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (!std::ranges::all_of(name, is_legal))
    return invalid(fmt::format(
        "'{}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'", name));
  return {};
}

ControllerResult<protocol::CreateTopicsResponse> create_topics(const ControlContext& context,
                                                               const protocol::CreateTopicsRequest& request) {
  ControllerResult<protocol::CreateTopicsResponse> result;
  std::map<std::string_view, int> asked;
  for (const Creatable& topic : request.topics) ++asked[topic.name];
  const bool too_many = partitions_asked(context, request) > context.options.max_partitions_per_request;
  std::set<std::string> created;
  for (const Creatable& topic : request.topics) {
    int& count = asked[topic.name];
    if (count == 0) continue;  // a duplicate, answered already
    CreateResult& answer = result.response.topics.emplace_back();
    answer.name = topic.name;
    if (count > 1) {
      fill_failure({ErrorCode::kInvalidRequest, "Duplicate topic name."}, answer);
      count = 0;
      continue;
    }
    if (too_many) {
      fill_failure(excessive(), answer);
      continue;
    }
    Result<NewTopic> plan = plan_topic(context, topic, created);
    if (!plan) {
      fill_failure(plan.error(), answer);
      continue;
    }
    fill_success(context, *plan, answer);
    if (!request.validate_only) created.insert(topic.name);
    append_topic(context, topic.name, *plan, result.records);
  }
  const bool too_large =
      result.records.size() > static_cast<std::size_t>(context.options.max_records_per_operation);
  if (too_large) refuse_as_too_large(result.response);
  if (too_large || request.validate_only) result.records.clear();
  return result;
}

namespace {

/// What a DeleteTopics asks for, whichever version asked.
struct DeleteTarget {
  std::optional<std::string> name;
  Uuid id;
};

std::vector<DeleteTarget> delete_targets(const protocol::DeleteTopicsRequest& request) {
  std::vector<DeleteTarget> targets;
  for (const auto& topic : request.topics) targets.push_back({topic.name, topic.topic_id});
  for (const std::string& name : request.topic_names) targets.push_back({name, Uuid()});
  return targets;
}

Result<const TopicImage*> find_target(const ControlContext& context, const DeleteTarget& target) {
  if (target.name && !target.id.is_zero())
    return fail(ErrorCode::kInvalidRequest, "You may not specify both topic name and topic id.");
  if (!target.name && target.id.is_zero())
    return fail(ErrorCode::kInvalidRequest, "Neither topic name nor id were specified.");
  if (target.name) {
    if (const TopicImage* topic = context.image.topic(*target.name)) return topic;
    return fail(ErrorCode::kUnknownTopicOrPartition, "This server does not host this topic-partition.");
  }
  if (const TopicImage* topic = context.image.topic(TopicId(target.id))) return topic;
  return fail(ErrorCode::kUnknownTopicId, "This server does not host this topic ID.");
}

}  // namespace

ControllerResult<protocol::DeleteTopicsResponse> delete_topics(const ControlContext& context,
                                                               const protocol::DeleteTopicsRequest& request) {
  ControllerResult<protocol::DeleteTopicsResponse> result;
  const std::vector<DeleteTarget> targets = delete_targets(request);
  std::map<std::string, int> names;
  std::map<Uuid, int> ids;
  for (const DeleteTarget& target : targets) {
    if (target.name) ++names[*target.name];
    if (!target.id.is_zero()) ++ids[target.id];
  }
  std::set<TopicId> removed;
  for (const DeleteTarget& target : targets) {
    const bool twice =
        (target.name && names[*target.name] != 1) || (!target.id.is_zero() && ids[target.id] != 1);
    if ((target.name && names[*target.name] == 0) || (!target.id.is_zero() && ids[target.id] == 0)) continue;
    auto& answer = result.response.responses.emplace_back();
    answer.name = target.name;
    answer.topic_id = target.id;
    if (twice) {
      if (target.name) names[*target.name] = 0;
      if (!target.id.is_zero()) ids[target.id] = 0;
      answer.error_code = code(ErrorCode::kInvalidRequest);
      answer.error_message = target.name ? "Duplicate topic name." : "Duplicate topic id.";
      continue;
    }
    const Result<const TopicImage*> topic = find_target(context, target);
    if (!topic) {
      answer.error_code = code(topic.error().code);
      answer.error_message = topic.error().detail;
      continue;
    }
    answer.name = (*topic)->name;
    answer.topic_id = (*topic)->id.value();
    if (!removed.insert((*topic)->id).second) continue;  // by name and by id
    protocol::RemoveTopicRecord record;
    record.topic_id = (*topic)->id.value();
    result.records.emplace_back(record);
  }
  return result;
}

namespace {

using PartitionsTopic = protocol::CreatePartitionsRequest::CreatePartitionsTopic;

Result<std::vector<std::vector<BrokerId>>> plan_partitions(const ControlContext& context,
                                                           const PartitionsTopic& request,
                                                           const TopicImage& topic) {
  const auto current = static_cast<std::int32_t>(topic.partitions.size());
  if (request.count == current)
    return fail(ErrorCode::kInvalidPartitions, fmt::format("Topic already has {} partition(s).", current));
  if (request.count < current)
    return fail(ErrorCode::kInvalidPartitions,
                fmt::format("The topic {} currently has {} partition(s); {} would not be an increase.",
                            topic.name, current, request.count));
  const std::int32_t added = request.count - current;
  if (added > context.options.max_partitions_per_request) return std::unexpected(excessive());
  const std::size_t factor = topic.partitions[0].replicas.size();
  if (!request.assignments) {
    const auto copies = static_cast<std::int16_t>(factor);
    auto placed = TRY(place_replicas(context.image, {added, copies}, context.random));
    TRY(check_placed_isrs(context.image, copies, placed));
    return placed;
  }
  if (static_cast<std::int32_t>(request.assignments->size()) != added)
    return fail(ErrorCode::kInvalidReplicaAssignment,
                fmt::format("Attempted to add {} additional partition(s), but only {} assignment(s) were "
                            "specified.",
                            added, request.assignments->size()));
  std::vector<std::vector<BrokerId>> result;
  for (const auto& assignment : *request.assignments) {
    std::vector<BrokerId> replicas = to_broker_ids(assignment.broker_ids);
    TRY(check_manual_assignment(context.image, replicas, factor));
    TRY(check_manual_isr(context.image, current + static_cast<std::int32_t>(result.size()), replicas));
    result.push_back(std::move(replicas));
  }
  return result;
}

}  // namespace

ControllerResult<protocol::CreatePartitionsResponse> create_partitions(
    const ControlContext& context, const protocol::CreatePartitionsRequest& request) {
  ControllerResult<protocol::CreatePartitionsResponse> result;
  std::map<std::string_view, int> asked;
  for (const PartitionsTopic& topic : request.topics) ++asked[topic.name];
  for (const PartitionsTopic& wanted : request.topics) {
    int& count = asked[wanted.name];
    if (count == 0) continue;
    auto& answer = result.response.results.emplace_back();
    answer.name = wanted.name;
    const auto refuse = [&answer](const Error& error) {
      answer.error_code = code(error.code);
      if (!error.detail.empty()) answer.error_message = error.detail;
    };
    const TopicImage* topic = context.image.topic(wanted.name);
    if (count > 1) {
      count = 0;
      refuse({ErrorCode::kInvalidRequest, "Duplicate topic name."});
    } else if (topic == nullptr) {
      refuse({ErrorCode::kUnknownTopicOrPartition, ""});
    } else if (auto plan = plan_partitions(context, wanted, *topic); !plan) {
      refuse(plan.error());
    } else if (result.records.size() + plan->size() >
               static_cast<std::size_t>(context.options.max_records_per_operation)) {
      refuse({ErrorCode::kUnknownServerError, ""});  // Measured on Kafka 4.3.1: this topic's alone.
    } else {
      auto index = static_cast<std::int32_t>(topic->partitions.size());
      for (const auto& replicas : *plan)
        result.records.emplace_back(
            new_partition(context.image, topic->id, PartitionIndex(index++), replicas));
    }
  }
  if (request.validate_only) result.records.clear();
  return result;
}

}  // namespace barnabas::kraft
