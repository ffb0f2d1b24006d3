// The mode null: the least a broker can do with a produce and with a fetch, which is the floor under every
// figure. A thread a connection, blocking calls, nothing checked.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"
#include "protocol/reader.hpp"
#include "protocol/record_batch.hpp"
#include "protocol/writer.hpp"

namespace barnabas::wirebench {
namespace {

using protocol::Reader;
using protocol::Writer;

constexpr bool kCompact = false;

/// One client's connection; its produced records go to the end of the one file, its fetches read all of it.
class NullConnection {
 public:
  NullConnection(int socket, int file) : socket_(socket), file_(file) {}
  ~NullConnection() { close(socket_); }
  NullConnection(const NullConnection&) = delete;
  NullConnection& operator=(const NullConnection&) = delete;

  void serve() {
    while (serve_request()) {
    }
  }

 private:
  bool serve_request() {
    std::array<std::uint8_t, 4> prefix;
    if (!read_exactly(socket_, prefix)) return false;
    const auto size = protocol::load_big_endian<std::uint32_t>(prefix.data());
    if (buffer_.size() < size) buffer_.resize(size);
    const MutableByteView frame(buffer_.data(), size);
    if (!read_exactly(socket_, frame)) return false;
    Reader request(frame);
    const std::int16_t key = request.int16();
    request.int16();
    const std::int32_t correlation_id = request.int32();
    request.string(kCompact);
    if (key == kProduceKey) return produce(request, correlation_id);
    if (key == kFetchKey) return fetch(request, correlation_id);
    return false;
  }

  bool produce(Reader& request, std::int32_t correlation_id) {
    request.nullable_string(kCompact);
    request.int16();
    request.int32();
    request.int32();
    const std::string topic = request.string(kCompact);
    request.int32();
    const std::int32_t partition = request.int32();
    const ByteView records = request.bytes(kCompact);
    if (!request.ok()) return false;
    if (::write(file_, records.data(), records.size()) != static_cast<ssize_t>(records.size())) return false;
    Writer answer = begin_answer(correlation_id);
    answer.int32(1);
    answer.string(topic, kCompact);
    answer.int32(1);
    answer.int32(partition);
    answer.int16(0);
    answer.int64(0);
    answer.int64(-1);
    answer.int64(0);
    answer.int32(0);
    answer.null_string(kCompact);
    answer.int32(0);
    return send(answer, 0);
  }

  bool fetch(Reader& request, std::int32_t correlation_id) {
    request.skip(3 * sizeof(std::int32_t));
    const std::int32_t max_bytes = request.int32();
    request.skip(1 + 3 * sizeof(std::int32_t));
    const std::string topic = request.string(kCompact);
    struct stat status{};
    if (!request.ok() || max_bytes < 0 || fstat(file_, &status) != 0) return false;
    if (position_ + max_bytes > status.st_size) position_ = 0;
    const auto size = static_cast<std::int32_t>(std::min<std::int64_t>(max_bytes, status.st_size));
    Writer answer = begin_answer(correlation_id);
    answer.int32(0);
    answer.int16(0);
    answer.int32(0);
    answer.int32(1);
    answer.string(topic, kCompact);
    answer.int32(1);
    answer.int32(0);
    answer.int16(0);
    answer.int64(0);
    answer.int64(0);
    answer.int64(0);
    answer.int32(0);
    answer.int32(-1);
    answer.int32(size);
    if (!send(answer, size)) return false;
    for (const off_t end = position_ + size; position_ < end;) {
      if (sendfile(socket_, file_, &position_, static_cast<std::size_t>(end - position_)) <= 0) return false;
    }
    return true;
  }

  static Writer begin_answer(std::int32_t correlation_id) {
    Writer answer;
    answer.int32(0);
    answer.int32(correlation_id);
    return answer;
  }
  /// `behind`: bytes of the same frame that follow from elsewhere.
  bool send(Writer& answer, std::int32_t behind) const {
    answer.patch_int32(0, static_cast<std::int32_t>(answer.size()) - 4 + behind);
    return write_exactly(socket_, answer.buffer());
  }

  int socket_;
  int file_;
  off_t position_ = 0;  // of the next fetch
  Bytes buffer_;
};

int listen_on(const std::string& address) {
  const sockaddr_in at = socket_address(address);
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 || listen(listener, 128) != 0) {
    throw std::runtime_error(fmt::format("cannot listen on {}: {}", address, std::strerror(errno)));
  }
  return listener;
}

}  // namespace

int run_null_server(const Options& options) {
  const std::string path = options.directory + "/null";
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) throw std::runtime_error(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  const int listener = listen_on(options.address);
  for (;;) {
    const int socket = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return 1;
    send_without_delay(socket);
    std::thread([socket, file] { NullConnection(socket, file).serve(); }).detach();
  }
}

}  // namespace barnabas::wirebench
