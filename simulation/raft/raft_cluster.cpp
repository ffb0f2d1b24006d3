#include "simulation/raft/raft_cluster.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/check.hpp"

namespace barnabas::simulation {

using namespace kraft;  // NOLINT: the simulation speaks raft throughout
using std::chrono::microseconds;
using std::chrono::milliseconds;

namespace {
/// Who asks for voter changes: no replica.
constexpr BrokerId kAdmin{1000};
constexpr std::int64_t kSnapshotPiece = 600;
constexpr std::size_t kBootstrapServers = 2;

DirectoryId directory_of(std::size_t replica) {
  return DirectoryId(Uuid::of_low(1000 + replica));
}
bool is_response(const RaftMessage& message) {
  return std::visit([](const auto& specific) { return requires { specific.error; }; }, message);
}
}  // namespace

RaftCluster::RaftCluster(std::uint64_t seed, RaftClusterOptions options)
    : options_(options),
      random_(seed),
      replicas_(options.replicas),
      cut_(options.replicas * options.replicas) {
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    replicas_[i].random = std::make_unique<SeededRandom>(random_.next());
    restart(i);
  }
}

Voter RaftCluster::voter(std::size_t replica) const {
  Voter voter;
  voter.key.id = BrokerId(static_cast<std::int32_t>(replica));
  voter.key.directory = directory_of(replica);
  const int port = 9093 + replicas_[replica].endpoint_version;
  voter.endpoints.push_back(
      {"CONTROLLER", {fmt::format("node-{}", replica), static_cast<std::uint16_t>(port)}});
  return voter;
}

/// Voters and their place: of the last record in the log, of the snapshot, or what the format wrote.
RaftOptions RaftCluster::raft_options(std::size_t replica) const {
  const Replica& self = replicas_[replica];
  RaftOptions options;
  options.local = {BrokerId(static_cast<std::int32_t>(replica)), directory_of(replica)};
  options.log_view = &self.disk;
  options.random = self.random.get();
  options.timeouts = options_.timeouts;
  options.local_endpoints = voter(replica).endpoints;
  options.bootstrap_servers = std::min(kBootstrapServers, replicas_.size());
  options.auto_join = options_.auto_join;
  options.kraft_version = options_.kraft_version;
  const bool is_formatted_as_voter = replica < options_.initial_voters;
  if (options_.kraft_version == 0 || is_formatted_as_voter) {
    for (std::size_t i = 0; i < options_.initial_voters; ++i) {
      Voter initial = voter(i);
      initial.endpoints[0].endpoint.port = 9093;
      if (options_.kraft_version == 0) initial.key.directory = DirectoryId();
      options.voters.voters.push_back(std::move(initial));
    }
    options.write_voters = options_.kraft_version > 0;
  }
  if (const auto id = self.disk.latest_snapshot()) {
    const SimulatedSnapshot& snapshot = *self.disk.snapshot(*id);
    if (snapshot.voters) {
      options.voters = *snapshot.voters;
      options.kraft_version = snapshot.kraft_version;
      options.write_voters = false;
    }
  }
  for (Offset offset = self.disk.start(); offset < self.disk.end(); offset = offset + 1)
    if (const auto& control = self.disk.at(offset).control)
      options.logged_controls.push_back({offset, *control});
  return options;
}

void RaftCluster::restart(std::size_t replica) {
  Replica& self = replicas_[replica];
  if (self.node) return;
  ++self.incarnation;
  self.paused_until = Time(0);
  auto node = RaftNode::create(raft_options(replica), self.disk.quorum_state(), self.disk.position());
  CHECK(node.has_value(), "a replica starts");
  self.node.emplace(std::move(*node));
  checks_.restarted(replica, self.node->high_watermark());
  trace(replica, "starts");
  schedule({now_, 0, EventKind::kTick, replica, self.incarnation, self.tick_generation, nullptr});
}

