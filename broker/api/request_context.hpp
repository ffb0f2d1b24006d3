// What a handler gets beside its decoded request, and what it gives back.
//
// A handler never blocks: it answers within the call, or keeps the Reply and answers later from any thread.
// Owned by value; cheap to move.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "base/logging.hpp"
#include "base/network.hpp"
#include "broker/security/authorizer.hpp"
#include "log/partition_log.hpp"
#include "protocol/writer.hpp"

namespace barnabas::broker {

/// What of a connection the handlers may know. Lives as long as the connection; one thread (its reactor's).
struct ClientConnection {
  std::uint64_t id = 0;
  std::string listener;              // name of the listener it came in by
  bool privileged_listener = false;  // the inter-broker listener or the controller's
  bool controller_listener = false;  // other APIs are served there: api_table.hpp, is_served_on()
  Endpoint local;
  Endpoint peer;
  std::string software_name = "unknown";  // from ApiVersions v3+
  std::string software_version = "unknown";
  Principal principal;
  /// Destroyed with the connection: whoever must know of its end leaves something here.
  std::shared_ptr<void> at_end;
  /// Set by a handler during its call: the next request is not looked at before this one is answered, though
  /// its row is pipelined.
  bool holds_requests = false;
};

struct RequestContext {
  std::int16_t api_key = 0;
  std::int16_t api_version = 0;
  std::int32_t correlation_id = 0;
  std::optional<std::string> client_id;
  std::shared_ptr<ClientConnection> connection;
  Reactor* reactor = nullptr;  // of the connection; outlives every request
  /// Keeps the request's bytes: hold it as long as views into the request are used after the handler
  /// returned.
  std::shared_ptr<void> frame;
};

/// A response as bytes of one frame (size and header included), and the file ranges that fill its gaps in
/// order.
struct EncodedResponse {
  Bytes bytes;
  std::vector<protocol::Writer::Gap> gaps;
  std::vector<log::FileSlice> files;  // a gap may be filled by several: Gap::id is the index of its first
  enum class Kind {
    kSend,
    kNothing,
    kClose
  } kind = Kind::kSend;  // kNothing: acks=0; kClose: end the connection
};

/// The untyped way back to the connection. Called once, from any thread.
using ResponseSink = std::move_only_function<void(EncodedResponse)>;

/// The typed way back. Move-only; send() exactly once. Dropped unsent, it closes the connection.
template <class Response>
class Reply;

/// Frame with size, response header and body of one API version.
template <class Response>
EncodedResponse encode_response(const Response& response, std::int16_t api_version,
                                std::int32_t correlation_id, std::int16_t header_version) {
  protocol::Writer writer(4 + 4 + 1 + response.size(api_version));
  writer.int32(0);
  writer.int32(correlation_id);
  if (header_version >= 1) writer.uvarint(0);
  response.write(writer, api_version);
  writer.patch_int32(0, static_cast<std::int32_t>(writer.size() - 4));
  EncodedResponse encoded;
  encoded.gaps = writer.gaps();
  if (!writer.ok()) {
    log_error("kafka.server.KafkaApis", "a {} of version {} cannot be written: {}", Response::kName,
              api_version, writer.failure());
    encoded.kind = EncodedResponse::Kind::kClose;
  }
  encoded.bytes = writer.take();
  return encoded;
}

template <class Response>
class Reply {
 public:
  Reply(ResponseSink sink, std::int16_t api_version, std::int32_t correlation_id, std::int16_t header_version)
      : sink_(std::move(sink)),
        correlation_id_(correlation_id),
        api_version_(api_version),
        header_version_(header_version) {}
  Reply(Reply&& other) noexcept
      : sink_(std::exchange(other.sink_, nullptr)),
        correlation_id_(other.correlation_id_),
        api_version_(other.api_version_),
        header_version_(other.header_version_) {}
  Reply& operator=(Reply&& other) noexcept {
    if (this != &other) {
      abandon();
      sink_ = std::exchange(other.sink_, nullptr);
      correlation_id_ = other.correlation_id_;
      api_version_ = other.api_version_;
      header_version_ = other.header_version_;
    }
    return *this;
  }
  ~Reply() { abandon(); }

  void send(const Response& response) {
    deliver(encode_response(response, api_version_, correlation_id_, header_version_));
  }
  /// With file ranges for the response's external records.
  void send(const Response& response, std::vector<log::FileSlice> files) {
    EncodedResponse encoded = encode_response(response, api_version_, correlation_id_, header_version_);
    encoded.files = std::move(files);
    deliver(std::move(encoded));
  }
  void send_nothing() { deliver_kind(EncodedResponse::Kind::kNothing); }
  void close_connection() { deliver_kind(EncodedResponse::Kind::kClose); }

 private:
  void deliver(EncodedResponse encoded) { std::exchange(sink_, nullptr)(std::move(encoded)); }
  void deliver_kind(EncodedResponse::Kind kind) {
    EncodedResponse encoded;
    encoded.kind = kind;
    deliver(std::move(encoded));
  }
  void abandon() {
    if (sink_) deliver_kind(EncodedResponse::Kind::kClose);
  }

  ResponseSink sink_;
  std::int32_t correlation_id_;
  std::int16_t api_version_;
  std::int16_t header_version_;
};

}  // namespace barnabas::broker
