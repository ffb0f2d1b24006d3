#include "broker/http/http_server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

namespace barnabas::broker {
namespace {

/// Sends these bytes and reads until the server closes or the answer is complete by its length.
std::string talk(const Endpoint& server, const std::string& sent) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.port);
  REQUIRE(inet_pton(AF_INET, server.host.c_str(), &address.sin_addr) == 1);
  REQUIRE(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(send(client, sent.data(), sent.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(sent.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = recv(client, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  close(client);
  return answer;
}

HttpResponse echo(const HttpRequest& request) {
  return {request.path == "/missing" ? 404U : 200U,
          request.method + " " + request.path + " [" + request.body + "]"};
}

}  // namespace

TEST_CASE("a call is answered with what the handler says") {
  const auto server = HttpServer::start({"127.0.0.1", 0}, echo);
  REQUIRE(server);
  const Endpoint& local = (*server)->local();
  const std::string answer =
      talk(local, "PUT /x?y=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(answer.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(answer.ends_with("\r\n\r\nPUT /x [abc]\n"));
  CHECK(talk(local, "GET /missing HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 404 "));
}

TEST_CASE("what is not HTTP, or too big, is closed") {
  const auto server = HttpServer::start({"127.0.0.1", 0}, echo);
  REQUIRE(server);
  CHECK(talk((*server)->local(), std::string("\0\0\0\x12 no HTTP at all\r\n\r\n", 23)).empty());
  CHECK(talk((*server)->local(), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 70000\r\n\r\n").empty());
}

TEST_CASE("an address that is taken is an error that names the property") {
  const auto server = HttpServer::start({"127.0.0.1", 0}, echo);
  REQUIRE(server);
  const auto second = HttpServer::start((*server)->local(), echo);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == ErrorCode::kNetworkException);
  CHECK(second.error().detail.starts_with("barnabas.http.listener=127.0.0.1:"));
}

}  // namespace barnabas::broker
