#include "kraft/controller/controller_schedule.hpp"

#include <algorithm>

#include "base/logging.hpp"
#include "kraft/controller/cluster_control.hpp"
#include "kraft/controller/election_control.hpp"

namespace barnabas::kraft {

namespace {
constexpr const char* kComponent = "org.apache.kafka.controller.ReplicationControlManager";
}

ControllerSchedule::ControllerSchedule(const ControllerOptions& options) {
  if (options.leader_imbalance_check_interval_ms > 0)
    periodic_.push_back({balance_leaders, options.leader_imbalance_check_interval_ms, INT64_MAX});
  if (options.unclean_election_interval_ms > 0)
    periodic_.push_back({elect_unclean_leaders, options.unclean_election_interval_ms, INT64_MAX});
}

void ControllerSchedule::start(std::int64_t now_ms) {
  for (Periodic& task : periodic_) task.due_ms = now_ms + task.interval_ms;
}

MetadataRecords ControllerSchedule::next(const ControlContext& context, const BrokerSessions& sessions) {
  if (context.now_ms < held_off_until_ms_) return {};
  const std::vector<BrokerId> expired = sessions.expired(context.image, context.now_ms);
  if (!expired.empty()) {
    log_warn(kComponent,
             "Fencing broker {} because its session is over: no heartbeat within {} ms, or none since its "
             "connection ended",
             expired.front().value(), context.options.broker_session_timeout_ms);
    return fence_broker(context, expired.front());
  }
  for (Periodic& task : periodic_) {
    if (context.now_ms < task.due_ms) continue;
    MetadataRecords records = task.hold(context, kMaxElectionsAtOnce);
    // As many as allowed at once: there are more, so it stays due.
    if (records.size() < kMaxElectionsAtOnce) task.due_ms = context.now_ms + task.interval_ms;
    if (!records.empty()) return records;
  }
  return {};
}

std::int64_t ControllerSchedule::due_ms(const MetadataImage& image, const BrokerSessions& sessions) const {
  std::int64_t due = sessions.next_expiry_ms(image).value_or(INT64_MAX);
  for (const Periodic& task : periodic_) due = std::min(due, task.due_ms);
  return std::max(due, held_off_until_ms_);
}

}  // namespace barnabas::kraft
