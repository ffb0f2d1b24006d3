// kafka-delete-records: makes partitions begin at a later offset.
#include <boost/json/parse.hpp>
#include <map>

#include "protocol/messages/api_delete_records.hpp"
#include "tools/client/tool_log.hpp"
#include "tools/commands/admin_commands.hpp"
#include "tools/commands/command_frame.hpp"
#include "tools/commands/json_fields.hpp"

namespace barnabas::tools {
namespace {

using Partition = std::pair<std::string, std::int32_t>;
using Offsets = std::map<Partition, std::int64_t>;

/// {"partitions": [{"topic": "t", "partition": 0, "offset": 1}], "version": 1}
Result<Offsets> parse_offsets(const std::string& text) {
  boost::system::error_code wrong;
  const auto json = boost::json::parse(text, wrong);
  if (wrong) return misuse("The input string is not a valid JSON");
  const auto* fields = TRY(json_object(json));
  if (fields->contains("version")) {
    const auto version = TRY(integer_field(json, "version"));
    if (version != 1) return misuse(fmt::format("Not supported version field value {}", version));
  }
  const auto* partitions = fields->if_contains("partitions");
  if (partitions == nullptr) return misuse("Missing partitions field");
  const auto* entries = TRY(json_array(*partitions));
  Offsets offsets;
  std::string duplicates;
  for (const auto& entry : *entries) {
    const Partition partition(TRY(text_field(entry, "topic")), TRY(integer_field(entry, "partition")));
    const auto offset = TRY(long_field(entry, "offset"));
    if (!offsets.emplace(partition, offset).second)
      duplicates += fmt::format("{}{}-{}", duplicates.empty() ? "" : ",", partition.first, partition.second);
  }
  if (!duplicates.empty())
    return misuse(fmt::format("Offset json file contains duplicate topic partitions: {}", duplicates));
  return offsets;
}

/// Who leads each partition. UNKNOWN_TOPIC_OR_PARTITION where there is none, which is worth another try.
Result<BrokerId> leader_of(const protocol::MetadataResponse& metadata, const Partition& partition) {
  for (const auto& topic : metadata.topics) {
    if (topic.name != partition.first) continue;
    TRY(refusal(topic.error_code));
    for (const auto& candidate : topic.partitions)
      if (candidate.partition_index == partition.second) return BrokerId(candidate.leader_id);
  }
  return std::unexpected(refusal(static_cast<std::int16_t>(ErrorCode::kUnknownTopicOrPartition)).error());
}

Result<std::int64_t> delete_before(Admin& admin, const Partition& partition, std::int64_t offset) {
  const auto attempt = [&]() -> Result<std::int64_t> {
    const auto metadata = TRY(admin.cluster().metadata(std::vector{partition.first}));
    const BrokerId leader = TRY(leader_of(metadata.body, partition));
    protocol::DeleteRecordsRequest request;
    request.timeout_ms = static_cast<std::int32_t>(admin.cluster().config().request_timeout.count());
    auto& topic = request.topics.emplace_back();
    topic.name = partition.first;
    topic.partitions.push_back({partition.second, offset});
    Connection* connection = TRY(admin.cluster().node(leader));
    const auto answer = TRY(admin.cluster().call<protocol::DeleteRecordsResponse>(*connection, request));
    const auto& result = answer->topics.at(0).partitions.at(0);
    TRY(refusal(result.error_code));
    return result.low_watermark;
  };
  return admin.cluster().retrying<std::int64_t>(attempt);
}

Result<void> execute(const JoptOptions& options) {
  const std::string text = TRY(read_whole_file(options.text("offset-json-file")));
  const Offsets offsets = TRY(parse_offsets(text));
  Admin admin = TRY(open_admin(options));
  fmt::print("Executing records delete operation\nRecords delete operation completed:\n");
  for (const auto& [partition, offset] : offsets) {
    const auto low_watermark = delete_before(admin, partition, offset);
    const std::string name = fmt::format("{}-{}", partition.first, partition.second);
    if (low_watermark)
      fmt::print("partition: {}\tlow_watermark: {}\n", name, *low_watermark);
    else
      fmt::print("partition: {}\terror: {}\n", name, exception_line(low_watermark.error()));
  }
  return {};
}

}  // namespace

JoptOptions delete_records_options() {
  JoptOptions options("kafka-delete-records", "Deletes the records of partitions below given offsets.");
  options.add_standard_options();
  options.value(
      "offset-json-file", "FILE",
      R"({"partitions": [{"topic": "t", "partition": 0, "offset": 1}]}; the offset -1 is the end.)");
  return options;
}

int run_delete_records(Arguments arguments) {
  JoptOptions options = delete_records_options();
  if (const auto code = end_of_parsing(options, arguments)) return *code;
  if (const auto complete = options.require({"bootstrap-server", "offset-json-file"}); !complete)
    return refuse_usage(options, complete.error());
  const auto done = execute(options);
  return done ? 0 : tell_failure(done.error());
}

}  // namespace barnabas::tools
