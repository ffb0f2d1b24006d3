#include "broker/net/asio_reactor.hpp"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <atomic>
#include <boost/asio.hpp>
#include <cerrno>
#include <cstring>
#include <map>
#include <thread>

#include "base/check.hpp"
#include "base/logging.hpp"

namespace barnabas::broker {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct AsioReactor::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::atomic<std::thread::id> thread;
  // Timers by deadline; `alarm` is set for the first.
  std::map<std::pair<std::chrono::nanoseconds, TimerId>, Task> timers;
  std::map<TimerId, std::chrono::nanoseconds> deadlines;
  TimerId next_timer = 1;
  asio::steady_timer alarm{context};
  std::chrono::nanoseconds alarm_at = std::chrono::nanoseconds::max();
  std::vector<std::pair<AsioReactor*, asio::io_context*>> pool;
  std::size_t next_in_pool = 0;

  void set_alarm();
  void run_due_timers();
};

namespace {

Error network_error(const char* what, const std::string& detail) {
  return Error{ErrorCode::kNetworkException, std::string(what) + ": " + detail};
}

Endpoint endpoint_of(const tcp::endpoint& endpoint) {
  auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  }
  return {address.to_string(), endpoint.port()};
}

constexpr std::uint64_t kJoinedFileBytes = 16 << 10;

/// A write in progress: what is left of the pieces, in the caller's buffers.
struct PendingWrite {
  std::vector<WritePiece> pieces;
  std::size_t next = 0;
  Connection::WriteHandler handler;
};

class AsioConnection final : public Connection, public std::enable_shared_from_this<AsioConnection> {
 public:
  AsioConnection(AsioReactor& reactor, tcp::socket socket) : reactor_(reactor), socket_(std::move(socket)) {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay(true), ignored);
    auto local_endpoint = socket_.local_endpoint(ignored);
    if (!ignored) local_ = endpoint_of(local_endpoint);
    auto peer_endpoint = socket_.remote_endpoint(ignored);
    if (!ignored) peer_ = endpoint_of(peer_endpoint);
  }

  void read_some(MutableByteView into, ReadHandler handler) override {
    socket_.async_read_some(asio::buffer(into.data(), into.size()),
                            [self = shared_from_this(), handler = std::move(handler)](
                                const error_code& error, std::size_t size) mutable {
                              if (!error) return handler(size);
                              if (error == asio::error::eof) return handler(std::size_t{0});
                              handler(std::unexpected(network_error("read", error.message())));
                            });
  }

  bool write(std::span<const WritePiece> pieces, WriteHandler handler) override {
    CHECK(!writing_, "one write at a time");
    write_.pieces.assign(pieces.begin(), pieces.end());
    write_.next = 0;
    const int failed = drain();
    if (failed == 0) {
      write_.pieces.clear();
      return true;
    }
    writing_ = true;
    write_.handler = std::move(handler);
    if (failed == EAGAIN)
      wait_writable();
    else
      asio::post(socket_.get_executor(), [self = shared_from_this(), failed] { self->finish_write(failed); });
    return false;
  }

  void close() override {
    error_code ignored;
    if (!socket_.is_open()) return;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
  }

  [[nodiscard]] Endpoint local() const override { return local_; }
  [[nodiscard]] Endpoint peer() const override { return peer_; }
  [[nodiscard]] Reactor& reactor() override { return reactor_; }

 private:
  void wait_writable() {
    socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const error_code& error) {
      if (error) return self->finish_write(ECONNABORTED);
      const int failed = self->drain();
      failed == EAGAIN ? self->wait_writable() : self->finish_write(failed);
    });
  }

  void finish_write(int failed) {
    writing_ = false;
    write_.pieces.clear();
    auto handler = std::exchange(write_.handler, nullptr);
    if (failed == 0) return handler({});
    handler(std::unexpected(network_error("write", std::strerror(failed))));
  }

  /// Sends until nothing is left (0), the socket is full (EAGAIN) or broken (errno).
  int drain() {
    while (write_.next < write_.pieces.size()) {
      if (!socket_.is_open()) return ECONNABORTED;
      const int failed = write_.pieces[write_.next].file ? send_file_piece() : send_memory_pieces();
      if (failed != 0) return failed;
    }
    return 0;
  }

  int send_memory_pieces() {
    constexpr std::size_t kMaxPieces = 64;
    iovec vectors[kMaxPieces];
    std::size_t count = 0;
    std::size_t at = write_.next;
    while (at < write_.pieces.size() && count < kMaxPieces && !write_.pieces[at].file) {
      const ByteView bytes = write_.pieces[at++].bytes;
      vectors[count++] = {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
    }
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = count;
    // A small file range that follows goes into the same packet. Before a large one the reader is woken by
    // what is here, and takes the range while it is sent: that costs the sender a third less than to wake it
    // in the middle.
    const bool joins = at < write_.pieces.size() && write_.pieces[at].size < kJoinedFileBytes;
    const int flags = MSG_NOSIGNAL | (joins ? MSG_MORE : 0);
    ssize_t sent = ::sendmsg(socket_.native_handle(), &message, flags);
    if (sent < 0) return errno == EINTR ? 0 : errno == EWOULDBLOCK ? EAGAIN : errno;
    auto left = static_cast<std::size_t>(sent);
    while (write_.next < at && left >= write_.pieces[write_.next].bytes.size()) {
      left -= write_.pieces[write_.next++].bytes.size();
    }
    if (write_.next < at) write_.pieces[write_.next].bytes = write_.pieces[write_.next].bytes.subspan(left);
    return 0;
  }

  int send_file_piece() {
    WritePiece& piece = write_.pieces[write_.next];
    const int descriptor = piece.file->native_handle();
    ssize_t sent = 0;
    if (piece.size > 0 && descriptor >= 0) {
      auto position = static_cast<off_t>(piece.position);
      sent = ::sendfile(socket_.native_handle(), descriptor, &position, piece.size);
    } else if (piece.size > 0) {
      sent = send_copied(piece);
    }
    if (sent < 0) return errno == EINTR ? 0 : errno == EWOULDBLOCK ? EAGAIN : errno;
    if (sent == 0 && piece.size > 0) return EIO;  // the file is shorter than was promised
    piece.position += static_cast<std::uint64_t>(sent);
    piece.size -= static_cast<std::uint64_t>(sent);
    if (piece.size == 0) ++write_.next;
    return 0;
  }

  ssize_t send_copied(const WritePiece& piece) {
    Bytes copy(std::min<std::uint64_t>(piece.size, 64 * 1024));
    auto size = piece.file->read_at(piece.position, copy);
    if (!size || *size == 0) return 0;
    return ::send(socket_.native_handle(), copy.data(), *size, MSG_NOSIGNAL);
  }

  AsioReactor& reactor_;
  tcp::socket socket_;
  Endpoint local_;
  Endpoint peer_;
  PendingWrite write_;
  bool writing_ = false;
};

