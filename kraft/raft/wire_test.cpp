#include "kraft/raft/wire.hpp"

#include <catch2/catch.hpp>
#include <limits>

#include "protocol/reader.hpp"
#include "protocol/writer.hpp"

using namespace barnabas;
using namespace barnabas::kraft;
using std::chrono::milliseconds;

namespace {

const WireContext kContext{"cluster-a", 1000, 2000};
const std::vector<VoterEndpoint> kEndpoints{{"CONTROLLER", {"node-1", 9093}}, {"SSL", {"node-1", 9094}}};

DirectoryId directory(std::uint64_t number) {
  return DirectoryId(Uuid::of_low(number));
}

/// What arrives when it is sent in this version. The bytes must outlive views in the message.
template <class Message>
Message through(const Message& message, std::int16_t version, Bytes& bytes) {
  protocol::Writer writer;
  message.write(writer, version);
  REQUIRE(writer.ok());
  bytes = writer.take();
  protocol::Reader reader(bytes);
  Message read;
  read.read(reader, version);
  REQUIRE(reader.ok());
  CHECK(reader.remaining() == 0);
  return read;
}
template <class Request>
auto request_through(const Request& request, std::int16_t version) {
  Bytes bytes;
  auto read = from_wire(through(to_wire(request, kContext, version), version, bytes), kContext);
  REQUIRE(read);
  return *read;
}
template <class Response>
Response response_through(const Response& response, std::int16_t version) {
  Bytes bytes;
  return from_wire(through(to_wire(response, version), version, bytes));
}

}  // namespace

TEST_CASE("vote requests and responses come through as they were, as far as a version goes") {
  VoteRequest request{{BrokerId(2), directory(22)},
                      LeaderEpoch(7),
                      {Offset(90), LeaderEpoch(6)},
                      true,
                      {BrokerId(1), directory(11)}};
  VoteRequest read = request_through(request, 2);
  CHECK(read.candidate == request.candidate);
  CHECK(read.epoch == request.epoch);
  CHECK(read.last == request.last);
  CHECK(read.pre_vote);
  CHECK(read.voter == request.voter);
  read = request_through(request, 0);
  CHECK(read.candidate == ReplicaKey{BrokerId(2), DirectoryId()});
  CHECK(read.voter == kNoReplica);
  CHECK_FALSE(read.pre_vote);

  VoteResponse response{ErrorCode::kNone, BrokerId(3), LeaderEpoch(7), true, Endpoint{"node-3", 9093}};
  VoteResponse back = response_through(response, 2);
  CHECK(back.granted);
  CHECK(back.leader == BrokerId(3));
  CHECK(back.epoch == LeaderEpoch(7));
  CHECK(back.leader_endpoint == response.leader_endpoint);
  CHECK_FALSE(response_through(response, 0).leader_endpoint);
  response.error = ErrorCode::kFencedLeaderEpoch;
  CHECK(response_through(response, 1).error == ErrorCode::kFencedLeaderEpoch);
}

TEST_CASE("the begin and the end of an epoch come through") {
  const BeginQuorumEpochRequest begin{BrokerId(1), LeaderEpoch(4), {BrokerId(2), directory(22)}, kEndpoints};
  BeginQuorumEpochRequest begun = request_through(begin, 1);
  CHECK(begun.leader == begin.leader);
  CHECK(begun.epoch == begin.epoch);
  CHECK(begun.voter == begin.voter);
  CHECK(begun.leader_endpoints == kEndpoints);
  CHECK(request_through(begin, 0).leader_endpoints.empty());
  CHECK(response_through(BeginQuorumEpochResponse{ErrorCode::kInvalidVoterKey, BrokerId(1), LeaderEpoch(4),
                                                  Endpoint{"node-1", 9093}},
                         1)
            .error == ErrorCode::kInvalidVoterKey);

  const EndQuorumEpochRequest end{
      BrokerId(1), LeaderEpoch(4), {{BrokerId(3), directory(33)}, {BrokerId(2), directory(22)}}, kEndpoints};
  CHECK(request_through(end, 1).preferred_successors == end.preferred_successors);
  const std::vector<ReplicaKey> ids{{BrokerId(3), DirectoryId()}, {BrokerId(2), DirectoryId()}};
  CHECK(request_through(end, 0).preferred_successors == ids);
  CHECK(
      response_through(EndQuorumEpochResponse{ErrorCode::kNone, BrokerId(1), LeaderEpoch(4), std::nullopt}, 1)
          .epoch == LeaderEpoch(4));
}

TEST_CASE("a fetch comes through in every version that knows of divergence") {
  const FetchRequest request{{BrokerId(5), directory(55)},
                             LeaderEpoch(9),
                             {Offset(120), LeaderEpoch(8)},
                             Offset(100),
                             milliseconds(500)};
  for (std::int16_t version = 12; version <= 18; ++version) {
    const FetchRequest read = request_through(request, version);
    CHECK(read.replica.id == BrokerId(5));
    CHECK(read.replica.directory == (version >= 17 ? directory(55) : DirectoryId()));
    CHECK(read.epoch == request.epoch);
    CHECK(read.position == request.position);
    CHECK(read.high_watermark ==
          (version >= 18 ? Offset(100) : Offset(std::numeric_limits<std::int64_t>::max())));
    CHECK(read.max_wait == milliseconds(500));
  }
  CHECK(to_wire(request, kContext, 18).max_bytes == 1000);
}

