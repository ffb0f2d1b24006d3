// Requests made of the generated messages, one at a time, for modes in which the client's own cost is nothing
// beside what is measured.
//
// Thread safety: as the connection's. Errors: std::runtime_error, with the API's name and the code.
#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>

#include "bench/wirebench/connection.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::wirebench {

constexpr int kAttempts = 3000;

void expect_no_error(int code, const char* what);
/// Whether an error passes by itself: the coordinator loads, the topic was just made.
[[nodiscard]] bool is_worth_a_retry(int code);

template <class Request>
Bytes frame_of(const Request& request, std::int16_t version) {
  protocol::Writer out;
  out.int32(0);
  out.int16(Request::kApiKey);
  out.int16(version);
  out.int32(1);
  out.string("wirebench", false);
  if (Request::is_flexible(version)) out.int8(0);  // no tagged fields in the header
  request.write(out, version);
  out.patch_int32(0, static_cast<std::int32_t>(out.size() - 4));
  return out.take();
}

template <class Response>
Response answer_of(Connection& connection, std::int16_t version) {
  protocol::Reader answer = connection.receive();
  if (Response::is_flexible(version)) answer.int8();
  Response response;
  response.read(answer, version);
  if (!answer.ok()) throw std::runtime_error("an answer that cannot be read");
  return response;
}

template <class Response, class Request>
Response call(Connection& connection, const Request& request, std::int16_t version) {
  connection.send(frame_of(request, version));
  return answer_of<Response>(connection, version);
}

/// Asks again, a little later, while the error is one that passes. `code_of` tells it.
template <class Response, class Request, class CodeOf>
Response call_patiently(Connection& connection, const Request& request, std::int16_t version,
                        const char* what, CodeOf code_of) {
  for (int attempt = 1;; ++attempt) {
    Response response = call<Response>(connection, request, version);
    const int code = code_of(response);
    if (code == 0) return response;
    if (!is_worth_a_retry(code) || attempt == kAttempts) expect_no_error(code, what);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

/// `type`: 0 of a group, 1 of a transactional id.
void wait_for_coordinator(Connection& connection, std::int8_t type, const std::string& key);

}  // namespace barnabas::wirebench
