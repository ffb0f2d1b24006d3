#include "bench/wirebench/calls.hpp"

#include <fmt/format.h>

#include "base/error_code.hpp"
#include "protocol/messages/api_find_coordinator.hpp"

namespace barnabas::wirebench {
namespace {

constexpr std::int16_t kFindVersion = 4;

}  // namespace

void expect_no_error(int code, const char* what) {
  if (code != 0) throw std::runtime_error(fmt::format("{}: error {}", what, code));
}

bool is_worth_a_retry(int code) {
  switch (static_cast<ErrorCode>(code)) {
    // Of a topic that was just made: Apache Kafka's brokers hear of it a little later.
    case ErrorCode::kUnknownTopicOrPartition:
    case ErrorCode::kNotLeaderOrFollower:
    case ErrorCode::kCoordinatorLoadInProgress:
    case ErrorCode::kCoordinatorNotAvailable:
    case ErrorCode::kNotCoordinator:
    case ErrorCode::kConcurrentTransactions:
      return true;
    default:
      return false;
  }
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
