// Arbitrary bytes into a session over a whole node in one thread: nothing may crash, leak, be answered twice
// or answered beyond what was asked.
//
// The first byte chooses: bytes as they are, or each part (cut at 0xff 0xfe) framed with its right size, so
// that the fuzzer gets past the framing. The node lives on from input to input and is made anew now and then.
#include <cstddef>
#include <cstdint>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/net/net_fixture.hpp"

namespace {

using namespace barnabas;
using broker::testing::NetFixture;

constexpr int kInputsOfOneNode = 200;

std::unique_ptr<NetFixture> make_node() {
  auto net = std::make_unique<NetFixture>();
  (void)net->node.create_topic("t", 2);
  (void)net->node.append("t", 0, 3);
  return net;
}

/// What is sent, and how many frames it may hold at the most.
std::pair<Bytes, std::size_t> make_stream(ByteView input) {
  if (input.empty()) return {};
  const bool framed = (input[0] & 1) != 0;
  input = input.subspan(1);
  if (!framed) return {to_bytes(input), input.size() / 4};
  Bytes stream;
  std::size_t frames = 0;
  while (!input.empty()) {
    std::size_t size = 0;
    while (size < input.size() &&
           !(input[size] == 0xff && size + 1 < input.size() && input[size + 1] == 0xfe))
      ++size;
    const Bytes frame = broker::testing::frame_around(input.first(size));
    stream.insert(stream.end(), frame.begin(), frame.end());
    input = input.subspan(std::min(size + 2, input.size()));
    ++frames;
  }
  return {stream, frames};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static std::unique_ptr<NetFixture> net;
  static int inputs = 0;
  set_log_level(LogLevel::kError);  // each refused frame would be a line
  if (!net || ++inputs % kInputsOfOneNode == 0) {
    net.reset();
    net = make_node();
  }
  const auto [stream, frames] = make_stream({data, size});
  auto client = net->connect();
  client->send(stream);
  net->run_for(std::chrono::seconds(1));
  CHECK(client->correlations().size() <= frames, "one answer a request at the most");
  client->stream->close();
  net->run_for(std::chrono::milliseconds(100));
  return 0;
}
