// CoordinatedClient: a client of a simulated cluster that asks coordinators of groups and transactions.
//
// Owned by its user. Not thread-safe. A request is repeated, to whoever is the coordinator by then, until it
// is answered with something that is not about coordinators: so it may be carried out more than once, as with
// real clients.
#pragma once

#include <type_traits>
#include <utility>

#include "protocol/messages/api_consumer_group_heartbeat.hpp"
#include "protocol/messages/api_heartbeat.hpp"
#include "protocol/messages/api_join_group.hpp"
#include "protocol/messages/api_offset_fetch.hpp"
#include "protocol/messages/api_sync_group.hpp"
#include "simulation/nodes/cluster_client.hpp"

namespace barnabas::simulation {

/// Numbers as in FindCoordinator.
enum class CoordinatorKind : std::int8_t { kGroup = 0, kTransactions = 1 };
struct CoordinatorOf {
  CoordinatorKind kind;
  std::string key;
  auto operator<=>(const CoordinatorOf&) const = default;
};

/// The first error that an answer has.
template <class Response>
[[nodiscard]] ErrorCode error_in(const Response& response) {
  if constexpr (std::is_same_v<Response, protocol::OffsetFetchResponse>) {
    const auto& group = response.groups.at(0);
    if (group.error_code != 0 || group.topics.empty()) return static_cast<ErrorCode>(group.error_code);
    return static_cast<ErrorCode>(group.topics.at(0).partitions.at(0).error_code);
  } else if constexpr (requires { response.results_by_topic_v3_and_below; }) {
    return static_cast<ErrorCode>(
        response.results_by_topic_v3_and_below.at(0).results_by_partition.at(0).partition_error_code);
  } else if constexpr (requires { response.error_code; }) {
    return static_cast<ErrorCode>(response.error_code);
  } else {
    for (const auto& topic : response.topics)
      for (const auto& partition : topic.partitions)
        if (partition.error_code != 0) return static_cast<ErrorCode>(partition.error_code);
    return ErrorCode::kNone;
  }
}

class CoordinatedClient : public ClusterClient {
 public:
  using ClusterClient::after;
  using ClusterClient::below;
  using ClusterClient::checks;
  using ClusterClient::ClusterClient;
  using ClusterClient::id_of;
  using ClusterClient::kBackoff;
  using ClusterClient::name_of;
  using ClusterClient::refresh;
  using ClusterClient::surroundings;

  /// Views in the request are valid for as long as `take` is kept.
  template <class Response, class Request>
  void ask(const CoordinatorOf& coordinator, const Request& request, broker::PeerChannel::Versions versions,
           std::function<void(const Response&)> take) {
    const auto known = coordinators_.find(coordinator);
    if (known == coordinators_.end())
      return find(coordinator, [this, coordinator, request, versions, take = std::move(take)] {
        ask<Response>(coordinator, request, versions, take);
      });
    channel_to(known->second, kPurpose<Request>)
        .template call<Response>(
            Request(request), versions,
            [this, coordinator, request, versions,
             take = std::move(take)](Result<broker::PeerAnswer<Response>> answer) mutable {
              const ErrorCode error = answer ? error_in(answer->body) : ErrorCode::kNetworkException;
              if (!is_about_coordinators(error)) return take(answer->body);
              if (error != ErrorCode::kCoordinatorLoadInProgress) coordinators_.erase(coordinator);
              after(kBackoff, [this, coordinator, request, versions, take = std::move(take)] {
                ask<Response>(coordinator, request, versions, take);
              });
            });
  }

 private:
  /// What may wait for other members does not hold up the rest.
  template <class Request>
  static constexpr int kPurpose = std::is_same_v<Request, protocol::JoinGroupRequest> ||
                                          std::is_same_v<Request, protocol::SyncGroupRequest> ||
                                          std::is_same_v<Request, protocol::HeartbeatRequest> ||
                                          std::is_same_v<Request, protocol::ConsumerGroupHeartbeatRequest>
                                      ? 1
                                      : 2;
  [[nodiscard]] static bool is_about_coordinators(ErrorCode error);
  void find(const CoordinatorOf& coordinator, std::function<void()> then);

  std::map<CoordinatorOf, std::int32_t> coordinators_;
};

}  // namespace barnabas::simulation