class AsioListener final : public Listener {
 public:
  AsioListener(AsioReactor& owner, AsioReactor::State& state, tcp::acceptor acceptor,
               Reactor::AcceptHandler handler)
      : shared_(std::make_shared<Shared>(owner, state, std::move(acceptor), std::move(handler))) {
    error_code ignored;
    local_ = endpoint_of(shared_->acceptor.local_endpoint(ignored));
    accept_next(shared_);
  }
  ~AsioListener() override {
    error_code ignored;
    shared_->open = false;
    shared_->acceptor.close(ignored);
  }
  [[nodiscard]] Endpoint local() const override { return local_; }

 private:
  struct Shared {
    Shared(AsioReactor& owner_reactor, AsioReactor::State& reactor_state, tcp::acceptor from,
           Reactor::AcceptHandler accepted)
        : owner(owner_reactor),
          state(reactor_state),
          acceptor(std::move(from)),
          handler(std::move(accepted)),
          retry(acceptor.get_executor()) {}
    AsioReactor& owner;
    AsioReactor::State& state;
    tcp::acceptor acceptor;
    Reactor::AcceptHandler handler;
    asio::steady_timer retry;
    std::atomic<bool> open = true;
  };

  static void accept_next(std::shared_ptr<Shared> shared);

  std::shared_ptr<Shared> shared_;
  Endpoint local_;
};

}  // namespace

void AsioReactor::State::set_alarm() {
  if (timers.empty()) return;
  const auto first = timers.begin()->first.first;
  if (first >= alarm_at) return;
  alarm_at = first;
  alarm.expires_at(std::chrono::steady_clock::time_point(first));
  alarm.async_wait([this](const error_code& error) {
    if (error) return;
    alarm_at = std::chrono::nanoseconds::max();
    run_due_timers();
    set_alarm();
  });
}

void AsioReactor::State::run_due_timers() {
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  while (!timers.empty() && timers.begin()->first.first <= now) {
    auto node = timers.extract(timers.begin());
    deadlines.erase(node.key().second);
    node.mapped()();
  }
}

AsioReactor::AsioReactor() : state_(std::make_unique<State>()) {
  state_->pool = {{this, &state_->context}};
}
AsioReactor::~AsioReactor() = default;

void AsioReactor::share_accepted_with(std::vector<AsioReactor*> pool) {
  state_->pool.clear();
  for (AsioReactor* reactor : pool) state_->pool.emplace_back(reactor, &reactor->state_->context);
}

