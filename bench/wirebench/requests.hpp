// The requests that wirebench sends and what it reads of the answers, in versions without tagged fields.
//
// Written apart from the generated messages: a request is encoded once and sent again and again, and of an
// answer only what a figure needs is looked at, so that the client costs next to nothing beside the broker.
// Thread safety: pure functions. Errors: std::runtime_error for an error code or an answer that ends early.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.hpp"
#include "protocol/reader.hpp"

namespace barnabas::wirebench {

inline constexpr int kProduceKey = 0;
inline constexpr int kFetchKey = 1;
inline constexpr int kListOffsetsKey = 2;
inline constexpr int kMetadataKey = 3;
inline constexpr int kApiVersionsKey = 18;
inline constexpr int kCreateTopicsKey = 19;
inline constexpr int kDeleteTopicsKey = 20;

/// The versions that the bodies below are of.
[[nodiscard]] int version_of(int api_key);

/// A whole frame, its length included.
[[nodiscard]] Bytes frame(int api_key, std::int32_t correlation_id, ByteView body);

[[nodiscard]] std::int64_t wall_clock_ms();
/// `size` bytes, half text and half noise; the same for the same seed.
[[nodiscard]] Bytes half_noise(int size, unsigned seed);
/// One batch of `count` records of now with such values. Requires a codec's name.
[[nodiscard]] Bytes record_batch(int count, int size, std::string_view codec);

[[nodiscard]] Bytes produce_body(std::string_view topic, int partition, int acks, ByteView batch);
void check_produced(protocol::Reader answer);

struct FetchFrom {
  int partition;
  std::int64_t offset;
  int max_wait_ms;
  int max_bytes;
};
[[nodiscard]] Bytes fetch_body(std::string_view topic, const FetchFrom& from);

struct Fetched {
  std::int64_t next_offset;
  std::int64_t high_watermark;
  std::int64_t bytes;
};
[[nodiscard]] Fetched check_fetched(protocol::Reader answer, std::int64_t offset);

[[nodiscard]] Bytes latest_offset_body(std::string_view topic);
[[nodiscard]] std::int64_t latest_offset(protocol::Reader answer);

using TopicSettings = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] Bytes create_topic_body(std::string_view topic, int partitions, int replicas,
                                      const TopicSettings& settings);
[[nodiscard]] Bytes delete_topic_body(std::string_view topic);
/// The error code of the one topic of a CreateTopics or DeleteTopics answer.
[[nodiscard]] int created_topic_error(protocol::Reader answer);
[[nodiscard]] int deleted_topic_error(protocol::Reader answer);

/// Metadata of every topic.
[[nodiscard]] Bytes metadata_body();

}  // namespace barnabas::wirebench
