// BrokerSessions: what an active controller remembers of brokers beside the metadata: when each was last
// heard, how far it has replayed, and up to where the others must be before it may shut down.
//
// Soft state: never written, empty at the start of a leadership, when every unfenced broker is given a whole
// session. Owned by the metadata node; its strand only. Units: `now_ms` is the controller's clock. Source:
// KIP-631, KIP-841; measured on Kafka 4.3.1.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "kraft/metadata_image.hpp"

namespace barnabas::kraft {

class BrokerSessions {
 public:
  explicit BrokerSessions(std::int64_t timeout_ms) : timeout_ms_(timeout_ms) {}

  /// A new leadership. `own` is the broker in this process: when it registers anew its former life is over.
  void start_all(const MetadataImage& image, BrokerId own, std::int64_t now_ms);
  /// A registration was accepted, at `offset`. One of a new incarnation begins without a session.
  void registered(BrokerId broker, std::int64_t epoch, Offset offset);
  void heard(BrokerId broker, std::int64_t metadata_offset, std::int64_t now_ms);
  /// The connection that carried the heartbeats of this life ended: its session is over at `ends_ms` unless
  /// the broker is heard before. A broker that is alive connects again; fencing one is safe.
  void disconnected(BrokerId broker, std::int64_t epoch, std::int64_t ends_ms);
  /// It has begun a controlled shutdown, which the others must have seen up to `offset`.
  void shutting_down(BrokerId broker, Offset offset);
  /// It said that it goes, or was unregistered: nobody waits for its session to end.
  void gone(BrokerId broker) { sessions_.erase(broker); }

  /// Whether another incarnation of the broker must wait.
  [[nodiscard]] bool is_alive(BrokerId broker, std::int64_t epoch, std::int64_t now_ms) const;
  /// Nobody has heard of it in this leadership, or its connection ended since: it may have crashed.
  [[nodiscard]] bool may_be_gone(BrokerId broker) const;
  /// Unfenced brokers of the image whose session is over.
  [[nodiscard]] std::vector<BrokerId> expired(const MetadataImage& image, std::int64_t now_ms) const;
  /// When the next session may end; nothing when there is none.
  [[nodiscard]] std::optional<std::int64_t> next_expiry_ms(const MetadataImage& image) const;
  /// The record a broker must have replayed to be unfenced; by default the one its epoch names.
  [[nodiscard]] Offset registration_offset(const BrokerRegistration& broker) const;
  /// Whether every active broker knows that this one is shutting down, so that no client is sent to it.
  [[nodiscard]] bool may_shut_down(const MetadataImage& image, BrokerId broker) const;

 private:
  struct Session {
    std::int64_t epoch = -1;
    std::optional<std::int64_t> heard_ms;
    std::optional<std::int64_t> ends_by_ms;  // sooner than the timeout says
    bool is_own = false;                     // granted for this process's own former life
    bool is_granted = false;                 // by a new leadership, which has not heard it yet
    Offset metadata_offset = kNoOffset;
    std::optional<Offset> registration_offset;
    std::optional<Offset> shutdown_offset;
  };
  [[nodiscard]] const Session* find(BrokerId broker) const;
  [[nodiscard]] std::int64_t ends_ms(BrokerId broker) const;

  std::int64_t timeout_ms_;
  std::map<BrokerId, Session> sessions_;
};

}  // namespace barnabas::kraft
