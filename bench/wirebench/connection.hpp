// Connection: a blocking TCP connection to a broker.
//
// Owned by one thread; not thread-safe. The Reader of an answer is valid until the next answer is received.
// Errors: std::runtime_error when the connection cannot be made or is lost.
#pragma once

#include <netinet/in.h>

#include <string>

#include "base/bytes.hpp"
#include "protocol/reader.hpp"

namespace barnabas::wirebench {

/// Of "127.0.0.1:9092".
[[nodiscard]] sockaddr_in socket_address(const std::string& address);
/// Answers leave at once, however small.
void send_without_delay(int socket);
/// False at the end of the stream and on errors.
[[nodiscard]] bool read_exactly(int socket, MutableByteView into);
[[nodiscard]] bool write_exactly(int socket, ByteView bytes);

class Connection {
 public:
  explicit Connection(const std::string& address);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void send(ByteView frame);
  /// What follows the correlation id.
  [[nodiscard]] protocol::Reader receive();
  [[nodiscard]] protocol::Reader call(int api_key, ByteView body);

 private:
  int socket_;
  std::int32_t correlation_id_ = 0;
  Bytes answer_;
};

}  // namespace barnabas::wirebench
