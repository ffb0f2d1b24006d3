// The way of a client's admin request to an active controller that is another node: in an envelope, with who
// asks and from where (KIP-590). The other end is 58_envelope.cpp.
//
// Thread safety: callable from any thread; answers go out on the channel's reactor. Errors as Kafka 4.3.1's
// brokers give them: REQUEST_TIMED_OUT in the request's own form when no controller answered within a minute,
// UNKNOWN_SERVER_ERROR when it refused the envelope, an end of the connection when it does not have the
// request's version.
#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "broker/api/controller_request.hpp"
#include "broker/api/request_context.hpp"
#include "broker/api/services.hpp"
#include "broker/drivers/controller_channel.hpp"
#include "kraft/controller/refusal.hpp"
#include "protocol/headers.hpp"
#include "protocol/message_codec.hpp"
#include "protocol/reader.hpp"

namespace barnabas::broker {

inline constexpr std::chrono::seconds kForwardTimeout{60};

/// What is the same for every API that a broker may send on.
struct ForwardableApi {
  std::int16_t key;
  /// A broker's listener sends it on as it came. The others are looked at first by their handlers.
  bool as_it_came;
  /// The response to the request behind `body` when the controller did not answer it.
  EncodedResponse (*refuse)(const RequestContext& context, protocol::Reader& body, ErrorCode error);
  /// Whether a response says that its node is not the active controller.
  bool (*tells_not_controller)(protocol::Reader& body, std::int16_t version);
};
/// Null when it may not be forwarded.
[[nodiscard]] const ForwardableApi* find_forwardable(std::int16_t key);

/// Whether this request of a client is to be answered by another node.
[[nodiscard]] bool is_to_be_forwarded(Services& services, const RequestContext& context);
/// Sends the whole request (header and body, kept by context.frame) on as it came.
void forward(Services& services, const RequestContext& context, ByteView request, ResponseSink sink);

/// The client's principal, as Kafka's DefaultKafkaPrincipalBuilder writes it, and its address.
[[nodiscard]] Bytes serialize_principal(const Principal& principal);
/// PRINCIPAL_DESERIALIZATION_FAILURE when it is none.
Result<Principal> parse_principal(ByteView bytes);
[[nodiscard]] Bytes serialize_address(const std::string& host);
/// INVALID_REQUEST when it is neither an IPv4 nor an IPv6 address.
Result<std::string> parse_address(ByteView bytes);

[[nodiscard]] ForwardedRequest make_forwarded(const RequestContext& context, Bytes request);

/// As ask_controller(), also when the active controller is another node: it is asked in the client's name.
template <class Response, class Request, class Answer>
void ask_controller_for(Services& services, const RequestContext& context, std::int16_t version,
                        Request request, Answer answer) {
  if (services.to_controller.is_local())
    return ask_controller(services, std::move(request), std::move(answer));
  protocol::Writer writer;
  protocol::write_request_header(writer, {.api_key = Request::kApiKey,
                                          .api_version = version,
                                          .correlation_id = context.correlation_id,
                                          .client_id = context.client_id,
                                          .header_version = 0});
  request.write(writer, version);
  auto held = std::make_shared<std::pair<Request, Answer>>(std::move(request), std::move(answer));
  auto if_local = [&services, held] {
    ask_controller(services, std::move(held->first), std::move(held->second));
  };
  auto on_answer = [held, version](Result<Bytes> told) {
    if (!told) {
      const bool late = told.error().code == ErrorCode::kRequestTimedOut;
      return held->second(
          kraft::refuse(held->first, late ? ErrorCode::kRequestTimedOut : ErrorCode::kUnknownServerError));
    }
    protocol::Reader reader(*told);
    reader.skip(4);
    if (protocol::response_header_version(Request::kApiKey, version) > 0)
      protocol::skip_tagged_fields(reader);
    Response response;
    response.read(reader, version);
    if (!reader.ok()) return held->second(kraft::refuse(held->first, ErrorCode::kUnknownServerError));
    held->second(std::move(response));
  };
  services.to_controller.forward(make_forwarded(context, writer.take()), kForwardTimeout, std::move(if_local),
                                 std::move(on_answer));
}

}  // namespace barnabas::broker
