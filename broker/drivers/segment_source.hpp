// SegmentSource: where the batches of a partition are had again when this node's own have rotted.
//
// PeerSegmentSource asks the partition's leader, or, where this node leads, another replica that is in sync,
// as a consumer would (KIP-392: any replica serves those). Owned by the node. Thread safety: batches() from
// one thread at a time, never a reactor's: it waits for the answer, about kPatience at most. The reactor, the
// clock, the chance and the cache outlive it. Source: beyond Kafka, which serves what rotted.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "base/clock.hpp"
#include "base/network.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "kraft/metadata_image.hpp"

namespace barnabas::broker {

class MetadataCache;

class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  /// About 1 MiB of what another replica has from an offset on, up to its high watermark; the last batch may
  /// be cut.
  virtual Result<Bytes> batches(const TopicPartition& partition, TopicId topic, Offset from) = 0;
  /// From any thread: who waits in batches() waits no longer, and nobody will.
  virtual void give_up() = 0;
};

class PeerSegmentSource final : public SegmentSource {
 public:
  static constexpr std::chrono::seconds kPatience{5};

  /// `listener` is the one by which brokers ask each other.
  PeerSegmentSource(Reactor& reactor, Clock& clock, Random& random, const MetadataCache& cache,
                    std::string listener);
  Result<Bytes> batches(const TopicPartition& partition, TopicId topic, Offset from) override;
  void give_up() override { given_up_ = true; }

 private:
  struct Call;
  [[nodiscard]] Result<Endpoint> peer_of(const TopicPartition& partition) const;

  Reactor& reactor_;
  Clock& clock_;
  Random& random_;
  const MetadataCache& cache_;
  std::string listener_;
  std::atomic<bool> given_up_ = false;
};

}  // namespace barnabas::broker
