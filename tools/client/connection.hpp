// Connection: one blocking TCP connection to a broker, with the versions that both sides speak.
//
// Owned by Cluster, or by whoever talks to one broker (producer, fetcher). Thread safety: none; different
// connections are independent.
// Invariants
//  1. Answers come in the order of the requests: send() may be called several times before receive().
//  2. After an error the connection is closed; every later call fails.
// Units: deadlines are points of the steady clock. Errors: NETWORK_EXCEPTION when it breaks,
// REQUEST_TIMED_OUT at the deadline, UNSUPPORTED_VERSION when the broker has no version of the request that
// we can write; the detail is a sentence for the user. Source: KIP-35, KIP-511.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"
#include "tools/client/address.hpp"
#include "tools/client/client_config.hpp"

namespace barnabas::tools {

using Deadline = std::chrono::steady_clock::time_point;
[[nodiscard]] inline Deadline now() {
  return std::chrono::steady_clock::now();
}
[[nodiscard]] inline Deadline deadline_after(std::chrono::milliseconds time) {
  return std::chrono::steady_clock::now() + time;
}

struct VersionRange {
  std::int16_t min = 0;
  std::int16_t max = -1;
};

/// The bootstrap addresses whose names are known; a warning tells of the others. INVALID_CONFIG if there is
/// none.
Result<std::vector<Address>> resolvable_addresses(std::string_view bootstrap);

/// An answer with the bytes that its views (records, bytes) point into.
template <class Response>
struct Answer {
  Bytes frame;
  std::int16_t version = 0;  // of the API
  Response body;
  const Response* operator->() const { return &body; }
  Response* operator->() { return &body; }
};

class Connection {
 public:
  /// Connects and asks for the versions.
  static Result<Connection> open(const Address& address, const ClientConfig& config, Deadline deadline);
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;
  ~Connection();

  [[nodiscard]] const Address& address() const { return address_; }
  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  void close();

  /// What the broker said of an API; nothing if it does not have it.
  [[nodiscard]] std::optional<VersionRange> broker_versions(std::int16_t api_key) const;
  /// The highest version of Request that both sides have, at most `most`.
  template <class Request>
  [[nodiscard]] std::optional<std::int16_t> version_of(std::int16_t most = Request::kMaxVersion) const {
    return common_version(Request::kApiKey, {Request::kMinVersion, std::min(most, Request::kMaxVersion)});
  }

  /// One request, one answer. Requires that nothing is in flight.
  template <class Response, class Request>
  Result<Answer<Response>> call(const Request& request, Deadline deadline,
                                std::int16_t most = Request::kMaxVersion) {
    static_assert(Response::kApiKey == Request::kApiKey);
    TRY(send(request, deadline, most));
    return receive<Response>(deadline);
  }

  /// Writes a request; its answer is fetched by receive<Response>() in the same order.
  template <class Request>
  Result<void> send(const Request& request, Deadline deadline, std::int16_t most = Request::kMaxVersion) {
    const auto version = version_of<Request>(most);
    if (!version) return unsupported(Request::kApiKey);
    protocol::Writer writer = begin_frame(Request::kApiKey, *version, request.size(*version));
    request.write(writer, *version);
    return send_frame(std::move(writer), Request::kApiKey, *version, deadline);
  }
  /// Sends a request that has no answer (acks=0).
  template <class Request>
  Result<void> send_only(const Request& request, Deadline deadline) {
    TRY(send(request, deadline));
    in_flight_.pop_back();
    return {};
  }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_.size(); }
  /// True when bytes of an answer are there, or the connection broke: receive() will not wait long.
  [[nodiscard]] bool readable(std::chrono::milliseconds wait);
  [[nodiscard]] int descriptor() const { return descriptor_; }

  template <class Response>
  Result<Answer<Response>> receive(Deadline deadline) {
    Answer<Response> answer;
    answer.frame = TRY(receive_frame(deadline, answer.version));
    protocol::Reader reader = TRY(body_of(answer.frame, Response::kApiKey, answer.version));
    answer.body.read(reader, answer.version);
    if (!reader.ok()) return malformed(reader.failure());
    return answer;
  }

 private:
  struct InFlight {
    std::int32_t correlation_id;
    std::int16_t api_key;
    std::int16_t version;
  };

  Connection(Address address, std::string client_id)
      : address_(std::move(address)), client_id_(std::move(client_id)) {}
  Result<void> connect(std::chrono::milliseconds setup_timeout, Deadline deadline);
  Result<void> learn_versions(Deadline deadline);
  Result<void> write(ByteView bytes, Deadline deadline);
  Result<void> read(MutableByteView to, Deadline deadline);
  [[nodiscard]] std::optional<std::int16_t> common_version(std::int16_t api_key, VersionRange ours) const;
  protocol::Writer begin_frame(std::int16_t api_key, std::int16_t version, std::size_t body_size);
  Result<void> send_frame(protocol::Writer writer, std::int16_t api_key, std::int16_t version,
                          Deadline deadline);
  Result<Bytes> receive_frame(Deadline deadline, std::int16_t& version);
  Result<protocol::Reader> body_of(const Bytes& frame, std::int16_t api_key, std::int16_t version);
  std::unexpected<Error> unsupported(std::int16_t api_key) const;
  std::unexpected<Error> malformed(const char* failure);
  std::unexpected<Error> broken(const std::string& what);
  std::unexpected<Error> timed_out();

  Address address_;
  std::string client_id_;
  int descriptor_ = -1;
  std::int32_t next_correlation_id_ = 0;
  std::deque<InFlight> in_flight_;
  std::vector<std::pair<std::int16_t, VersionRange>> versions_;
};

}  // namespace barnabas::tools