void AsioReactor::run() {
  state_->thread = std::this_thread::get_id();
  state_->context.run();
  // What waits for a time holds what is destroyed before this reactor.
  state_->deadlines.clear();
  const auto dropped = std::exchange(state_->timers, {});
}

void AsioReactor::stop() {
  state_->context.stop();
}

bool AsioReactor::is_current() const {
  return state_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

void AsioReactor::post(Task task) {
  asio::post(state_->context, std::move(task));
}

TimerId AsioReactor::schedule_at(std::chrono::nanoseconds when, Task task) {
  const TimerId id = state_->next_timer++;
  state_->timers.emplace(std::make_pair(when, id), std::move(task));
  state_->deadlines.emplace(id, when);
  state_->set_alarm();
  return id;
}

bool AsioReactor::cancel(TimerId timer) {
  auto found = state_->deadlines.find(timer);
  if (found == state_->deadlines.end()) return false;
  state_->timers.erase({found->second, timer});
  state_->deadlines.erase(found);
  return true;
}

Result<std::unique_ptr<Listener>> AsioReactor::listen(const Endpoint& endpoint, AcceptHandler handler) {
  try {
    tcp::endpoint address;
    if (endpoint.host.empty()) {
      address = tcp::endpoint(tcp::v6(), endpoint.port);  // every address, of both families
    } else {
      tcp::resolver resolver(state_->context);
      address =
          *resolver.resolve(endpoint.host, std::to_string(endpoint.port), tcp::resolver::passive).begin();
    }
    tcp::acceptor acceptor(state_->context);
    error_code no_ipv6;
    acceptor.open(address.protocol(), no_ipv6);
    if (no_ipv6 && endpoint.host.empty()) {
      address = tcp::endpoint(tcp::v4(), endpoint.port);
      acceptor.open(address.protocol());
    }
    if (address.protocol() == tcp::v6()) acceptor.set_option(asio::ip::v6_only(!endpoint.host.empty()));
    acceptor.set_option(tcp::acceptor::reuse_address(true));
    acceptor.bind(address);
    acceptor.listen(1024);
    return std::make_unique<AsioListener>(*this, *state_, std::move(acceptor), std::move(handler));
  } catch (const boost::system::system_error& error) {
    return fail(ErrorCode::kNetworkException,
                "cannot listen on " + to_string(endpoint) + ": " + error.code().message());
  }
}

void AsioReactor::connect(const Endpoint& endpoint, ConnectHandler handler) {
  struct Attempt {
    explicit Attempt(asio::io_context& context) : resolver(context), socket(context) {}
    tcp::resolver resolver;
    tcp::socket socket;
    ConnectHandler handler;
  };
  auto attempt = std::make_shared<Attempt>(state_->context);
  attempt->handler = std::move(handler);
  attempt->resolver.async_resolve(
      endpoint.host, std::to_string(endpoint.port),
      [this, attempt](const error_code& error, const tcp::resolver::results_type& found) {
        if (error) return attempt->handler(std::unexpected(network_error("resolve", error.message())));
        asio::async_connect(
            attempt->socket, found, [this, attempt](const error_code& failed, const tcp::endpoint&) {
              if (failed)
                return attempt->handler(std::unexpected(network_error(
                    failed == asio::error::connection_refused ? "ECONNREFUSED connect" : "connect",
                    failed.message())));
              attempt->handler(std::make_shared<AsioConnection>(*this, std::move(attempt->socket)));
            });
      });
}

namespace {

void AsioListener::accept_next(std::shared_ptr<Shared> shared) {
  auto& state = shared->state;
  const auto& next = state.pool[state.next_in_pool++ % state.pool.size()];
  AsioReactor* const target = next.first;
  // The socket is made in the target's context; only its first task touches it from there on.
  auto accepted = [shared, target](const error_code& error, tcp::socket socket) mutable {
    if (!shared->open) return;
    if (error) {
      // Out of descriptors, mostly: the backlog waits until some are free again.
      log_warn("kafka.network.SocketServer", "cannot accept a connection: {}; trying again in 100 ms",
               error.message());
      shared->retry.expires_after(std::chrono::milliseconds(100));
      return shared->retry.async_wait([shared](const error_code& cancelled) {
        if (!cancelled && shared->open) accept_next(shared);
      });
    }
    auto connection = std::make_shared<AsioConnection>(*target, std::move(socket));
    target->post([shared, connection = std::move(connection)]() mutable {
      if (shared->open) shared->handler(std::move(connection));
    });
    accept_next(std::move(shared));
  };
  shared->acceptor.async_accept(*next.second, std::move(accepted));
}

}  // namespace

}  // namespace barnabas::broker
