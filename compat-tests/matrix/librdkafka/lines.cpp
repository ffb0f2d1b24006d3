#include "lines.hpp"

#include <array>
#include <cstdio>
#include <fstream>
#include <string_view>

#include "client.hpp"

namespace rdkafka_matrix {
namespace {

using rdkafka_jobs::require;

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

boost::json::value packed(const void* data, std::size_t size) {
  if (data == nullptr) return nullptr;
  const auto* bytes = static_cast<const unsigned char*>(data);
  std::string text;
  text.reserve((size + 2) / 3 * 4);
  for (std::size_t at = 0; at < size; at += 3) {
    const std::size_t count = std::min<std::size_t>(3, size - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) group = group << 8 | (i < count ? bytes[at + i] : 0U);
    for (std::size_t i = 0; i < 4; ++i)
      text.push_back(i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=');
  }
  return boost::json::value(text);
}

Bytes unpacked(const boost::json::value& field) {
  if (field.is_null()) return std::nullopt;
  static const auto values = [] {
    std::array<std::int8_t, 256> found;
    found.fill(-1);
    for (std::size_t i = 0; i < kAlphabet.size(); ++i)
      found[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::int8_t>(i);
    return found;
  }();
  std::string data;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : field.as_string()) {
    if (c == '=') break;
    const std::int8_t value = values[static_cast<unsigned char>(c)];
    require(value >= 0, "a field is not base64");
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    data.push_back(static_cast<char>(group >> bits & 255));
  }
  return data;
}

}  // namespace

std::vector<InputRecord> read_records(const std::string& path) {
  std::ifstream file(path);
  require(file.good(), "cannot read " + path);
  std::vector<InputRecord> records;
  for (std::string line; std::getline(file, line);) {
    const boost::json::value parsed = boost::json::parse(line);
    InputRecord& record = records.emplace_back();
    record.partition = static_cast<std::int32_t>(parsed.at("partition").as_int64());
    record.timestamp_ms = parsed.at("timestamp").as_int64();
    record.key = unpacked(parsed.at("key"));
    record.value = unpacked(parsed.at("value"));
    for (const boost::json::value& header : parsed.at("headers").as_array()) {
      const auto& pair = header.as_array();
      record.headers.emplace_back(std::string(pair.at(0).as_string()), unpacked(pair.at(1)));
    }
  }
  return records;
}

void say(const boost::json::value& line) {
  const std::string text = boost::json::serialize(line);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

void say(RdKafka::Message& message) {
  rdkafka_jobs::require_ok(message.err(), "a message");
  boost::json::array headers;
  if (const RdKafka::Headers* found = message.headers()) {
    for (const RdKafka::Headers::Header& header : found->get_all())
      headers.push_back({header.key(), packed(header.value(), header.value_size())});
  }
  say({{"partition", message.partition()},
       {"offset", message.offset()},
       {"timestamp", message.timestamp().timestamp},
       {"key", packed(message.key_pointer(), message.key_len())},
       {"value", packed(message.payload(), message.len())},
       {"headers", std::move(headers)}});
}

}  // namespace rdkafka_matrix
