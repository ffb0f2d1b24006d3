#include "tools/client/connection.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "protocol/api_keys.hpp"
#include "protocol/headers.hpp"
#include "protocol/messages/api_api_versions.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr std::int16_t kApiVersionsKey = protocol::ApiVersionsRequest::kApiKey;
/// Memory for an answer is taken in pieces of this size, as its bytes arrive.
constexpr std::size_t kReceivePieceBytes = std::size_t{1} << 20;
constexpr std::int32_t kMaxFrameBytes = std::int32_t{1} << 30;

/// For poll(): at least 0, rounded up so that a wait never ends before the deadline.
int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, INT32_MAX));
}

/// 1: ready, or broken, which the next call on the socket tells. 0: the deadline has passed.
int wait_for(int descriptor, short events, Deadline deadline) {
  pollfd waiting{descriptor, events, 0};
  for (;;) {
    const int ready = ::poll(&waiting, 1, milliseconds_until(deadline));
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

Result<AddressList> resolve(const Address& address) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failure =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list);
  if (failure != 0) {
    return fail(ErrorCode::kNetworkException,
                fmt::format("Couldn't resolve server {}: {}", to_string(address), ::gai_strerror(failure)));
  }
  return AddressList(list);
}

/// A connected socket; -1 with errno set otherwise.
int connect_to(const addrinfo& target, Deadline deadline) {
  const int descriptor = ::socket(target.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  int error = ::connect(descriptor, target.ai_addr, target.ai_addrlen) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    if (wait_for(descriptor, POLLOUT, deadline) > 0) {
      socklen_t size = sizeof error;
      ::getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    } else {
      error = ETIMEDOUT;
    }
  }
  if (error == 0) {
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
  }
  ::close(descriptor);
  errno = error;
  return -1;
}

/// "LIST_TRANSACTIONS": as Kafka's clients call the API.
std::string upper_case_name(std::int16_t api_key) {
  const protocol::ApiInfo* api = protocol::find_api(api_key);
  if (api == nullptr) return std::to_string(api_key);
  std::string name;
  for (const char letter : std::string_view(api->name)) {
    const bool is_upper = letter >= 'A' && letter <= 'Z';
    if (is_upper && !name.empty()) name += '_';
    name += is_upper ? letter : static_cast<char>(letter - 'a' + 'A');
  }
  return name;
}

}  // namespace

Result<std::vector<Address>> resolvable_addresses(std::string_view bootstrap) {
  std::vector<Address> known;
  for (Address& address : TRY(parse_bootstrap(bootstrap))) {
    if (resolve(address)) {
      known.push_back(std::move(address));
    } else {
      tool_warn("org.apache.kafka.clients.ClientUtils",
                "Couldn't resolve server {} from bootstrap.servers as DNS resolution failed for {}",
                to_string(address), address.host);
    }
  }
  if (!known.empty()) return known;
  return fail(ErrorCode::kInvalidConfig, "No resolvable bootstrap urls given in bootstrap.servers");
}

Result<Connection> Connection::open(const Address& address, const ClientConfig& config, Deadline deadline) {
  Connection connection(address, config.client_id);
  TRY(connection.connect(config.connection_setup_timeout, deadline));
  TRY(connection.learn_versions(deadline));
  return connection;
}

