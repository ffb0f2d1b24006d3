// Requests and answers of the paths that matter, between bytes and values. Records are views into the frame:
// their size is of no account.
#include <string>

#include "bench/micro/micro_batches.hpp"
#include "protocol/messages/api_fetch.hpp"
#include "protocol/messages/api_produce.hpp"
#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

namespace barnabas::bench {
namespace {

constexpr std::int16_t kProduceVersion = 9;
constexpr std::int16_t kFetchVersion = 12;

template <class Message>
Bytes encoded(const Message& message, std::int16_t version) {
  protocol::Writer writer;
  message.write(writer, version);
  return writer.take();
}

template <class Message>
void decode(benchmark::State& state, const Message& message, std::int16_t version) {
  const Bytes bytes = encoded(message, version);
  for (auto _ : state) {
    protocol::Reader reader(bytes);
    Message decoded;
    decoded.read(reader, version);
    benchmark::DoNotOptimize(decoded);
  }
}

template <class Message>
void encode(benchmark::State& state, const Message& message, std::int16_t version) {
  for (auto _ : state) {
    protocol::Writer writer;
    message.write(writer, version);
    benchmark::DoNotOptimize(writer.buffer().data());
  }
}

/// The argument is the number of partitions.
void decode_produce_request(benchmark::State& state) {
  const Bytes records = batch_of(1);
  protocol::ProduceRequest request;
  request.acks = 1;
  request.timeout_ms = 30000;
  auto& topic = request.topic_data.emplace_back();
  topic.name = "bench";
  for (std::int64_t partition = 0; partition < state.range(0); ++partition) {
    topic.partition_data.emplace_back().records = protocol::Records{.bytes = records};
  }
  decode(state, request, kProduceVersion);
}
BENCHMARK(decode_produce_request)->Arg(1)->Arg(100);

void decode_fetch_request(benchmark::State& state) {
  protocol::FetchRequest request;
  auto& topic = request.topics.emplace_back();
  topic.topic = "bench";
  topic.partitions.resize(static_cast<std::size_t>(state.range(0)));
  decode(state, request, kFetchVersion);
}
BENCHMARK(decode_fetch_request)->Arg(1)->Arg(100);

void encode_produce_response(benchmark::State& state) {
  protocol::ProduceResponse response;
  auto& topic = response.responses.emplace_back();
  topic.name = "bench";
  topic.partition_responses.resize(static_cast<std::size_t>(state.range(0)));
  encode(state, response, kProduceVersion);
}
BENCHMARK(encode_produce_response)->Arg(1)->Arg(100);

void encode_fetch_response(benchmark::State& state) {
  protocol::FetchResponse response;
  auto& topic = response.responses.emplace_back();
  topic.topic = "bench";
  topic.partitions.resize(static_cast<std::size_t>(state.range(0)));
  encode(state, response, kFetchVersion);
}
BENCHMARK(encode_fetch_response)->Arg(1)->Arg(100);

}  // namespace
}  // namespace barnabas::bench
