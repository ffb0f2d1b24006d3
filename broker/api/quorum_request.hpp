// The way of a request that replicas of the metadata log send each other: to the metadata node, and its
// answer back, later and from the driver's thread. Thread safety: callable from any thread.
#pragma once

#include <utility>

#include "broker/api/authorization.hpp"
#include "broker/api/services.hpp"
#include "broker/drivers/metadata_cache.hpp"
#include "broker/drivers/metadata_driver.hpp"
#include "kraft/metadata_node.hpp"
#include "kraft/raft/wire.hpp"

namespace barnabas::broker {

/// Which replica asks, as far as the request says it.
template <class Message>
BrokerId asking_replica(const Message& message) {
  if constexpr (requires { message.candidate; })
    return message.candidate.id;
  else if constexpr (requires { message.replica; })
    return message.replica.id;
  else if constexpr (requires { message.leader; })
    return message.leader;
  else
    return kNoBroker;
}

/// `answer(reply, QuorumAnswer)` runs with raft's answer. Who may not act on the cluster is refused, and so
/// is what wire.hpp does not take.
template <class Request, class Response, class Answer>
void ask_quorum(Services& services, const RequestContext& context, const Request& request,
                Reply<Response> reply, Operation operation, Answer answer) {
  if (!allowed_on_cluster(services, context, operation))
    return reply.send(
        kraft::refuse<Response>({ErrorCode::kClusterAuthorizationFailed, "Cluster authorization failed."}));
  kraft::WireContext wire;
  wire.cluster_id = services.metadata.cluster_id();
  auto message = kraft::from_wire(request, wire);
  if (!message) return reply.send(kraft::refuse<Response>(message.error()));
  std::int32_t max_bytes = 0;
  if constexpr (requires { request.max_bytes; }) max_bytes = request.max_bytes;
  services.controller.submit([message = *std::move(message), max_bytes, reply = std::move(reply),
                              answer = std::move(answer)](kraft::MetadataNode& node, std::int64_t) mutable {
    const BrokerId from = asking_replica(message);
    node.receive(from, kraft::RaftMessage(std::move(message)), max_bytes,
                 [reply = std::move(reply), answer = std::move(answer)](kraft::QuorumAnswer given) mutable {
                   answer(reply, std::move(given));
                 });
  });
}

/// Sends raft's answer of type `Message` at the request's version.
template <class Message>
auto as_answer(std::int16_t version) {
  return [version](auto& reply, const kraft::QuorumAnswer& given) {
    reply.send(kraft::to_wire(std::get<Message>(given.message), version));
  };
}

}  // namespace barnabas::broker