void RaftCluster::crash(std::size_t replica) {
  Replica& self = replicas_[replica];
  if (!self.node) return;
  trace(replica, "crashes");
  self.node.reset();
  self.refuses = random_.below(3) > 0;
  if (self.refuses) reset_connections(replica);
  self.disk.crash(random_);
  self.receiving.reset();
  self.sync_is_due = false;
  if (random_.below(8) == 0) ++self.endpoint_version;  // it comes back elsewhere
}

void RaftCluster::reset_connections(std::size_t replica) {
  for (const std::shared_ptr<Packet>& request : open_requests_)
    if (request && request->to == replica && request->to_incarnation == replicas_[replica].incarnation)
      tell_failure(request, false);
}

void RaftCluster::tell_failure(const std::shared_ptr<Packet>& request, bool is_refused) {
  if (is_cut(request->from, request->to)) return;
  const Time delay = microseconds(50 + random_.below(2000));
  schedule({now_ + delay, 0, EventKind::kRequestFailed, request->from, request->from_incarnation, 0, request,
            is_refused});
}

void RaftCluster::pause(std::size_t replica, Time duration) {
  replicas_[replica].paused_until = now_ + duration;
}

void RaftCluster::heal() {
  mend();
  faults = RaftFaults();
}

void RaftCluster::resign(std::size_t replica) {
  if (is_up(replica)) step(replica, Resign{});
}

void RaftCluster::schedule(Event event) {
  event.sequence = ++sequence_;
  events_.push(std::move(event));
}

bool RaftCluster::run_until(Time until) {
  while (!failure_ && !events_.empty() && events_.top().at <= until) {
    Event event = events_.top();
    events_.pop();
    now_ = event.at;
    handle(event);
  }
  now_ = std::max(now_, until);
  return !failure_;
}

void RaftCluster::handle(const Event& event) {
  Replica& self = replicas_[event.replica];
  if (!self.node || self.incarnation != event.incarnation) {
    const bool is_open = event.kind == EventKind::kDeliver && !event.packet->is_response;
    if (is_open && (self.node || self.refuses)) tell_failure(event.packet, false);
    return;
  }
  if (self.paused_until > now_) {
    Event later = event;
    later.at = self.paused_until;
    return schedule(std::move(later));
  }
  switch (event.kind) {
    case EventKind::kTick:
      if (event.generation == self.tick_generation) step(event.replica, Tick{});
      break;
    case EventKind::kSync:
      self.sync_is_due = false;
      step(event.replica, LogSynced{self.disk.sync()});
      break;
    case EventKind::kDeliver:
      deliver(*event.packet);
      break;
    case EventKind::kRequestFailed:
      step(event.replica, RequestFailed{event.packet->asked_as, event.packet->correlation, event.is_refused});
      break;
  }
}

void RaftCluster::deliver(Packet& packet) {
  AddressedMessage message;
  message.message = packet.message;
  if (packet.is_response) {
    message.peer = packet.asked_as;
    message.correlation = packet.correlation;
  } else {
    open_requests_.push_back(std::make_shared<Packet>(packet));
    message.peer = BrokerId(static_cast<std::int32_t>(packet.from));
    message.correlation = open_requests_.size();
  }
  step(packet.to, MessageReceived{std::move(message)}, &packet);
}

