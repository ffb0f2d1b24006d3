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

}  // namespace
}  // namespace barnabas::broker::testing