Connection::Connection(Connection&& other) noexcept
    : address_(std::move(other.address_)),
      client_id_(std::move(other.client_id_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      next_correlation_id_(other.next_correlation_id_),
      in_flight_(std::move(other.in_flight_)),
      versions_(std::move(other.versions_)) {}

Connection& Connection::operator=(Connection&& other) noexcept {
  if (this == &other) return *this;
  close();
  address_ = std::move(other.address_);
  client_id_ = std::move(other.client_id_);
  descriptor_ = std::exchange(other.descriptor_, -1);
  next_correlation_id_ = other.next_correlation_id_;
  in_flight_ = std::move(other.in_flight_);
  versions_ = std::move(other.versions_);
  return *this;
}

Connection::~Connection() {
  close();
}

void Connection::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  in_flight_.clear();
}

Result<void> Connection::connect(std::chrono::milliseconds setup_timeout, Deadline deadline) {
  const AddressList list = TRY(resolve(address_));
  int error = 0;
  for (const addrinfo* target = list.get(); target != nullptr; target = target->ai_next) {
    descriptor_ = connect_to(*target, std::min(deadline, deadline_after(setup_timeout)));
    if (descriptor_ >= 0) return {};
    error = errno;
  }
  return fail(ErrorCode::kNetworkException, fmt::format("Connection to {} could not be established: {}",
                                                        to_string(address_), std::strerror(error)));
}

/// Asks with our newest version, then with one that the broker has.
Result<void> Connection::learn_versions(Deadline deadline) {
  protocol::ApiVersionsRequest request;
  request.client_software_name = "barnabas-tools";
  request.client_software_version = "0.1.0";
  VersionRange ours{request.kMinVersion, request.kMaxVersion};
  for (;;) {
    versions_ = {{kApiVersionsKey, ours}};
    TRY(send(request, deadline));
    std::int16_t version = 0;
    const Bytes frame = TRY(receive_frame(deadline, version));
    protocol::Reader reader = TRY(body_of(frame, kApiVersionsKey, version));
    protocol::Reader error_reader = reader;
    const auto error = static_cast<ErrorCode>(error_reader.int16());
    // A broker that does not have the version answers in version 0 (KIP-511).
    const bool refused = error == ErrorCode::kUnsupportedVersion;
    protocol::ApiVersionsResponse answer;
    answer.read(reader, refused ? std::int16_t{0} : version);
    if (!reader.ok()) return malformed(reader.failure());
    if (error != ErrorCode::kNone && !refused) return broken("the broker refuses to tell its API versions");
    versions_.clear();
    for (const auto& api : answer.api_keys) {
      versions_.emplace_back(api.api_key, VersionRange{api.min_version, api.max_version});
    }
    if (!refused) return {};
    if (version == 0) return broken("the broker has no version of ApiVersions that is known here");
    const auto theirs = broker_versions(kApiVersionsKey);
    const int next = theirs ? std::min<int>(version - 1, theirs->max) : 0;
    ours = {0, static_cast<std::int16_t>(next)};
  }
}

std::optional<VersionRange> Connection::broker_versions(std::int16_t api_key) const {
  for (const auto& [key, range] : versions_) {
    if (key == api_key) return range;
  }
  return std::nullopt;
}

std::optional<std::int16_t> Connection::common_version(std::int16_t api_key, VersionRange ours) const {
  const auto theirs = broker_versions(api_key);
  if (!theirs) return std::nullopt;
  const std::int16_t highest = std::min(ours.max, theirs->max);
  return highest < std::max(ours.min, theirs->min) ? std::nullopt : std::optional(highest);
}

protocol::Writer Connection::begin_frame(std::int16_t api_key, std::int16_t version, std::size_t body_size) {
  constexpr std::size_t kFixedHeaderBytes = 4 + 2 + 2 + 4 + 2 + 1;
  protocol::Writer writer(kFixedHeaderBytes + client_id_.size() + body_size);
  writer.int32(0);  // the size, put in when it is known
  protocol::write_request_header(writer, {.api_key = api_key,
                                          .api_version = version,
                                          .correlation_id = next_correlation_id_,
                                          .client_id = client_id_});
  return writer;
}

Result<void> Connection::send_frame(protocol::Writer writer, std::int16_t api_key, std::int16_t version,
                                    Deadline deadline) {
  // The broker is too old for something that was asked for. The connection is as it was.
  if (!writer.ok()) return fail(ErrorCode::kUnsupportedVersion, writer.failure());
  writer.patch_int32(0, static_cast<std::int32_t>(writer.size() - 4));
  TRY(write(writer.buffer(), deadline));
  in_flight_.push_back({next_correlation_id_++, api_key, version});
  return {};
}

Result<void> Connection::write(ByteView bytes, Deadline deadline) {
  if (descriptor_ < 0) return broken("it is closed");
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      if (wait_for(descriptor_, POLLOUT, deadline) == 0) return timed_out();
    } else if (errno != EINTR) {
      return broken(std::strerror(errno));
    }
  }
  return {};
}

