// MetadataDelta: applies metadata records in log order to an image and builds the next one.
//
// Owned by whoever replays (the metadata node, tests). Thread safety: none.
// Invariants
//  1. The base image is never changed; what no record touched is shared with the built image.
//  2. Records between BeginTransaction and EndTransaction take effect together at the end, or not at all
//  after
//     AbortTransaction; while a transaction is open, build() gives the image before it.
// Errors: kCorruptMessage for a record that contradicts the image (a partition of an unknown topic); the log
// is then not one that a controller wrote, and nothing may be built from it. Source: KIP-866 (transactions),
// KIP-966 (ELR), KIP-858 (directories); measured on Kafka 4.3.1.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/result.hpp"
#include "kraft/metadata_image.hpp"
#include "kraft/metadata_record.hpp"

namespace barnabas::kraft {

/// What differs between two images, for those who act on changes.
struct MetadataChanges {
  std::set<TopicId> created_topics;
  /// Created or changed, with the partitions concerned.
  std::map<TopicId, std::set<PartitionIndex>> changed_partitions;
  /// As they were before.
  std::map<TopicId, std::shared_ptr<const TopicImage>> removed_topics;
  std::set<ConfigResource> changed_configs;
  std::set<BrokerId> changed_brokers;  // registered, changed or gone
  bool controllers = false;
  bool features = false;
  bool acls = false;
  bool scram = false;
  bool quotas = false;
  bool tokens = false;
  bool producer_ids = false;
};

class MetadataDelta {
 public:
  explicit MetadataDelta(MetadataImagePtr base);
  ~MetadataDelta();
  MetadataDelta(const MetadataDelta&) = delete;
  MetadataDelta& operator=(const MetadataDelta&) = delete;

  Result<void> replay(const MetadataRecord& record);
  /// `offset` and `epoch` are those of the last record replayed. The delta then starts again from the new
  /// image.
  MetadataImagePtr build(Offset offset, LeaderEpoch epoch);
  /// What the last build() changed.
  [[nodiscard]] const MetadataChanges& changes() const { return built_changes_; }
  [[nodiscard]] bool in_transaction() const { return transaction_.has_value(); }

 private:
  class Applier;
  Result<void> apply(const MetadataRecord& record);

  MetadataImagePtr base_;
  std::unique_ptr<Applier> next_;
  MetadataChanges built_changes_;
  std::optional<std::vector<Bytes>> transaction_;  // encoded, so that no view outlives its buffer
};

/// The image as records, in the order of Kafka's snapshots: replayed on an empty image they give it back.
/// Views in the records point into the image.
[[nodiscard]] MetadataRecords image_to_records(const MetadataImage& image);
/// The record of one ACL, as snapshots and CreateAcls have it.
[[nodiscard]] protocol::AccessControlEntryRecord acl_to_record(const Uuid& id, const AclEntry& acl);

}  // namespace barnabas::kraft
