#include "kraft/quorum_testing.hpp"

#include <catch2/catch.hpp>

#include "log/log_manager.hpp"

namespace barnabas::kraft {

namespace {

DirectoryId directory_of(int id) {
  return DirectoryId(Uuid::of_low(1000 + static_cast<std::uint64_t>(id)));
}
Endpoint endpoint_of(int id) {
  return {"node-" + std::to_string(id), 9093};
}

/// What a node of another cluster answers.
RaftMessage refusal_of(const RaftMessage& request) {
  const auto refused = []<class Answer>(Answer answer) -> RaftMessage {
    answer.error = ErrorCode::kInconsistentClusterId;
    answer.epoch = kNoLeaderEpoch;
    return answer;
  };
  if (std::holds_alternative<VoteRequest>(request)) return refused(VoteResponse());
  if (std::holds_alternative<BeginQuorumEpochRequest>(request)) return refused(BeginQuorumEpochResponse());
  if (std::holds_alternative<EndQuorumEpochRequest>(request)) return refused(EndQuorumEpochResponse());
  return refused(FetchResponse());
}

}  // namespace

QuorumFixture::QuorumFixture(QuorumFixtureOptions options) : options_(options) {
  for (int id = 1; id <= options_.initial_voters; ++id) {
    Voter voter;
    voter.key.id = BrokerId(id);
    if (!options_.is_static) voter.key.directory = directory_of(id);
    voter.endpoints.push_back({"CONTROLLER", endpoint_of(id)});
    voters_.voters.push_back(std::move(voter));
  }
  for (int id = 1; id <= options_.controllers + options_.observers; ++id) {
    auto member = std::make_unique<Member>();
    member->quorum = this;
    member->id = id;
    member->random = std::make_unique<SeededRandom>(static_cast<std::uint64_t>(id) * 977);
    member->options.directory = "/data";
    member->options.node_id = BrokerId(id);
    member->options.is_controller = id <= options_.controllers;
    member->options.controller.cluster_id = kTestClusterId;
    member->options.controller_listener = "CONTROLLER";
    if (options_.is_static)
      member->options.static_voters = voters_;
    else
      member->options.bootstrap_servers = static_cast<std::size_t>(options_.initial_voters);
    if (member->options.is_controller)
      member->options.controller_endpoints = {{"CONTROLLER", endpoint_of(id), 0}};
    format(*member);
    members_.push_back(std::move(member));
  }
}

QuorumFixture::~QuorumFixture() {
  for (auto& member : members_) member->node.reset();
}

void QuorumFixture::format(Member& member) {
  FormatOptions format;
  format.cluster_id = kTestClusterId;
  format.node_id = BrokerId(member.id);
  format.log_directories = {"/data"};
  format.metadata_directory = "/data";
  const bool is_voter = member.id <= options_.initial_voters;
  if (!options_.is_static)
    format.voters = is_voter ? FormatOptions::Voters::kInitial : FormatOptions::Voters::kNone;
  format.initial_voters = voters_;
  const auto formatted = format_storage(member.files, clock, *member.random, format);
  REQUIRE(formatted);
}

Result<void> QuorumFixture::start(int id) {
  Member& member = this->member(id);
  const auto properties = TRY(log::read_meta_properties(member.files, "/data"));
  member.options.directory_id = properties->directory_id;
  member.node = TRY(
      MetadataNode::open({member.files, clock, *member.random, configs, &member}, member.options,
                         [&member](const MetadataImagePtr& image, const MetadataChanges& changes) {
                           REQUIRE((member.images.empty() || image->offset > member.images.back()->offset));
                           member.images.push_back(image);
                           member.last_changes = changes;
                         }));
  ++member.life;
  member.images.clear();
  member.failure.reset();
  member.due = clock.monotonic();
  return {};
}

void QuorumFixture::start_all() {
  for (const auto& member : members_) {
    const auto started = start(member->id);
    INFO((started ? std::string() : started.error().detail));
    REQUIRE(started);
  }
}

void QuorumFixture::crash(int id) {
  member(id).node.reset();
  SeededRandom chance(static_cast<std::uint64_t>(clock.now_ms));
  member(id).files.crash(chance);
}

void QuorumFixture::stop(int id) {
  REQUIRE(node(id).resign());
  (void)run_until([&] { return node(id).may_stop(); }, 1000);
  REQUIRE(node(id).close());
  member(id).node.reset();
}

void QuorumFixture::move_to_another_disk(int id) {
  MemoryFileSystem& files = member(id).files;
  std::string properties = *files.read_file("/data/meta.properties");
  const std::string own = member(id).options.directory_id.value().to_string();
  properties.replace(properties.find(own), own.size(), Uuid::of_low(7700).to_string());
  REQUIRE(files.write_file_atomically("/data/meta.properties", properties));
}

void QuorumFixture::Member::ask(QuorumRequest request) {
  Packet packet;
  packet.from = id;
  packet.peer = request.peer;
  packet.correlation = request.correlation;
  packet.to = request.peer < kNoBroker ? -1 - request.peer.value() : request.peer.value();
  packet.life = life;
  if (request.peer >= BrokerId(0)) REQUIRE_FALSE(request.endpoints.empty());
  packet.request = std::move(request);
  quorum->packets_.push_back(std::move(packet));
}

void QuorumFixture::deliver(Packet packet) {
  if (!packet.request) {
    Member& asker = member(packet.from);
    if (!asker.node || asker.life != packet.life || is_cut(packet.from, packet.to)) return;
    asker.node->receive_answer(packet.peer, packet.correlation, std::move(packet.answer));
    asker.due = clock.monotonic();
    return;
  }
  Member& target = member(packet.to);
  Member& asker = member(packet.from);
  const bool is_elsewhere = bootstrap_is_elsewhere && packet.peer < kNoBroker;
  if (!is_elsewhere && (!target.node || is_cut(packet.from, packet.to))) {
    if (!asker.node || asker.life != packet.life) return;
    asker.node->receive_failure(packet.peer, packet.correlation,
                                target.node ? QuorumFailure::kLost : QuorumFailure::kRefused);
    asker.due = clock.monotonic();
    return;
  }
  if (is_elsewhere || (packet.from == stranger) != (packet.to == stranger)) {
    packet.answer = {refusal_of(packet.request->message), {}};
    packet.request.reset();
    packets_.push_back(std::move(packet));
    return;
  }
  constexpr std::int32_t kMostBytes = 700;
  RaftMessage message = std::move(packet.request->message);
  packet.request.reset();
  target.node->receive(BrokerId(packet.from), std::move(message), kMostBytes,
                       [this, packet](QuorumAnswer answer) mutable {
                         packet.answer = std::move(answer);
                         packets_.push_back(packet);
                       });
  target.due = clock.monotonic();
}

void QuorumFixture::run_ms(int ms) {
  for (int i = 0; i < ms; ++i) {
    ++clock.now_ms;
    std::deque<Packet> packets;
    packets.swap(packets_);
    for (Packet& packet : packets) deliver(std::move(packet));
    for (const auto& member : members_) {
      if (!member->node || member->failure || member->due > clock.monotonic()) continue;
      const auto due = member->node->run_once(clock.monotonic());
      if (due)
        member->due = *due;
      else
        member->failure = due.error();
    }
  }
}

int QuorumFixture::leader() const {
  for (const auto& member : members_)
    if (member->node && !cut_.contains(member->id) && member->node->is_active_controller()) return member->id;
  return 0;
}

int QuorumFixture::wait_for_leader() {
  REQUIRE(run_until([this] { return leader() != 0; }));
  return leader();
}

bool QuorumFixture::wait_until_equal() {
  const int id = wait_for_leader();
  return run_until([this, id] {
    for (const auto& member : members_) {
      if (!member->node || cut_.contains(member->id)) continue;
      if (!member->node->is_caught_up()) return false;
      if (!same_content(*member->node->image(), *node(id).image())) return false;
    }
    return true;
  });
}

QuorumFixture::Outcome QuorumFixture::set_quota(int id, const std::string& user, double bytes) {
  protocol::AlterClientQuotasRequest request;
  auto& entry = request.entries.emplace_back();
  entry.entity.push_back({"user", user});
  auto& op = entry.ops.emplace_back();
  op.key = "producer_byte_rate";
  op.value = bytes;
  auto outcome = std::make_shared<std::optional<ErrorCode>>();
  node(id).submit(std::move(request), [outcome](const protocol::AlterClientQuotasResponse& response) {
    *outcome = static_cast<ErrorCode>(response.entries.at(0).error_code);
  });
  member(id).due = clock.monotonic();
  return outcome;
}

ErrorCode QuorumFixture::set_quota_now(int id, const std::string& user) {
  const Outcome outcome = set_quota(id, user);
  REQUIRE(run_until([&] { return outcome->has_value(); }));
  return **outcome;
}

bool QuorumFixture::has_quota(int id, const std::string& user) {
  return node(id).image()->quotas->contains(QuotaEntity{{"user", user}});
}

}  // namespace barnabas::kraft
