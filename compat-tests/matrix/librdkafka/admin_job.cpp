// Each admin call of librdkafka, a line a call.
#include <librdkafka/rdkafka.h>

#include <functional>
#include <string>

#include "client.hpp"
#include "jobs.hpp"
#include "lines.hpp"

namespace rdkafka_matrix {
namespace {

using namespace rdkafka_jobs;
using boost::json::array;
using boost::json::value;

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

value error_line(rd_kafka_resp_err_t code) {
  return {{"error", rd_kafka_err2name(code)}};
}

// The result of a topic call: null, or its error.
value topic_result(const rd_kafka_topic_result_t* result) {
  const rd_kafka_resp_err_t code = rd_kafka_topic_result_error(result);
  return code == RD_KAFKA_RESP_ERR_NO_ERROR ? value(nullptr) : error_line(code);
}

value offsets_of(const rd_kafka_group_result_t* result) {
  if (const rd_kafka_error_t* error = rd_kafka_group_result_error(result))
    return error_line(rd_kafka_error_code(error));
  array found;
  const rd_kafka_topic_partition_list_t* list = rd_kafka_group_result_partitions(result);
  for (int i = 0; list != nullptr && i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& part = list->elems[i];
    found.push_back({part.topic, part.partition, part.offset, rd_kafka_err2name(part.err)});
  }
  return found;
}

class Administrator {
 public:
  using Ask = std::function<void(rd_kafka_queue_t*)>;
  using Tell = std::function<value(rd_kafka_event_t*)>;

  Administrator(rd_kafka_t* handle, std::string topic, std::string group)
      : handle_(handle), topic_(std::move(topic)), group_(std::move(group)) {}

  void run() {
    topics();
    configs();
    partitions_and_records();
    groups();
    remove_topic("DeleteTopics");
    remove_topic("DeleteTopics again");
  }

 private:
  // Asks, waits for the answer, and prints what `tell` makes of it.
  void call(const std::string& name, const Ask& ask, const Tell& tell) {
    const Owned<rd_kafka_queue_t> queue(rd_kafka_queue_new(handle_), rd_kafka_queue_destroy);
    ask(queue.get());
    const Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), 30'000), rd_kafka_event_destroy);
    require(event != nullptr, name + ": no answer");
    const rd_kafka_resp_err_t code = rd_kafka_event_error(event.get());
    say({{"call", name},
         {"result", code == RD_KAFKA_RESP_ERR_NO_ERROR ? tell(event.get()) : error_line(code)}});
  }

  void create(const std::string& name, const std::string& topic, int replicas) {
    char error[256] = "";
    const Owned<rd_kafka_NewTopic_t> wanted(
        rd_kafka_NewTopic_new(topic.c_str(), 2, replicas, error, sizeof error), rd_kafka_NewTopic_destroy);
    require(wanted != nullptr, error);
    rd_kafka_NewTopic_set_config(wanted.get(), "retention.ms", "123456");
    rd_kafka_NewTopic_t* topics[] = {wanted.get()};
    call(
        name, [&](rd_kafka_queue_t* queue) { rd_kafka_CreateTopics(handle_, topics, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return topic_result(
              *rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count));
        });
  }

  void topics() {
    create("CreateTopics", topic_, 1);
    create("CreateTopics again", topic_, 1);
    create("CreateTopics, replicas", topic_ + "-not", 3);
  }

  void describe(const std::string& name) {
    const Owned<rd_kafka_ConfigResource_t> asked(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic_.c_str()),
        rd_kafka_ConfigResource_destroy);
    rd_kafka_ConfigResource_t* resources[] = {asked.get()};
    call(
        name,
        [&](rd_kafka_queue_t* queue) { rd_kafka_DescribeConfigs(handle_, resources, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          const rd_kafka_ConfigResource_t* resource = *rd_kafka_DescribeConfigs_result_resources(
              rd_kafka_event_DescribeConfigs_result(event), &count);
          const rd_kafka_ConfigEntry_t** entries = rd_kafka_ConfigResource_configs(resource, &count);
          boost::json::object found;
          for (std::size_t i = 0; i < count; ++i) {
            const char* text = rd_kafka_ConfigEntry_value(entries[i]);
            found[rd_kafka_ConfigEntry_name(entries[i])] = {
                text != nullptr ? value(text) : value(nullptr),
                rd_kafka_ConfigSource_name(rd_kafka_ConfigEntry_source(entries[i])),
                rd_kafka_ConfigEntry_is_read_only(entries[i]), rd_kafka_ConfigEntry_is_sensitive(entries[i])};
          }
          return value(found);
        });
  }