void RaftCluster::step(std::size_t replica, const RaftInput& input, Packet* packet) {
  Replica& self = replicas_[replica];
  if (failure_ || !self.node) return;
  const std::uint64_t incarnation = self.incarnation;
  const RaftRole before = self.node->role();
  const LeaderEpoch epoch_before = self.node->epoch();
  Ready ready = self.node->step(input, now_ + self.clock_offset);
  const auto* failed = std::get_if<RequestFailed>(&input);
  if (failed != nullptr && failed->is_refused && before == RaftRole::kFollower &&
      self.node->role() == RaftRole::kProspective)
    ++counters_.early_elections;
  if (self.node->role() != before || self.node->epoch() != epoch_before)
    trace(replica,
          fmt::format("is {} in epoch {}", to_string(self.node->role()), self.node->epoch().value()));
  carry_out(replica, ready, packet);
  if (failure_ || !self.node || self.incarnation != incarnation) return;
  if (auto wrong = checks_.after_step(replica, *self.node, self.disk)) return fail(std::move(*wrong));
  ++self.tick_generation;
  if (!ready.deadline) return;
  const Time at = std::max(now_, *ready.deadline - self.clock_offset);
  schedule({at, 0, EventKind::kTick, replica, self.incarnation, self.tick_generation, nullptr});
}

/// A crash may come between any two effects.
bool RaftCluster::survives(std::size_t replica, std::uint64_t incarnation) {
  if (failure_ || !replicas_[replica].node || replicas_[replica].incarnation != incarnation) return false;
  if (faults.crash_in_step == 0 || !chance(faults.crash_in_step)) return true;
  crash(replica);
  return false;
}

void RaftCluster::carry_out(std::size_t replica, Ready& ready, Packet* packet) {
  Replica& self = replicas_[replica];
  const std::uint64_t incarnation = self.incarnation;
  if (ready.persist) {
    if (!survives(replica, incarnation)) return;
    self.disk.write_quorum_state(*ready.persist);
    if (!survives(replica, incarnation)) return;
    step(replica, StatePersisted{*ready.persist});
  }
  if (ready.truncate) {
    if (!survives(replica, incarnation)) return;
    ++counters_.truncations;
    trace(replica, fmt::format("truncates to {}", ready.truncate->value()));
    if (*ready.truncate < self.disk.start()) return fail("a log is truncated before its start");
    self.disk.truncate(*ready.truncate);
    step(replica, LogTruncated{self.disk.position()});
  }
  if (ready.append_received) {
    if (!survives(replica, incarnation)) return;
    append_received(replica, *packet);
  }
  if (ready.receive_snapshot) {
    if (!survives(replica, incarnation)) return;
    receive_snapshot(replica, *ready.receive_snapshot, *packet, ready.install_snapshot);
  }
  if (!ready.append.empty()) {
    if (!survives(replica, incarnation)) return;
    append_controls(replica, ready.append);
  }
  for (AddressedMessage& message : ready.messages) {
    if (!survives(replica, incarnation)) return;
    const auto* vote = std::get_if<VoteResponse>(&message.message);
    const bool is_fatal = vote != nullptr && vote->granted && chance(faults.crash_after_vote);
    send(replica, std::move(message));
    if (is_fatal) return crash(replica);
  }
}

void RaftCluster::append_controls(std::size_t replica, const std::vector<RaftControlRecord>& controls) {
  Replica& self = replicas_[replica];
  for (const RaftControlRecord& control : controls)
    self.disk.append({self.node->epoch(), next_value_++, std::make_shared<const RaftControlRecord>(control)});
  sync_later(replica);
  step(replica, LogAppended{self.disk.position()});
}

void RaftCluster::append_received(std::size_t replica, const Packet& packet) {
  Replica& self = replicas_[replica];
  LogAppended appended;
  for (const SimulatedRecord& record : packet.records) {
    if (record.control) appended.controls.push_back({self.disk.end(), *record.control});
    self.disk.append(record);
  }
  appended.position = self.disk.position();
  sync_later(replica);
  step(replica, appended);
}

void RaftCluster::receive_snapshot(std::size_t replica, const SnapshotId& id, const Packet& packet,
                                   bool is_whole) {
  Replica& self = replicas_[replica];
  if (!packet.snapshot || packet.snapshot->id != id) return fail("a snapshot piece without its snapshot");
  if (!is_whole) return;
  if (auto wrong = checks_.installed(*packet.snapshot)) return fail(std::move(*wrong));
  ++counters_.snapshots_installed;
  trace(replica, fmt::format("installs the snapshot that ends at {}", id.end.value()));
  self.disk.install(*packet.snapshot);
  step(replica, SnapshotInstalled{id, packet.snapshot->voters, packet.snapshot->kraft_version});
}

