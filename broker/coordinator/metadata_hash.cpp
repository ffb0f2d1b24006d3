#include "broker/coordinator/metadata_hash.hpp"

#include <xxhash.h>

#include <algorithm>

#include "base/bytes.hpp"
#include "broker/coordinator/java_text.hpp"

namespace barnabas::broker {
namespace {

/// Little-endian numbers, and texts as Java's characters with their count behind them.
class Stream {
 public:
  void put(std::uint64_t value, int size) {
    for (int i = 0; i < size; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  void put_text(const std::u16string& text) {
    for (const char16_t unit : text) put(unit, 2);
    put(text.size(), 4);
  }
  [[nodiscard]] std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

 private:
  Bytes bytes_;
};

std::uint64_t big_endian(const Uuid& id, std::size_t from) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8; ++i) value = (value << 8) | id.bytes[from + i];
  return value;
}

}  // namespace

std::uint64_t topic_hash(const kraft::MetadataImage& image, const kraft::TopicImage& topic) {
  Stream stream;
  stream.put(0, 1);  // the layout's version
  stream.put(big_endian(topic.id.value(), 0), 8);
  stream.put(big_endian(topic.id.value(), 8), 8);
  stream.put_text(java_string(topic.name));
  stream.put(topic.partitions.size(), 4);
  for (std::size_t i = 0; i < topic.partitions.size(); ++i) {
    stream.put(i, 4);
    std::vector<std::u16string> racks;
    for (const BrokerId id : topic.partitions[i].replicas) {
      const kraft::BrokerRegistration* broker = image.broker(id);
      if (broker != nullptr && broker->rack) racks.push_back(java_string(*broker->rack));
    }
    std::ranges::sort(racks);
    for (const std::u16string& rack : racks) {
      stream.put(rack.size(), 4);
      stream.put_text(rack);
    }
  }
  return stream.hash();
}

std::int64_t group_hash(const kraft::MetadataImage& image,
                        const std::vector<std::string_view>& sorted_names) {
  Stream stream;
  bool any = false;
  for (const std::string_view name : sorted_names) {
    const kraft::TopicImage* topic = image.topic(name);
    if (topic == nullptr) continue;
    any = true;
    stream.put(topic_hash(image, *topic), 8);
  }
  return any ? static_cast<std::int64_t>(stream.hash()) : 0;
}

}  // namespace barnabas::broker