Result<void> Connection::read(MutableByteView to, Deadline deadline) {
  if (descriptor_ < 0) return broken("it is closed");
  while (!to.empty()) {
    const ssize_t got = ::recv(descriptor_, to.data(), to.size(), 0);
    if (got > 0) {
      to = to.subspan(static_cast<std::size_t>(got));
    } else if (got == 0) {
      return broken("the broker closed it");
    } else if (errno == EAGAIN) {
      if (wait_for(descriptor_, POLLIN, deadline) == 0) return timed_out();
    } else if (errno != EINTR) {
      return broken(std::strerror(errno));
    }
  }
  return {};
}

bool Connection::readable(std::chrono::milliseconds wait) {
  return descriptor_ < 0 || wait_for(descriptor_, POLLIN, deadline_after(wait)) != 0;
}

/// The next answer's frame without its size.
Result<Bytes> Connection::receive_frame(Deadline deadline, std::int16_t& version) {
  if (in_flight_.empty()) return broken("it is closed");
  version = in_flight_.front().version;
  std::uint8_t prefix[4];
  TRY(read(prefix, deadline));
  const std::int32_t size = protocol::Reader(prefix).int32();
  if (size < 0 || size > kMaxFrameBytes) return malformed("a frame of an impossible size");
  const auto wanted = static_cast<std::size_t>(size);
  Bytes frame;
  while (frame.size() < wanted) {
    const std::size_t from = frame.size();
    frame.resize(from + std::min(wanted - from, std::max(from, kReceivePieceBytes)));
    TRY(read(MutableByteView(frame).subspan(from), deadline));
  }
  return frame;
}

/// Checks and passes over the header.
Result<protocol::Reader> Connection::body_of(const Bytes& frame, std::int16_t api_key, std::int16_t version) {
  if (in_flight_.front().api_key != api_key) return malformed("an answer to another request");
  protocol::Reader reader(frame);
  const std::int32_t correlation_id = reader.int32();
  if (protocol::response_header_version(api_key, version) > 0) {
    for (std::uint32_t fields = reader.uvarint(); fields > 0 && reader.ok(); --fields) {
      (void)reader.uvarint();
      reader.skip(reader.uvarint());
    }
  }
  if (!reader.ok()) return malformed(reader.failure());
  if (correlation_id != in_flight_.front().correlation_id) return malformed("an answer to another request");
  in_flight_.pop_front();
  return reader;
}

std::unexpected<Error> Connection::unsupported(std::int16_t api_key) const {
  if (descriptor_ < 0) {
    return fail(ErrorCode::kNetworkException, fmt::format("Connection to {} is closed", to_string(address_)));
  }
  return fail(ErrorCode::kUnsupportedVersion,
              fmt::format("The node does not support {}", upper_case_name(api_key)));
}

std::unexpected<Error> Connection::malformed(const char* failure) {
  return broken(fmt::format("its answer cannot be read, {}", failure));
}

std::unexpected<Error> Connection::broken(const std::string& what) {
  close();
  return fail(ErrorCode::kNetworkException,
              fmt::format("Connection to {} is lost: {}", to_string(address_), what));
}

std::unexpected<Error> Connection::timed_out() {
  close();
  return fail(ErrorCode::kRequestTimedOut, fmt::format("{} did not answer in time", to_string(address_)));
}

}  // namespace barnabas::tools