void RaftCluster::append_data(std::size_t most) {
  for (std::size_t i = 0; i < size(); ++i) {
    Replica& self = replicas_[i];
    if (!self.node || self.paused_until > now_ || self.node->role() != RaftRole::kLeader) continue;
    if (self.node->log().last_epoch != self.node->epoch()) continue;
    const std::size_t count = 1 + random_.below(most);
    for (std::size_t n = 0; n < count; ++n) self.disk.append({self.node->epoch(), next_value_++});
    sync_later(i);
    step(i, LogAppended{self.disk.position()});
  }
}

void RaftCluster::sync_later(std::size_t replica) {
  Replica& self = replicas_[replica];
  if (self.sync_is_due) return;
  self.sync_is_due = true;
  const Time quick = microseconds(100 + random_.below(4000));
  const Time slow = milliseconds(50 + random_.below(1500));
  schedule({now_ + (chance(faults.slow_sync) ? slow : quick), 0, EventKind::kSync, replica, self.incarnation,
            0, nullptr});
}

void RaftCluster::snapshot(std::size_t replica) {
  Replica& self = replicas_[replica];
  if (!self.node) return;
  SimulatedSnapshot snapshot;
  // Only of what is on disk: a crash must not leave other records below a snapshot's end.
  snapshot.id.end = std::min(self.node->high_watermark(), self.node->synced_end());
  if (snapshot.id.end <= self.disk.start()) return;
  snapshot.id.epoch = self.disk.at(snapshot.id.end - 1).epoch;
  snapshot.digest = checks_.digest(snapshot.id.end);
  snapshot.size = 100 + static_cast<std::int64_t>(random_.below(2000));
  // The voters at its end, which later records of the log may have changed already.
  snapshot.kraft_version = options_.kraft_version;
  if (const auto before = self.disk.latest_snapshot()) {
    snapshot.voters = self.disk.snapshot(*before)->voters;
    snapshot.kraft_version = self.disk.snapshot(*before)->kraft_version;
  }
  for (Offset at = self.disk.start(); at < snapshot.id.end; at = at + 1) {
    const auto& control = self.disk.at(at).control;
    if (!control) continue;
    if (const auto* voters = std::get_if<VotersControl>(control.get())) snapshot.voters = voters->voters;
    if (const auto* version = std::get_if<KraftVersionControl>(control.get()))
      snapshot.kraft_version = version->version;
  }
  if (snapshot.kraft_version > 0 && !snapshot.voters) return;
  const SnapshotId id = snapshot.id;
  self.disk.add_snapshot(std::move(snapshot));
  if (random_.below(2) == 0) self.disk.delete_before(id);
}

void RaftCluster::change_voters(const RaftMessage& request) {
  for (std::size_t i = 0; i < size(); ++i) {
    if (!is_up(i) || replicas_[i].paused_until > now_ || node(i).role() != RaftRole::kLeader) continue;
    step(i, MessageReceived{{kAdmin, 0, request}});
  }
}

void RaftCluster::upgrade_kraft_version() {
  for (std::size_t i = 0; i < size(); ++i) {
    if (!is_up(i) || replicas_[i].paused_until > now_ || !node(i).can_upgrade_kraft_version()) continue;
    ++counters_.version_upgrades;
    trace(i, "raises kraft.version");
    step(i, UpgradeKraftVersion{});
  }
}

