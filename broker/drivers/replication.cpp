#include "broker/drivers/replication.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <unordered_map>

#include "base/check.hpp"
#include "base/logging.hpp"
#include "broker/config/broker_config.hpp"
#include "broker/drivers/replica_fetcher.hpp"

namespace barnabas::broker {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kComponent = "kafka.server.ReplicaFetcherManager";

std::optional<Endpoint> endpoint_of(const kraft::MetadataImage& image, BrokerId broker,
                                    const std::string& listener) {
  const kraft::BrokerRegistration* registered = image.broker(broker);
  if (registered == nullptr) return std::nullopt;
  const auto found = std::ranges::find(registered->endpoints, listener, &kraft::NamedEndpoint::listener);
  return found == registered->endpoints.end() ? std::nullopt : std::optional(found->endpoint);
}

}  // namespace

/// The fetchers of one reactor. Everything but failed_count() on its thread.
class Replication::Lane : public std::enable_shared_from_this<Lane> {
 public:
  Lane(const ReplicationDependencies& dependencies, Reactor& reactor)
      : dependencies_(dependencies), reactor_(reactor) {}

  [[nodiscard]] Reactor& reactor() { return reactor_; }
  void apply(const kraft::MetadataImagePtr& image,
             std::vector<std::pair<std::int32_t, FollowedReplica>> changes) {
    if (stopped_) return;
    const bool brokers_changed = image_ == nullptr || image_->cluster != image->cluster;
    image_ = image;
    if (brokers_changed) move_to_new_addresses();
    for (auto& [number, change] : changes) {
      forget(*change.partition);
      if (change.leader != kNoBroker) follow({change.leader, number}, std::move(change));
    }
    std::erase_if(fetchers_, [](const auto& fetcher) { return fetcher.second->state().empty(); });
  }
  void stop() {
    stopped_ = true;
    fetchers_.clear();
    sources_.clear();
    homeless_.clear();
  }
  [[nodiscard]] std::int64_t failed_count() const { return failed_count_; }

 private:
  struct Source {
    BrokerId broker;
    std::int32_t number;  // of its fetchers
    auto operator<=>(const Source&) const = default;
  };

  void follow(const Source& source, FollowedReplica replica) {
    ReplicaFetcher* fetcher = find_or_make(source);
    if (fetcher == nullptr) {
      homeless_.emplace_back(source, std::move(replica));
      return;
    }
    sources_[replica.partition.get()] = source;
    fetcher->follow(std::move(replica.partition), replica.leader_epoch);
  }
  void forget(const Partition& partition) {
    std::erase_if(homeless_, [&](const auto& one) { return one.second.partition.get() == &partition; });
    const auto source = sources_.find(&partition);
    if (source == sources_.end()) return;
    if (const auto fetcher = fetchers_.find(source->second); fetcher != fetchers_.end())
      fetcher->second->forget(partition);
    sources_.erase(source);
  }
  /// Null while nobody knows where the broker is.
  ReplicaFetcher* find_or_make(const Source& source) {
    if (const auto found = fetchers_.find(source); found != fetchers_.end()) return found->second.get();
    const auto settings = dependencies_.config.settings();
    const auto endpoint = endpoint_of(*image_, source.broker, settings->inter_broker_listener_name);
    if (!endpoint) return nullptr;
    PeerChannelOptions peer;
    peer.peer = *endpoint;
    peer.client_id = fmt::format("broker-{}-fetcher-{}", dependencies_.self.value(), source.number);
    peer.request_timeout = milliseconds(settings->replica_socket_timeout_ms);
    FetcherOptions options;
    options.self = dependencies_.self;
    options.leader = source.broker;
    options.max_bytes = settings->replica_fetch_max_bytes;
    options.response_max_bytes = settings->replica_fetch_response_max_bytes;
    options.min_bytes = settings->replica_fetch_min_bytes;
    options.wait_max_ms = settings->replica_fetch_wait_max_ms;
    options.backoff = milliseconds(settings->replica_fetch_backoff_ms);
    log_info(kComponent, "Fetcher {} of broker {} at {} begins", source.number, source.broker.value(),
             to_string(*endpoint));
    auto fetcher = std::make_unique<ReplicaFetcher>(
        ReplicaFetcherDependencies{reactor_, dependencies_.clock, dependencies_.random,
                                   dependencies_.replicas.follower_quota(), failed_count_,
                                   dependencies_.broker_epoch},
        std::move(peer), options);
    return fetchers_.emplace(source, std::move(fetcher)).first->second.get();
  }
  void move_to_new_addresses() {
    const std::string listener = dependencies_.config.settings()->inter_broker_listener_name;
    std::vector<std::pair<Source, FollowedReplica>> moved = std::exchange(homeless_, {});
    for (auto at = fetchers_.begin(); at != fetchers_.end();) {
      const auto endpoint = endpoint_of(*image_, at->first.broker, listener);
      if (!endpoint || *endpoint == at->second->peer()) {
        ++at;
        continue;
      }
      for (auto& [partition, epoch] : at->second->state().followed())
        moved.emplace_back(at->first, FollowedReplica{partition, at->first.broker, epoch});
      at = fetchers_.erase(at);
    }
    for (auto& [source, replica] : moved) follow(source, std::move(replica));
  }