  void alter(const std::string& name, const char* key, const char* text) {
    const Owned<rd_kafka_ConfigResource_t> asked(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic_.c_str()),
        rd_kafka_ConfigResource_destroy);
    rd_kafka_ConfigResource_set_config(asked.get(), key, text);
    rd_kafka_ConfigResource_t* resources[] = {asked.get()};
    call(
        name, [&](rd_kafka_queue_t* queue) { rd_kafka_AlterConfigs(handle_, resources, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          const rd_kafka_resp_err_t code = rd_kafka_ConfigResource_error(
              *rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count));
          return code == RD_KAFKA_RESP_ERR_NO_ERROR ? value(nullptr) : error_line(code);
        });
  }

  void configs() {
    describe("DescribeConfigs");
    alter("AlterConfigs", "max.message.bytes", "2000000");
    alter("AlterConfigs, wrong", "retention.ms", "much");
    describe("DescribeConfigs after");
  }

  void grow(const std::string& name, std::size_t partitions) {
    char error[256] = "";
    const Owned<rd_kafka_NewPartitions_t> wanted(
        rd_kafka_NewPartitions_new(topic_.c_str(), partitions, error, sizeof error),
        rd_kafka_NewPartitions_destroy);
    require(wanted != nullptr, error);
    rd_kafka_NewPartitions_t* topics[] = {wanted.get()};
    call(
        name, [&](rd_kafka_queue_t* queue) { rd_kafka_CreatePartitions(handle_, topics, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return topic_result(*rd_kafka_CreatePartitions_result_topics(
              rd_kafka_event_CreatePartitions_result(event), &count));
        });
  }

  void delete_records(const std::string& name, std::int64_t before) {
    const auto list = place(before);
    const Owned<rd_kafka_DeleteRecords_t> asked(rd_kafka_DeleteRecords_new(list.get()),
                                                rd_kafka_DeleteRecords_destroy);
    rd_kafka_DeleteRecords_t* all[] = {asked.get()};
    call(
        name, [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteRecords(handle_, all, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          const rd_kafka_topic_partition_list_t* told =
              rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
          return value{rd_kafka_err2name(told->elems[0].err), told->elems[0].offset};
        });
  }

  void partitions_and_records() {
    grow("CreatePartitions", 4);
    grow("CreatePartitions, fewer", 3);
    delete_records("DeleteRecords", 0);
    delete_records("DeleteRecords, too many", 10);
  }

  // The partition in which the group has committed; its topic is called as the group.
  Owned<rd_kafka_topic_partition_list_t> place(std::int64_t offset) const {
    Owned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1),
                                                rd_kafka_topic_partition_list_destroy);
    rd_kafka_topic_partition_list_add(list.get(), group_.c_str(), 0)->offset = offset;
    return list;
  }