TEST_CASE("answers to a fetch come through: records, divergence, a snapshot") {
  FetchResponse response;
  response.leader = BrokerId(1);
  response.epoch = LeaderEpoch(9);
  response.high_watermark = Offset(77);
  response.leader_endpoint = Endpoint{"node-1", 9093};
  for (std::int16_t version = 12; version <= 18; ++version) {
    Bytes bytes;
    const Bytes batch{0, 0, 0, 0, 0, 0, 1, 2, 9, 9};
    protocol::FetchResponse wire = to_wire(response, version);
    wire.responses[0].partitions[0].records->bytes = batch;
    FetchResponse read = from_wire(through(wire, version, bytes));
    CHECK(read.leader == BrokerId(1));
    CHECK(read.epoch == LeaderEpoch(9));
    CHECK(read.high_watermark == Offset(77));
    CHECK(read.records_from == Offset(258));
    CHECK_FALSE(read.diverging);
    CHECK_FALSE(read.snapshot);
    CHECK(read.leader_endpoint.has_value() == (version >= 16));
  }
  response.diverging = LogPosition{Offset(30), LeaderEpoch(0)};
  CHECK(response_through(response, 17).diverging == response.diverging);
  CHECK_FALSE(response_through(response, 17).records_from);
  response.diverging.reset();
  response.snapshot = SnapshotId{Offset(40), LeaderEpoch(3)};
  CHECK(response_through(response, 17).snapshot == response.snapshot);
}

TEST_CASE("a snapshot's pieces come through") {
  const SnapshotId id{Offset(40), LeaderEpoch(3)};
  const FetchSnapshotRequest request{{BrokerId(5), directory(55)}, LeaderEpoch(9), id, 700};
  const FetchSnapshotRequest read = request_through(request, 1);
  CHECK(read.replica == request.replica);
  CHECK(read.id == id);
  CHECK(read.position == 700);
  CHECK(request_through(request, 0).replica.directory == DirectoryId());
  CHECK(to_wire(request, kContext, 1).max_bytes == 2000);

  const FetchSnapshotResponse response{ErrorCode::kNone,        BrokerId(1), LeaderEpoch(9), id, 1000, 700, 0,
                                       Endpoint{"node-1", 9093}};
  protocol::FetchSnapshotResponse wire = to_wire(response, 1);
  const Bytes piece(300, 7);
  wire.topics[0].partitions[0].unaligned_records.bytes = piece;
  Bytes bytes;
  const FetchSnapshotResponse back = from_wire(through(wire, 1, bytes));
  CHECK(back.id == id);
  CHECK(back.size == 1000);
  CHECK(back.position == 700);
  CHECK(back.bytes == 300);
  CHECK(back.leader_endpoint == response.leader_endpoint);
}

TEST_CASE("changes of the voters come through") {
  Voter voter;
  voter.key = {BrokerId(4), directory(44)};
  voter.endpoints = kEndpoints;
  const AddRaftVoterRequest add{voter, milliseconds(3000), false};
  const AddRaftVoterRequest added = request_through(add, 1);
  CHECK(added.voter == voter);
  CHECK(added.timeout == milliseconds(3000));
  CHECK_FALSE(added.ack_when_committed);
  CHECK(request_through(add, 0).ack_when_committed);
  CHECK(request_through(RemoveRaftVoterRequest{voter.key}, 0).voter == voter.key);
  const UpdateRaftVoterRequest updated = request_through(UpdateRaftVoterRequest{LeaderEpoch(5), voter}, 0);
  CHECK(updated.epoch == LeaderEpoch(5));
  CHECK(updated.voter == voter);

  Bytes bytes;
  const ChangeRaftVoterResponse refusal{ErrorCode::kDuplicateVoter, "it votes"};
  CHECK(from_wire(through(to_wire_add(refusal), 1, bytes)).error == ErrorCode::kDuplicateVoter);
  CHECK(from_wire(through(to_wire_remove(refusal), 0, bytes)).message == "it votes");
  const UpdateRaftVoterResponse answer{ErrorCode::kNone, BrokerId(1), LeaderEpoch(5),
                                       Endpoint{"node-1", 9093}};
  CHECK(response_through(answer, 0).leader_endpoint == answer.leader_endpoint);
  CHECK(response_through(answer, 0).epoch == LeaderEpoch(5));

  protocol::ApiVersionsResponse versions;
  auto& feature = versions.supported_features.emplace_back();
  feature.name = "kraft.version";
  feature.max_version = 1;
  CHECK(from_wire(through(versions, 4, bytes)).max == 1);
  CHECK(from_wire(protocol::ApiVersionsResponse()).max == 0);
}

TEST_CASE("a request of another cluster or about another partition is refused, and the answer says so") {
  const WireContext other{"cluster-b", 1000, 1000};
  const VoteRequest request{{BrokerId(2), directory(22)}, LeaderEpoch(7), {}, false, kNoReplica};
  protocol::VoteRequest wire = to_wire(request, kContext, 2);
  CHECK(from_wire(wire, other).error().code == ErrorCode::kInconsistentClusterId);
  wire.cluster_id.reset();
  CHECK(from_wire(wire, other));
  wire.topics[0].topic_name = "another";
  const auto refused = from_wire(wire, kContext);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalidRequest);
  const VoteResponse read = from_wire(refuse<protocol::VoteResponse>(refused.error()));
  CHECK(read.error == ErrorCode::kInvalidRequest);
  CHECK(read.epoch == kNoLeaderEpoch);

  protocol::FetchRequest fetch = to_wire(FetchRequest{}, kContext, 17);
  fetch.topics[0].partitions[0].partition = 1;
  CHECK(from_wire(fetch, kContext).error().code == ErrorCode::kInvalidRequest);
  CHECK(from_wire(to_wire(RemoveRaftVoterRequest{}, kContext, 0), other).error().code ==
        ErrorCode::kInconsistentClusterId);
}
