// The duties of log maintenance on a node's partitions.
#include "broker/drivers/log_maintenance.hpp"

#include <catch2/catch.hpp>

#include "broker/api/api_fixture.hpp"

namespace barnabas::broker::testing {
namespace {

Offset recovery_point(ApiFixture& node) {
  return node.find("t", 0).with_log([](log::PartitionLog& log) { return log.recovery_point(); });
}

TEST_CASE("a segment is flushed when it was closed, and nothing before") {
  ApiFixture node;
  node.create_topic("t", 1, {{"segment.bytes", "1048576"}});
  LogMaintenance maintenance(node.clock, *node.config, *node.replicas);
  const std::string value(400'000, 'x');
  node.append("t", 0, 1, value);
  node.append("t", 0, 1, value);
  maintenance.flush_closed_segments();
  CHECK(recovery_point(node) == Offset(0));
  node.append("t", 0, 1, value);  // does not fit: closes the first segment
  CHECK(recovery_point(node) == Offset(0));
  maintenance.flush_closed_segments();
  CHECK(recovery_point(node) == Offset(3));
  node.append("t", 0, 1, value);
  maintenance.flush_closed_segments();
  CHECK(recovery_point(node) == Offset(3));
}

TEST_CASE("retention.ms that is changed at run time takes effect, and files go file.delete.delay.ms later") {
  ApiFixture node;
  node.create_topic("t", 1, {{"retention.ms", "-1"}, {"file.delete.delay.ms", "2000"}});
  LogMaintenance maintenance(node.clock, *node.config, *node.replicas);
  node.append("t", 0, 3);
  const auto deleted_files = [&] {
    std::size_t count = 0;
    for (const auto& entry : demand(node.files.list("/data/t-0")))
      count += entry.name.ends_with(".deleted") ? 1 : 0;
    return count;
  };
  node.world.run_until(node.clock.monotonic() + std::chrono::hours(1));
  maintenance.apply_retention();
  const auto start = [&] {
    return node.find("t", 0).with_log([](log::PartitionLog& log) { return log.log_start_offset(); });
  };
  CHECK(start() == Offset(0));
  node.find("t", 0).with_log([](log::PartitionLog& log) {
    log::LogConfig config = log.config();
    config.retention_ms = 1000;
    log.set_config(config);
  });
  maintenance.apply_retention();
  CHECK(start() == Offset(3));
  CHECK(deleted_files() > 0);
  maintenance.remove_deleted_files();
  CHECK(deleted_files() > 0);
  node.world.run_until(node.clock.monotonic() + std::chrono::seconds(2));
  maintenance.remove_deleted_files();
  CHECK(deleted_files() == 0);
}

TEST_CASE("where a log begins after DeleteRecords is checkpointed without anything being flushed") {
  ApiFixture node;
  node.create_topic("t", 1, {});
  LogMaintenance maintenance(node.clock, *node.config, *node.replicas);
  node.append("t", 0, 3);
  maintenance.checkpoint_log_starts();
  node.find("t", 0).with_log(
      [](log::PartitionLog& log) { CHECK(log.delete_records_before(Offset(2)).has_value()); });
  maintenance.checkpoint_log_starts();
  CHECK(demand(node.files.read_file("/data/log-start-offset-checkpoint")) == "0\n1\nt 0 2\n");
}

TEST_CASE("a producer is forgotten producer.id.expiration.ms after its last batch") {
  ApiFixture node({.properties = {{"producer.id.expiration.ms", "5000"}}});
  node.create_topic("t", 1, {});
  LogMaintenance maintenance(node.clock, *node.config, *node.replicas);
  protocol::BatchOptions options;
  options.producer_id = ProducerId(7);
  options.producer_epoch = ProducerEpoch(0);
  options.base_sequence = 0;
  protocol::RecordBatchBuilder builder(options);
  protocol::RecordInput record;
  record.timestamp = node.clock.wall_ms();
  record.value = as_bytes("v");
  builder.append(record);
  Bytes batch = builder.build();
  CHECK(node.find("t", 0).append(batch, {}).has_value());
  const auto producers = [&] {
    return node.find("t", 0).with_log([](log::PartitionLog& log) { return log.active_producers().size(); });
  };
  maintenance.expire_producers();
  CHECK(producers() == 1);
  node.world.run_until(node.clock.monotonic() + std::chrono::milliseconds(5000));
  maintenance.expire_producers();
  CHECK(producers() == 0);
}

}  // namespace
}  // namespace barnabas::broker::testing
