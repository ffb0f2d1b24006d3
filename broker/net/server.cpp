#include "broker/net/server.hpp"

#include "base/logging.hpp"
#include "broker/config/broker_config.hpp"

namespace barnabas::broker {

Server::Server(Services& services, const ServerOptions& options)
    : services_(services),
      options_(options),
      budget_(std::make_shared<MemoryBudget>(options.max_request_memory_bytes)) {}

Server::~Server() = default;

Result<Endpoint> Server::listen(Reactor& reactor, const ListenerOptions& listener) {
  auto bound = reactor.listen(listener.bind, [this, listener](std::shared_ptr<Connection> stream) {
    accept(listener, std::move(stream));
  });
  if (!bound) return std::unexpected(std::move(bound).error());
  const Endpoint local = (*bound)->local();
  listeners_.emplace_back(&reactor, std::move(*bound));
  return local;
}

bool Server::is_full(const std::string& host) {
  const auto settings = services_.config.settings();  // they may change while connections come
  if (sessions_.size() >= static_cast<std::size_t>(settings->max_connections)) return true;
  const auto& overrides = settings->max_connections_per_ip_overrides;
  const auto own = overrides.find(host);
  const auto found = by_host_.find(host);
  const std::int32_t open = found == by_host_.end() ? 0 : found->second;
  return open >= (own == overrides.end() ? settings->max_connections_per_ip : own->second);
}

void Server::accept(const ListenerOptions& listener, std::shared_ptr<Connection> stream) {
  std::shared_ptr<Session> session;
  {
    std::lock_guard lock(mutex_);
    const std::string host = stream->peer().host;
    if (!accepting_ || is_full(host)) {
      if (accepting_)
        log_warn("kafka.network.SocketServer", "refusing {}: too many connections",
                 to_string(stream->peer()));
      stream->close();
      return;
    }
    auto client = std::make_shared<ClientConnection>();
    client->id = next_id_++;
    client->listener = listener.name;
    client->privileged_listener = listener.privileged;
    client->controller_listener = listener.controller;
    client->local = stream->local();
    client->peer = stream->peer();
    Reactor* reactor = &stream->reactor();
    session = std::make_shared<Session>(services_, budget_, options_.session, std::move(stream), client,
                                        [this, id = client->id] { on_end(id); });
    sessions_.emplace(client->id, Entry{session, reactor, host});
    ++by_host_[host];
  }
  session->start();
}

void Server::on_end(std::uint64_t id) {
  std::shared_ptr<Session> ended;  // destroyed after the lock is released
  std::lock_guard lock(mutex_);
  auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  auto host = by_host_.find(found->second.host);
  if (--host->second == 0) by_host_.erase(host);
  ended = std::move(found->second.session);
  sessions_.erase(found);
}

template <class Call>
void Server::for_each_session(Call call) {
  std::lock_guard lock(mutex_);
  accepting_ = false;
  for (auto& [id, entry] : sessions_) {
    entry.reactor->post([weak = std::weak_ptr(entry.session), call] {
      if (auto session = weak.lock()) call(*session);
    });
  }
}

void Server::drain() {
  for (auto& [reactor, listener] : listeners_) {
    reactor->post([gone = std::move(listener)] {});  // closed on its own thread
  }
  listeners_.clear();
  for_each_session([](Session& session) { session.drain(); });
}

void Server::stop() {
  for_each_session([](Session& session) { session.close(); });
}

std::size_t Server::session_count() const {
  std::lock_guard lock(mutex_);
  return sessions_.size();
}

}  // namespace barnabas::broker
