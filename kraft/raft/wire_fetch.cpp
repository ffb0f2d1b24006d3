// Raft's Fetch and FetchSnapshot on the wire.
#include "kraft/raft/wire.hpp"
#include "kraft/raft/wire_parts.hpp"

namespace barnabas::kraft {

using wire::check_cluster;
using wire::partition_of;
using wire::say_endpoint;
using wire::say_error;
using wire::say_partition;

namespace {
constexpr std::int16_t kFirstReplicaState = 15;
constexpr std::int16_t kFirstFetchEndpoints = 16;
constexpr std::int16_t kFirstSnapshotEndpoints = 1;
}  // namespace

protocol::FetchRequest to_wire(const FetchRequest& request, const WireContext& context,
                               std::int16_t version) {
  protocol::FetchRequest to;
  to.cluster_id = context.cluster_id;
  // The id moved into a tagged field.
  (version >= kFirstReplicaState ? to.replica_state.replica_id : to.replica_id) = request.replica.id.value();
  to.max_wait_ms = static_cast<std::int32_t>(request.max_wait.count());
  to.max_bytes = context.fetch_max_bytes;
  auto& partition = say_partition(to);
  partition.current_leader_epoch = request.epoch.value();
  partition.fetch_offset = request.position.end.value();
  partition.last_fetched_epoch = request.position.last_epoch.value();
  partition.replica_directory_id = request.replica.directory.value();
  partition.high_watermark = request.high_watermark.value();
  return to;
}

Result<FetchRequest> from_wire(const protocol::FetchRequest& request, const WireContext& context) {
  TRY(check_cluster(request, context));
  const auto* partition = TRY(partition_of(request));
  const std::int32_t id =
      request.replica_state.replica_id >= 0 ? request.replica_state.replica_id : request.replica_id;
  FetchRequest to;
  to.replica = {BrokerId(id), DirectoryId(partition->replica_directory_id)};
  to.epoch = LeaderEpoch(partition->current_leader_epoch);
  to.position = {Offset(partition->fetch_offset), LeaderEpoch(partition->last_fetched_epoch)};
  to.high_watermark = Offset(partition->high_watermark);
  to.max_wait = std::chrono::milliseconds(request.max_wait_ms);
  return to;
}

protocol::FetchResponse to_wire(const FetchResponse& response, std::int16_t version) {
  protocol::FetchResponse to;
  auto& partition = say_partition(to);
  say_error(partition, response.error);
  partition.high_watermark = response.high_watermark.value();
  partition.current_leader.leader_id = response.leader.value();
  partition.current_leader.leader_epoch = response.epoch.value();
  if (response.diverging) {
    partition.diverging_epoch.epoch = response.diverging->last_epoch.value();
    partition.diverging_epoch.end_offset = response.diverging->end.value();
  }
  if (response.snapshot) {
    partition.snapshot_id.end_offset = response.snapshot->end.value();
    partition.snapshot_id.epoch = response.snapshot->epoch.value();
  }
  partition.records = protocol::Records();
  if (version >= kFirstFetchEndpoints) say_endpoint(to, response.leader, response.leader_endpoint);
  return to;
}

namespace {
/// The first eight bytes of a batch.
std::optional<Offset> base_offset(const std::optional<protocol::Records>& records) {
  constexpr std::size_t kOffsetBytes = 8;
  if (!records || records->bytes.size() < kOffsetBytes) return std::nullopt;
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < kOffsetBytes; ++i)
    value = value << 8 | static_cast<std::uint8_t>(records->bytes[i]);
  return Offset(static_cast<std::int64_t>(value));
}
}  // namespace

FetchResponse from_wire(const protocol::FetchResponse& response) {
  FetchResponse to;
  const auto* partition = wire::read_leader(response, to);
  if (partition == nullptr) return to;
  to.high_watermark = Offset(partition->high_watermark);
  if (partition->diverging_epoch.epoch >= 0 && partition->diverging_epoch.end_offset >= 0)
    to.diverging = LogPosition{Offset(partition->diverging_epoch.end_offset),
                               LeaderEpoch(partition->diverging_epoch.epoch)};
  if (partition->snapshot_id.epoch >= 0 && partition->snapshot_id.end_offset >= 0)
    to.snapshot =
        SnapshotId{Offset(partition->snapshot_id.end_offset), LeaderEpoch(partition->snapshot_id.epoch)};
  to.records_from = base_offset(partition->records);
  return to;
}

protocol::FetchSnapshotRequest to_wire(const FetchSnapshotRequest& request, const WireContext& context,
                                       std::int16_t) {
  protocol::FetchSnapshotRequest to;
  to.cluster_id = context.cluster_id;
  to.replica_id = request.replica.id.value();
  to.max_bytes = context.fetch_snapshot_max_bytes;
  auto& partition = say_partition(to);
  partition.current_leader_epoch = request.epoch.value();
  partition.snapshot_id.end_offset = request.id.end.value();
  partition.snapshot_id.epoch = request.id.epoch.value();
  partition.position = request.position;
  partition.replica_directory_id = request.replica.directory.value();
  return to;
}

Result<FetchSnapshotRequest> from_wire(const protocol::FetchSnapshotRequest& request,
                                       const WireContext& context) {
  TRY(check_cluster(request, context));
  const auto* partition = TRY(partition_of(request));
  FetchSnapshotRequest to;
  to.replica = {BrokerId(request.replica_id), DirectoryId(partition->replica_directory_id)};
  to.epoch = LeaderEpoch(partition->current_leader_epoch);
  to.id = {Offset(partition->snapshot_id.end_offset), LeaderEpoch(partition->snapshot_id.epoch)};
  to.position = partition->position;
  return to;
}

protocol::FetchSnapshotResponse to_wire(const FetchSnapshotResponse& response, std::int16_t version) {
  protocol::FetchSnapshotResponse to;
  auto& partition = say_partition(to);
  say_error(partition, response.error);
  partition.snapshot_id.end_offset = response.id.end.value();
  partition.snapshot_id.epoch = response.id.epoch.value();
  partition.current_leader.leader_id = response.leader.value();
  partition.current_leader.leader_epoch = response.epoch.value();
  partition.size = response.size;
  partition.position = response.position;
  if (version >= kFirstSnapshotEndpoints) say_endpoint(to, response.leader, response.leader_endpoint);
  return to;
}

FetchSnapshotResponse from_wire(const protocol::FetchSnapshotResponse& response) {
  FetchSnapshotResponse to;
  const auto* partition = wire::read_leader(response, to);
  if (partition == nullptr) return to;
  to.id = {Offset(partition->snapshot_id.end_offset), LeaderEpoch(partition->snapshot_id.epoch)};
  to.size = partition->size;
  to.position = partition->position;
  to.bytes = static_cast<std::int64_t>(partition->unaligned_records.size());
  return to;
}

}  // namespace barnabas::kraft