  const ReplicationDependencies& dependencies_;
  Reactor& reactor_;
  std::atomic<std::int64_t> failed_count_ = 0;
  kraft::MetadataImagePtr image_;
  std::map<Source, std::unique_ptr<ReplicaFetcher>> fetchers_;
  std::unordered_map<const Partition*, Source> sources_;
  std::vector<std::pair<Source, FollowedReplica>> homeless_;  // whose leader's address is not known
  bool stopped_ = false;
};

Replication::Replication(ReplicationDependencies dependencies, MetricsRegistry& metrics)
    : dependencies_(std::move(dependencies)) {
  CHECK(!dependencies_.reactors.empty());
  for (Reactor* reactor : dependencies_.reactors)
    lanes_.push_back(std::make_shared<Lane>(dependencies_, *reactor));
  dependencies_.replicas.on_followed([this](std::vector<FollowedReplica> followed) {
    std::ranges::move(followed, std::back_inserter(followed_));
  });
  metrics.add_collector(collecting_, [this](MetricsPage& page) { tell_metrics(page); });
}

Replication::~Replication() {
  dependencies_.replicas.on_followed(nullptr);
}

void Replication::on_image(const kraft::MetadataImagePtr& image) {
  const auto settings = dependencies_.config.settings();
  for (ReplicationQuota* quota :
       {&dependencies_.replicas.leader_quota(), &dependencies_.replicas.follower_quota()})
    quota->set_windows(settings->replication_quota_window_num,
                       std::chrono::seconds(settings->replication_quota_window_size_seconds));
  dependencies_.replicas.leader_quota().set_limit(settings->leader_replication_throttled_rate);
  dependencies_.replicas.follower_quota().set_limit(settings->follower_replication_throttled_rate);
  std::vector<std::vector<std::pair<std::int32_t, FollowedReplica>>> changes(lanes_.size());
  const std::size_t fetchers = static_cast<std::size_t>(std::max(settings->num_replica_fetchers, 1));
  const std::size_t fetchers_of_lane = std::max<std::size_t>(fetchers / lanes_.size(), 1);
  for (FollowedReplica& replica : followed_) {
    const std::size_t hash = std::hash<TopicPartition>()(replica.partition->topic_partition());
    // The lane by the partition alone: whoever leads it, its changes stay in their order.
    const std::size_t lane = hash % lanes_.size();
    const std::size_t number = lane + hash / lanes_.size() % fetchers_of_lane * lanes_.size();
    changes[lane].emplace_back(static_cast<std::int32_t>(number), std::move(replica));
  }
  followed_.clear();
  for (std::size_t at = 0; at < lanes_.size(); ++at) {
    lanes_[at]->reactor().post([lane = lanes_[at], image, changed = std::move(changes[at])]() mutable {
      lane->apply(image, std::move(changed));
    });
  }
}

void Replication::start() {
  lanes_.front()->reactor().post([weak = std::weak_ptr(self_)] { arrange_shrink(weak); });
}

void Replication::stop() {
  self_.reset();
  for (const auto& lane : lanes_) lane->reactor().post([lane] { lane->stop(); });
}

/// On the first lane's reactor.
void Replication::arrange_shrink(const std::weak_ptr<Replication*>& weak) {
  const auto self = weak.lock();
  if (!self) return;
  const ReplicationDependencies& with = (*self)->dependencies_;
  const milliseconds interval(std::max<std::int64_t>(with.config.settings()->replica_lag_time_max_ms / 2, 1));
  (*self)->lanes_.front()->reactor().schedule_at(with.clock.monotonic() + interval, [weak] {
    if (const auto still = weak.lock()) (*still)->dependencies_.replicas.shrink_isrs();
    arrange_shrink(weak);
  });
}

/// Kafka's names.
void Replication::tell_metrics(MetricsPage& page) {
  int leaders = 0;
  int under_replicated = 0;
  int under_min_isr = 0;
  int at_min_isr = 0;
  const auto partitions = dependencies_.replicas.all();
  for (const auto& partition : partitions) {
    const ReplicaCounts counts = partition->counts();
    leaders += counts.is_leader ? 1 : 0;
    under_replicated += counts.is_under_replicated ? 1 : 0;
    under_min_isr += counts.is_under_min_isr ? 1 : 0;
    at_min_isr += counts.is_at_min_isr ? 1 : 0;
  }
  std::int64_t failed = 0;
  for (const auto& lane : lanes_) failed += lane->failed_count();
  page.gauge("kafka_server_replicamanager_partitioncount", {}, static_cast<double>(partitions.size()));
  page.gauge("kafka_server_replicamanager_leadercount", {}, leaders);
  page.gauge("kafka_server_replicamanager_underreplicatedpartitions", {}, under_replicated);
  page.gauge("kafka_server_replicamanager_underminisrpartitioncount", {}, under_min_isr);
  page.gauge("kafka_server_replicamanager_atminisrpartitioncount", {}, at_min_isr);
  const PartitionSurroundings& counters = dependencies_.replicas.surroundings();
  page.counter("kafka_server_replicamanager_isrshrinks_total", {}, static_cast<double>(counters.isr_shrinks));
  page.counter("kafka_server_replicamanager_isrexpands_total", {}, static_cast<double>(counters.isr_expands));
  page.counter("kafka_server_replicamanager_failedisrupdates_total", {},
               static_cast<double>(counters.failed_isr_updates));
  page.gauge("kafka_server_replicafetchermanager_failedpartitionscount", {{"clientId", "Replica"}},
             static_cast<double>(failed));
}

}  // namespace barnabas::broker
