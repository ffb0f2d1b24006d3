#include "bench/wirebench/calls.hpp"

#include <fmt/format.h>

#include "protocol/messages/api_find_coordinator.hpp"

namespace barnabas::wirebench {
namespace {

constexpr std::int16_t kFindVersion = 4;
// Of a topic that was just made: Apache Kafka's brokers hear of it a little later.
constexpr int kUnknownTopic = 3;
constexpr int kNotLeader = 6;
constexpr int kLoading = 14;
constexpr int kNotAvailable = 15;
constexpr int kNotCoordinator = 16;
constexpr int kConcurrent = 51;

}  // namespace

void expect_no_error(int code, const char* what) {
  if (code != 0) throw std::runtime_error(fmt::format("{}: error {}", what, code));
}

bool is_worth_a_retry(int code) {
  return code == kUnknownTopic || code == kNotLeader || code == kLoading || code == kNotAvailable ||
         code == kNotCoordinator || code == kConcurrent;
}

void wait_for_coordinator(Connection& connection, std::int8_t type, const std::string& key) {
  protocol::FindCoordinatorRequest request;
  request.key_type = type;
  request.coordinator_keys = {key};
  (void)call_patiently<protocol::FindCoordinatorResponse>(
      connection, request, kFindVersion, "FindCoordinator",
      [](const protocol::FindCoordinatorResponse& found) { return found.coordinators.at(0).error_code; });
}

}  // namespace barnabas::wirebench
