// Topics: CreateTopics, DeleteTopics, CreatePartitions. See control.hpp for what a control is.
//
// Errors, measured on Kafka 4.3.1: names 17 (also for names that differ only in '.' and '_'), existing 36,
// duplicates in one request 42 (collapsed to one answer), __cluster_metadata 42, partitions 37, replication
// factor 38, manual assignment 39, null config value 40, more than 10000 partitions or records in one request
// 44, of a CreatePartitions the topic whose records are too many -1, unknown name 3, unknown id 100.
// validate_only answers with a random topic id.
#pragma once

#include "kraft/controller/control.hpp"
#include "protocol/messages/api_create_partitions.hpp"
#include "protocol/messages/api_create_topics.hpp"
#include "protocol/messages/api_delete_topics.hpp"

namespace barnabas::kraft {

/// The reason a name may not be a topic's; success otherwise. INVALID_TOPIC_EXCEPTION.
Result<void> validate_topic_name(std::string_view name);

ControllerResult<protocol::CreateTopicsResponse> create_topics(const ControlContext& context,
                                                               const protocol::CreateTopicsRequest& request);
/// Names (topic_names, v0-5) and states (topics, v6) are both served.
ControllerResult<protocol::DeleteTopicsResponse> delete_topics(const ControlContext& context,
                                                               const protocol::DeleteTopicsRequest& request);
ControllerResult<protocol::CreatePartitionsResponse> create_partitions(
    const ControlContext& context, const protocol::CreatePartitionsRequest& request);

}  // namespace barnabas::kraft
