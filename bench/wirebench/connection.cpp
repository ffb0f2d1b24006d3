#include "bench/wirebench/connection.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "bench/wirebench/requests.hpp"
#include "protocol/record_batch.hpp"

namespace barnabas::wirebench {

sockaddr_in socket_address(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("not host:port: " + address);
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &out.sin_addr) != 1) {
    throw std::runtime_error("not an IPv4 address: " + address);
  }
  return out;
}

void send_without_delay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool read_exactly(int socket, MutableByteView into) {
  while (!into.empty()) {
    const ssize_t count = ::read(socket, into.data(), into.size());
    if (count <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

bool write_exactly(int socket, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return true;
}

Connection::Connection(const std::string& address) {
  const sockaddr_in to = socket_address(address);
  socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  send_without_delay(socket_);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    close(socket_);
    throw std::runtime_error("cannot connect to " + address);
  }
}

Connection::~Connection() {
  close(socket_);
}

void Connection::send(ByteView frame) {
  if (!write_exactly(socket_, frame)) throw std::runtime_error("connection lost while writing");
}

protocol::Reader Connection::receive() {
  std::array<std::uint8_t, 4> prefix;
  if (!read_exactly(socket_, prefix)) throw std::runtime_error("connection lost while reading");
  const auto size = protocol::load_big_endian<std::uint32_t>(prefix.data());
  if (answer_.size() < size) answer_.resize(size);
  const MutableByteView into(answer_.data(), size);
  if (!read_exactly(socket_, into)) throw std::runtime_error("connection lost while reading");
  protocol::Reader answer(into);
  answer.int32();
  return answer;
}

protocol::Reader Connection::call(int api_key, ByteView body) {
  send(frame(api_key, ++correlation_id_, body));
  return receive();
}

}  // namespace barnabas::wirebench
