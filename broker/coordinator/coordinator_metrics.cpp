#include "broker/coordinator/coordinator_metrics.hpp"

#include <algorithm>
#include <cctype>

#include "broker/coordinator/classic_group.hpp"
#include "broker/coordinator/consumer_group.hpp"
#include "broker/coordinator/transaction_state.hpp"

namespace barnabas::broker {
namespace {

/// "PreparingRebalance" is preparing_rebalance.
std::string label_of(std::string_view state) {
  std::string label;
  for (const char letter : state) {
    const auto byte = static_cast<unsigned char>(letter);
    if (std::isupper(byte) != 0 && !label.empty()) label += '_';
    label += static_cast<char>(std::tolower(byte));
  }
  return label;
}

}  // namespace

RuntimeCounters RuntimeCounters::of(MetricsRegistry& metrics, std::string_view coordinator) {
  const MetricLabels labels = {{"coordinator", std::string(coordinator)}};
  const auto counter = [&](std::string_view name) {
    return &metrics.counter("barnabas_coordinator_" + std::string(name) + "_total", labels);
  };
  return {.loads = counter("loads"),
          .load_milliseconds = counter("load_milliseconds"),
          .loaded_records = counter("loaded_records"),
          .failed_loads = counter("failed_loads"),
          .appends = counter("appends"),
          .appended_records = counter("appended_records"),
          .appended_operations = counter("appended_operations"),
          .failed_appends = counter("failed_appends"),
          .linger_milliseconds = counter("append_linger_milliseconds")};
}

GroupCounters GroupCounters::of(MetricsRegistry& metrics) {
  const auto rebalances = [&](const char* protocol) {
    return &metrics.counter("barnabas_group_rebalances_total", {{"protocol", protocol}});
  };
  return {.classic_rebalances = rebalances("classic"),
          .consumer_rebalances = rebalances("consumer"),
          .commits = &metrics.counter("barnabas_group_offset_commits_total"),
          .expirations = &metrics.counter("barnabas_group_offset_expirations_total"),
          .deletions = &metrics.counter("barnabas_group_offset_deletions_total")};
}

TransactionCounters TransactionCounters::of(MetricsRegistry& metrics) {
  return {.timed_out = &metrics.counter("barnabas_transactions_timed_out_total")};
}

std::vector<Gauge*> group_gauges(MetricsRegistry& metrics) {
  std::vector<Gauge*> gauges;
  const auto add = [&](const char* protocol, std::string_view state) {
    gauges.push_back(&metrics.gauge("barnabas_groups", {{"protocol", protocol}, {"state", label_of(state)}}));
  };
  for (const ClassicState state : kClassicStates) add("classic", to_string(state));
  for (const ConsumerGroupState state : kConsumerGroupStates) add("consumer", to_string(state));
  for (const char* protocol : {"classic", "consumer"})
    gauges.push_back(&metrics.gauge("barnabas_group_members", {{"protocol", protocol}}));
  gauges.push_back(&metrics.gauge("barnabas_group_offsets"));
  return gauges;
}

std::vector<Gauge*> transaction_gauges(MetricsRegistry& metrics) {
  std::vector<Gauge*> gauges;
  for (const TransactionState state : kKeptStates)
    gauges.push_back(&metrics.gauge("barnabas_transactions", {{"state", label_of(to_string(state))}}));
  gauges.push_back(&metrics.gauge("barnabas_transaction_markers_waiting"));
  return gauges;
}

}  // namespace barnabas::broker
