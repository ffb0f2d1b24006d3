#include "broker/http/http_server.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <thread>

namespace barnabas::broker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

constexpr std::size_t kMaxBodyBytes = 65536;
constexpr std::chrono::seconds kPatience{5};

/// One connection: a request, its answer, the next request. Kept alive by its pending operation.
class HttpSession : public std::enable_shared_from_this<HttpSession> {
 public:
  HttpSession(tcp::socket socket, const HttpServer::Handler& handler)
      : stream_(std::move(socket)), handler_(handler) {}

  void read() {
    parser_.emplace();
    parser_->body_limit(kMaxBodyBytes);
    stream_.expires_after(kPatience);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) self->answer();
                     });
  }

 private:
  void answer() {
    const auto& request = parser_->get();
    const std::string target(request.target());
    const HttpResponse given =
        handler_({std::string(request.method_string()), target.substr(0, target.find('?')), request.body()});
    response_ = {};
    response_.version(request.version());
    response_.result(given.status);
    response_.keep_alive(request.keep_alive());
    response_.set(http::field::content_type,
                  given.body.starts_with('{') ? "application/json" : "text/plain; charset=utf-8");
    response_.body() = given.body + "\n";
    response_.prepare_payload();
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) self->read();
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  const HttpServer::Handler& handler_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
};

}  // namespace

class HttpServer::Impl {
 public:
  explicit Impl(Handler handler) : handler_(std::move(handler)), acceptor_(context_) {}
  ~Impl() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

  beast::error_code bind(const Endpoint& address) {
    beast::error_code error;
    tcp::resolver resolver(context_);
    const std::string host = address.host.empty() ? "0.0.0.0" : address.host;
    const auto found = resolver.resolve(host, std::to_string(address.port), tcp::resolver::passive, error);
    if (error) return error;
    const tcp::endpoint endpoint = found.begin()->endpoint();
    (void)acceptor_.open(endpoint.protocol(), error);
    if (!error) (void)acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) (void)acceptor_.bind(endpoint, error);
    if (!error) (void)acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error) local_ = {host, acceptor_.local_endpoint(error).port()};
    return error;
  }

  void run() {
    accept();
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "http");
      context_.run();
    });
  }

  [[nodiscard]] const Endpoint& local() const { return local_; }

 private:
  void accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (!error) std::make_shared<HttpSession>(std::move(socket), handler_)->read();
      accept();
    });
  }

  Handler handler_;
  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  Endpoint local_;
  std::thread thread_;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::start(const Endpoint& address, Handler handler) {
  auto impl = std::make_unique<Impl>(std::move(handler));
  if (const auto error = impl->bind(address))
    return fail(ErrorCode::kNetworkException,
                fmt::format("barnabas.http.listener={}: {}", to_string(address), error.message()));
  impl->run();
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

const Endpoint& HttpServer::local() const {
  return impl_->local();
}

}  // namespace barnabas::broker