  void list_groups() {
    call(
        "ListConsumerGroups",
        [&](rd_kafka_queue_t* queue) { rd_kafka_ListConsumerGroups(handle_, nullptr, queue); },
        [&](rd_kafka_event_t* event) {
          std::size_t count = 0;
          const rd_kafka_ConsumerGroupListing_t** listings = rd_kafka_ListConsumerGroups_result_valid(
              rd_kafka_event_ListConsumerGroups_result(event), &count);
          array found;
          for (std::size_t i = 0; i < count; ++i) {
            if (rd_kafka_ConsumerGroupListing_group_id(listings[i]) != group_) continue;
            found.push_back(
                {rd_kafka_ConsumerGroupListing_is_simple_consumer_group(listings[i]),
                 rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupListing_state(listings[i]))});
          }
          return value(found);
        });
  }

  void describe_group() {
    const char* names[] = {group_.c_str()};
    call(
        "DescribeConsumerGroups",
        [&](rd_kafka_queue_t* queue) { rd_kafka_DescribeConsumerGroups(handle_, names, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          const rd_kafka_ConsumerGroupDescription_t* told = *rd_kafka_DescribeConsumerGroups_result_groups(
              rd_kafka_event_DescribeConsumerGroups_result(event), &count);
          return value{rd_kafka_ConsumerGroupDescription_group_id(told),
                       rd_kafka_ConsumerGroupDescription_is_simple_consumer_group(told),
                       rd_kafka_ConsumerGroupDescription_partition_assignor(told),
                       rd_kafka_consumer_group_state_name(rd_kafka_ConsumerGroupDescription_state(told)),
                       rd_kafka_ConsumerGroupDescription_member_count(told)};
        });
  }

  void list_offsets(const std::string& name) {
    const Owned<rd_kafka_ListConsumerGroupOffsets_t> asked(
        rd_kafka_ListConsumerGroupOffsets_new(group_.c_str(), nullptr),
        rd_kafka_ListConsumerGroupOffsets_destroy);
    rd_kafka_ListConsumerGroupOffsets_t* all[] = {asked.get()};
    call(
        name,
        [&](rd_kafka_queue_t* queue) { rd_kafka_ListConsumerGroupOffsets(handle_, all, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return offsets_of(*rd_kafka_ListConsumerGroupOffsets_result_groups(
              rd_kafka_event_ListConsumerGroupOffsets_result(event), &count));
        });
  }

  void alter_offsets() {
    const auto list = place(0);
    const Owned<rd_kafka_AlterConsumerGroupOffsets_t> asked(
        rd_kafka_AlterConsumerGroupOffsets_new(group_.c_str(), list.get()),
        rd_kafka_AlterConsumerGroupOffsets_destroy);
    rd_kafka_AlterConsumerGroupOffsets_t* all[] = {asked.get()};
    call(
        "AlterConsumerGroupOffsets",
        [&](rd_kafka_queue_t* queue) { rd_kafka_AlterConsumerGroupOffsets(handle_, all, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return offsets_of(*rd_kafka_AlterConsumerGroupOffsets_result_groups(
              rd_kafka_event_AlterConsumerGroupOffsets_result(event), &count));
        });
  }

  void delete_offsets() {
    const auto list = place(0);
    const Owned<rd_kafka_DeleteConsumerGroupOffsets_t> asked(
        rd_kafka_DeleteConsumerGroupOffsets_new(group_.c_str(), list.get()),
        rd_kafka_DeleteConsumerGroupOffsets_destroy);
    rd_kafka_DeleteConsumerGroupOffsets_t* all[] = {asked.get()};
    call(
        "DeleteConsumerGroupOffsets",
        [&](rd_kafka_queue_t* queue) {
          rd_kafka_DeleteConsumerGroupOffsets(handle_, all, 1, nullptr, queue);
        },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return offsets_of(*rd_kafka_DeleteConsumerGroupOffsets_result_groups(
              rd_kafka_event_DeleteConsumerGroupOffsets_result(event), &count));
        });
  }

  void delete_group(const std::string& name) {
    const Owned<rd_kafka_DeleteGroup_t> asked(rd_kafka_DeleteGroup_new(group_.c_str()),
                                              rd_kafka_DeleteGroup_destroy);
    rd_kafka_DeleteGroup_t* all[] = {asked.get()};
    call(
        name, [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteGroups(handle_, all, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return offsets_of(
              *rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count));
        });
  }

  void groups() {
    list_groups();
    describe_group();
    list_offsets("ListConsumerGroupOffsets");
    alter_offsets();
    list_offsets("ListConsumerGroupOffsets after");
    delete_offsets();
    delete_group("DeleteGroups");
    delete_group("DeleteGroups again");
  }

  void remove_topic(const std::string& name) {
    const Owned<rd_kafka_DeleteTopic_t> asked(rd_kafka_DeleteTopic_new(topic_.c_str()),
                                              rd_kafka_DeleteTopic_destroy);
    rd_kafka_DeleteTopic_t* all[] = {asked.get()};
    call(
        name, [&](rd_kafka_queue_t* queue) { rd_kafka_DeleteTopics(handle_, all, 1, nullptr, queue); },
        [](rd_kafka_event_t* event) {
          std::size_t count = 0;
          return topic_result(
              *rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count));
        });
  }

  rd_kafka_t* handle_;
  std::string topic_;
  std::string group_;
};

}  // namespace

void administer(const std::string& bootstrap, const std::string& topic, const std::string& group) {
  const auto conf = make_conf({bootstrap, topic}, {});
  const auto producer = make_producer(*conf);
  Administrator(producer->c_ptr(), topic, group).run();
}

}  // namespace rdkafka_matrix
