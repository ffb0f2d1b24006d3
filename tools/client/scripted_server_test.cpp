#include "tools/client/scripted_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.hpp"
#include "protocol/messages/api_api_versions.hpp"

namespace barnabas::tools {
namespace {

bool read_all(int descriptor, MutableByteView to) {
  return to.empty() ||
         ::recv(descriptor, to.data(), to.size(), MSG_WAITALL) == static_cast<ssize_t>(to.size());
}

}  // namespace

ScriptedServer::ScriptedServer(std::vector<ServedApi> apis, Script script)
    : apis_(std::move(apis)), script_(std::move(script)) {
  listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) == 0);
  CHECK(::listen(listener_, 8) == 0);
  CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  port_ = ntohs(at.sin_port);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int descriptor : descriptors_) ::shutdown(descriptor, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  for (const int descriptor : descriptors_) ::close(descriptor);
  ::close(listener_);
}

void ScriptedServer::accept_all() {
  for (;;) {
    const int descriptor = ::accept(listener_, nullptr, nullptr);
    if (descriptor < 0) return;
    const std::lock_guard lock(mutex_);
    descriptors_.push_back(descriptor);
    threads_.emplace_back([this, descriptor] { serve(descriptor); });
  }
}

void ScriptedServer::serve(int descriptor) {
  for (;;) {
    std::uint8_t prefix[4];
    if (!read_all(descriptor, prefix)) break;
    Bytes request(static_cast<std::size_t>(protocol::Reader(prefix).int32()));
    if (!read_all(descriptor, request)) break;
    const std::optional<Bytes> reply = answer(request);
    if (!reply || ::send(descriptor, reply->data(), reply->size(), MSG_NOSIGNAL) < 0) break;
  }
  ::shutdown(descriptor, SHUT_RDWR);
}

std::optional<Bytes> ScriptedServer::answer(ByteView request) {
  const std::lock_guard lock(mutex_);
  protocol::Reader reader(request);
  const protocol::RequestPrefix header = protocol::read_request_header(reader);
  requests_.emplace_back(header.api_key, header.api_version);
  protocol::Writer writer;
  writer.int32(0);
  writer.int32(header.correlation_id);
  if (protocol::response_header_version(header.api_key, header.api_version) > 0) writer.uvarint(0);
  const bool is_versions = header.api_key == protocol::ApiVersionsRequest::kApiKey;
  if (!(is_versions ? answer_versions(header, writer) : script_(header, reader, writer))) return std::nullopt;
  CHECK(writer.ok());
  writer.patch_int32(0, static_cast<std::int32_t>(writer.size() - 4));
  return writer.take();
}

/// A version that it does not have is answered in version 0; brokers before 2.4 then tell no versions.
bool ScriptedServer::answer_versions(const protocol::RequestPrefix& header, protocol::Writer& body) const {
  protocol::ApiVersionsResponse answer;
  std::int16_t most = 0;
  for (const ServedApi& api : apis_) {
    answer.api_keys.push_back({api.key, api.min, api.max});
    if (api.key == header.api_key) most = api.max;
  }
  std::int16_t version = header.api_version;
  if (version > most) {
    version = 0;
    answer.error_code = static_cast<std::int16_t>(ErrorCode::kUnsupportedVersion);
    if (most < 3) answer.api_keys.clear();
  }
  answer.write(body, version);
  return true;
}

std::vector<std::pair<std::int16_t, std::int16_t>> ScriptedServer::requests() {
  const std::lock_guard lock(mutex_);
  return requests_;
}

}  // namespace barnabas::tools