void RaftCluster::send(std::size_t replica, AddressedMessage message) {
  auto packet = std::make_shared<Packet>();
  packet->message = std::move(message.message);
  packet->from = replica;
  packet->from_incarnation = replicas_[replica].incarnation;
  packet->is_response = is_response(packet->message);
  if (!packet->is_response) {
    const std::int32_t peer = message.peer.value();
    packet->to = static_cast<std::size_t>(peer >= 0 ? peer : -2 - peer);
    packet->asked_as = message.peer;
    packet->correlation = message.correlation;
    packet->to_incarnation = replicas_[packet->to].incarnation;
    return transmit(packet);
  }
  if (message.peer == kAdmin) {
    const auto& answer = std::get<ChangeRaftVoterResponse>(packet->message);
    if (answer.error == ErrorCode::kNone) ++counters_.voter_changes;
    return;
  }
  const std::shared_ptr<Packet> request = std::move(open_requests_[message.correlation - 1]);
  if (!request) return fail("a request is answered twice");
  packet->to = request->from;
  packet->to_incarnation = request->from_incarnation;
  packet->asked_as = request->asked_as;
  packet->correlation = request->correlation;
  const SimulatedRaftDisk& disk = replicas_[replica].disk;
  if (auto* fetch = std::get_if<FetchResponse>(&packet->message); fetch != nullptr) {
    const auto& follower = replicas_[packet->to].node;
    if (auto wrong = follower ? RaftChecks::told(*fetch, *follower) : std::nullopt)
      return fail(std::move(*wrong));
    if (fetch->records_from) {
      if (*fetch->records_from < disk.start()) return;  // cleaned away meanwhile: the connection breaks
      packet->records = disk.read(*fetch->records_from, 1 + random_.below(options_.most_records_a_fetch));
    }
  }
  if (auto* piece = std::get_if<FetchSnapshotResponse>(&packet->message);
      piece != nullptr && piece->error == ErrorCode::kNone) {
    packet->snapshot = *disk.snapshot(piece->id);
    piece->bytes = std::min(kSnapshotPiece, piece->size - piece->position);
  }
  transmit(packet);
}

void RaftCluster::transmit(const std::shared_ptr<Packet>& packet) {
  const bool is_refused = !packet->is_response && !is_up(packet->to) && replicas_[packet->to].refuses &&
                          !is_cut(packet->from, packet->to);
  if (is_refused) return tell_failure(packet, true);
  const std::size_t asker = packet->is_response ? packet->to : packet->from;
  const bool is_lost = cut_[packet->from * size() + packet->to] || chance(faults.message_loss) ||
                       (!packet->is_response && !is_up(packet->to)) || packet->from == packet->to;
  const Time quick = microseconds(100 + random_.below(10000));
  const Time slow = milliseconds(10 + random_.below(3000));
  const Time delay = chance(faults.message_delay) ? slow : quick;
  if (!is_lost)
    return schedule({now_ + delay, 0, EventKind::kDeliver, packet->to, packet->to_incarnation, 0, packet});
  // Lost with a reset that the asker sees, or without a word.
  if (random_.below(2) == 0)
    schedule({now_ + delay, 0, EventKind::kRequestFailed, asker, replicas_[asker].incarnation, 0, packet});
}

std::optional<std::size_t> RaftCluster::active_leader() const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < size(); ++i)
    if (is_up(i) && node(i).is_active_leader() && (!best || node(i).epoch() > node(*best).epoch())) best = i;
  return best;
}

void RaftCluster::fail(std::string what) {
  if (!failure_) failure_ = fmt::format("at {} ms: {}", now_.count() / 1000000, what);
}

void RaftCluster::trace(std::size_t replica, std::string_view what) {
  constexpr std::uint64_t kPrime = 0x100000001b3;
  for (const char c : what) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * kPrime;
  digest_ = (digest_ ^ static_cast<std::uint64_t>(now_.count()) ^ replica) * kPrime;
  if (options_.trace)
    fmt::print("{:>12.3f} ms  node {} {}\n", static_cast<double>(now_.count()) / 1e6, replica, what);
}

}  // namespace barnabas::simulation
