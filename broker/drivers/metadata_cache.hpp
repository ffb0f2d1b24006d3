// MetadataCache: the image that this node has published last, and the quorum's version. Thread safety:
// thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

class MetadataCache {
 public:
  MetadataCache(BrokerId self, std::string cluster_id) : self_(self), cluster_id_(std::move(cluster_id)) {}
  /// Never null once the node serves.
  [[nodiscard]] kraft::MetadataImagePtr image() const { return image_.load(std::memory_order_acquire); }
  /// kraft.version of the quorum: it stands in the metadata log beside the image's records.
  [[nodiscard]] std::int16_t kraft_version() const { return kraft_version_.load(std::memory_order_acquire); }
  void publish(kraft::MetadataImagePtr image, std::int16_t kraft_version) {
    kraft_version_.store(kraft_version, std::memory_order_release);
    image_.store(std::move(image), std::memory_order_release);
  }
  [[nodiscard]] BrokerId self() const { return self_; }
  [[nodiscard]] const std::string& cluster_id() const { return cluster_id_; }

 private:
  BrokerId self_;
  std::string cluster_id_;
  std::atomic<std::int16_t> kraft_version_ = 0;
  std::atomic<kraft::MetadataImagePtr> image_;
};

}  // namespace barnabas::broker
