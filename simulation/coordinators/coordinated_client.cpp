#include "simulation/coordinators/coordinated_client.hpp"

#include "protocol/messages/api_find_coordinator.hpp"

namespace barnabas::simulation {

namespace {
constexpr std::int16_t kFindVersion = 3;  // the last of one key
}

bool CoordinatedClient::is_about_coordinators(ErrorCode error) {
  switch (error) {
    case ErrorCode::kNetworkException:
    case ErrorCode::kNotCoordinator:
    case ErrorCode::kCoordinatorNotAvailable:
    case ErrorCode::kCoordinatorLoadInProgress:
      return true;
    default:
      return false;
  }
}

void CoordinatedClient::find(const CoordinatorOf& coordinator, std::function<void()> then) {
  protocol::FindCoordinatorRequest request;
  request.key = coordinator.key;
  request.key_type = static_cast<std::int8_t>(coordinator.kind);
  any_channel().call<protocol::FindCoordinatorResponse>(
      std::move(request), {kFindVersion, kFindVersion},
      [this, coordinator,
       then = std::move(then)](Result<broker::PeerAnswer<protocol::FindCoordinatorResponse>> answer) mutable {
        if (!answer || answer->body.error_code != 0)
          return after(kBackoff, [this, coordinator, then = std::move(then)]() mutable {
            find(coordinator, std::move(then));
          });
        coordinators_[coordinator] = answer->body.node_id;
        then();
      });
}

}  // namespace barnabas::simulation
