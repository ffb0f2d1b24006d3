#include "kraft/controller/broker_sessions.hpp"

#include <algorithm>

namespace barnabas::kraft {

void BrokerSessions::start_all(const MetadataImage& image, BrokerId own, std::int64_t now_ms) {
  sessions_.clear();
  for (const auto& [id, broker] : image.cluster->brokers) {
    Session& session = sessions_[id];
    session.epoch = broker.epoch;
    if (!broker.fenced) session.heard_ms = now_ms;
    session.is_own = id == own;
    session.is_granted = true;
  }
}

void BrokerSessions::registered(BrokerId broker, std::int64_t epoch, Offset offset) {
  Session& session = sessions_[broker];
  if (session.epoch != epoch) session = {};
  session.epoch = epoch;
  session.registration_offset = offset;
}

void BrokerSessions::heard(BrokerId broker, std::int64_t metadata_offset, std::int64_t now_ms) {
  Session& session = sessions_[broker];
  session.heard_ms = now_ms;
  session.ends_by_ms.reset();
  session.is_own = false;
  session.is_granted = false;
  session.metadata_offset = Offset(metadata_offset);
}

void BrokerSessions::disconnected(BrokerId broker, std::int64_t epoch, std::int64_t ends_ms) {
  const auto found = sessions_.find(broker);
  if (found != sessions_.end() && found->second.epoch == epoch) found->second.ends_by_ms = ends_ms;
}

void BrokerSessions::shutting_down(BrokerId broker, Offset offset) {
  Session& session = sessions_[broker];
  if (!session.shutdown_offset) session.shutdown_offset = offset;
}

const BrokerSessions::Session* BrokerSessions::find(BrokerId broker) const {
  const auto found = sessions_.find(broker);
  return found == sessions_.end() ? nullptr : &found->second;
}

bool BrokerSessions::is_alive(BrokerId broker, std::int64_t epoch, std::int64_t now_ms) const {
  const Session* session = find(broker);
  return session != nullptr && session->epoch == epoch && session->heard_ms && !session->is_own &&
         now_ms < ends_ms(broker);
}

bool BrokerSessions::may_be_gone(BrokerId broker) const {
  const Session* session = find(broker);
  return session == nullptr || session->is_granted || session->ends_by_ms;
}

std::int64_t BrokerSessions::ends_ms(BrokerId broker) const {
  const Session* session = find(broker);
  if (session == nullptr || !session->heard_ms) return INT64_MAX;
  return std::min(*session->heard_ms + timeout_ms_, session->ends_by_ms.value_or(INT64_MAX));
}

std::vector<BrokerId> BrokerSessions::expired(const MetadataImage& image, std::int64_t now_ms) const {
  std::vector<BrokerId> result;
  for (const auto& [id, broker] : image.cluster->brokers)
    if (!broker.fenced && ends_ms(id) <= now_ms) result.push_back(id);
  return result;
}

std::optional<std::int64_t> BrokerSessions::next_expiry_ms(const MetadataImage& image) const {
  std::int64_t first = INT64_MAX;
  for (const auto& [id, broker] : image.cluster->brokers)
    if (!broker.fenced) first = std::min(first, ends_ms(id));
  return first == INT64_MAX ? std::nullopt : std::optional(first);
}

Offset BrokerSessions::registration_offset(const BrokerRegistration& broker) const {
  const Session* session = find(broker.id);
  if (session != nullptr && session->epoch == broker.epoch && session->registration_offset)
    return *session->registration_offset;
  return Offset(broker.epoch);
}

bool BrokerSessions::may_shut_down(const MetadataImage& image, BrokerId broker) const {
  const Session* session = find(broker);
  if (session == nullptr || !session->shutdown_offset) return true;
  return std::ranges::all_of(image.cluster->brokers, [&](const auto& entry) {
    const auto& [id, other] = entry;
    if (other.fenced || other.in_controlled_shutdown) return true;
    const Session* theirs = find(id);
    return theirs != nullptr && theirs->metadata_offset >= *session->shutdown_offset;
  });
}

}  // namespace barnabas::kraft
