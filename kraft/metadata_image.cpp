#include "kraft/metadata_image.hpp"

#include <algorithm>

namespace barnabas::kraft {

MetadataImagePtr MetadataImage::empty() {
  static const MetadataImagePtr image = [] {
    auto made = std::make_shared<MetadataImage>();
    made->features = std::make_shared<FeaturesImage>();
    made->cluster = std::make_shared<ClusterImage>();
    made->topics = std::make_shared<TopicsImage>();
    made->configs = std::make_shared<ConfigsImage>();
    made->acls = std::make_shared<AclsImage>();
    made->scram = std::make_shared<ScramImage>();
    made->quotas = std::make_shared<QuotasImage>();
    made->tokens = std::make_shared<TokensImage>();
    return made;
  }();
  return image;
}

const TopicImage* MetadataImage::topic(std::string_view name) const {
  auto found = topics->by_name.find(name);
  return found == topics->by_name.end() ? nullptr : found->second.get();
}

const TopicImage* MetadataImage::topic(TopicId id) const {
  auto found = topics->by_id.find(id);
  return found == topics->by_id.end() ? nullptr : found->second.get();
}

const PartitionRegistration* MetadataImage::partition(std::string_view name, PartitionIndex index) const {
  const TopicImage* found = topic(name);
  if (found == nullptr || index.value() < 0) return nullptr;
  const auto position = static_cast<std::size_t>(index.value());
  return position < found->partitions.size() ? &found->partitions[position] : nullptr;
}

const BrokerRegistration* MetadataImage::broker(BrokerId id) const {
  auto found = cluster->brokers.find(id);
  return found == cluster->brokers.end() ? nullptr : &found->second;
}

const ConfigMap& MetadataImage::config(ConfigResourceType type, std::string_view name) const {
  static const ConfigMap none;
  auto found = configs->find(ConfigResource{type, std::string(name)});
  return found == configs->end() ? none : found->second;
}

std::int16_t MetadataImage::feature(const std::string& name) const {
  if (name == kMetadataVersionFeature) return features->metadata_version;
  auto found = features->levels.find(name);
  return found == features->levels.end() ? std::int16_t{0} : found->second;
}

namespace {
bool same_topics(const TopicsImage& a, const TopicsImage& b) {
  return std::ranges::equal(a.by_name, b.by_name, [](const auto& x, const auto& y) {
    return x.first == y.first && (x.second == y.second || *x.second == *y.second);
  });
}
}  // namespace

bool same_content(const MetadataImage& a, const MetadataImage& b) {
  return *a.features == *b.features && *a.cluster == *b.cluster && same_topics(*a.topics, *b.topics) &&
         *a.configs == *b.configs && *a.acls == *b.acls && *a.scram == *b.scram && *a.quotas == *b.quotas &&
         *a.tokens == *b.tokens && a.next_producer_id == b.next_producer_id;
}

}  // namespace barnabas::kraft
