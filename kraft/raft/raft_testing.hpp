// For raft's unit tests: a RaftNode with a log in memory, whose effects are carried out at once.
#pragma once

#include <catch2/catch.hpp>
#include <vector>

#include "kraft/raft/raft_node.hpp"

namespace barnabas::kraft {

inline DirectoryId directory_of(int id) {
  return DirectoryId(Uuid::of_low(1000 + static_cast<std::uint64_t>(id)));
}
inline ReplicaKey key_of(int id) {
  return {BrokerId(id), directory_of(id)};
}
inline Voter voter_of(int id) {
  return {key_of(id), {{"CONTROLLER", {"node-" + std::to_string(id), 9093}}}};
}
inline VoterSet voters_of(std::initializer_list<int> ids) {
  VoterSet set;
  for (const int id : ids) set.voters.push_back(voter_of(id));
  return set;
}

/// Holds epochs only: what records say is no matter of raft.
struct TestLog final : RaftLogView {
  Offset first;
  std::vector<LeaderEpoch> epochs;
  std::vector<SnapshotId> snapshots;

  [[nodiscard]] Offset start() const override { return first; }
  [[nodiscard]] LogPosition position() const {
    return {first + std::ssize(epochs), epochs.empty() ? kNoLeaderEpoch : epochs.back()};
  }
  [[nodiscard]] LogPosition end_of_epoch(LeaderEpoch epoch) const override {
    LogPosition found{first, LeaderEpoch(0)};
    for (std::size_t i = 0; i < epochs.size(); ++i)
      if (epochs[i] <= epoch) found = {first + static_cast<std::int64_t>(i + 1), epochs[i]};
    return found;
  }
  [[nodiscard]] std::optional<SnapshotId> earliest_snapshot() const override {
    return snapshots.empty() ? std::nullopt : std::optional(snapshots.front());
  }
  [[nodiscard]] std::optional<SnapshotId> latest_snapshot() const override {
    return snapshots.empty() ? std::nullopt : std::optional(snapshots.back());
  }
  [[nodiscard]] std::optional<std::int64_t> snapshot_size(const SnapshotId& id) const override {
    for (const SnapshotId& known : snapshots)
      if (known == id) return 1000;
    return std::nullopt;
  }
  /// A log with `counts[i]` records of epoch i + 1.
  void fill(std::initializer_list<int> counts) {
    int epoch = 0;
    for (const int count : counts)
      epochs.insert(epochs.end(), static_cast<std::size_t>(count), LeaderEpoch(++epoch));
  }
};

class TestNode {
 public:
  using Time = std::chrono::nanoseconds;
  TestLog log;
  SeededRandom random{7};
  Time now{0};
  RaftOptions options;
  QuorumState stored;
  std::optional<RaftNode> node;
  std::vector<RaftControlRecord> appended;
  bool syncs = true;

  explicit TestNode(int id, VoterSet voters, std::int16_t kraft_version = 1) {
    options.local = key_of(id);
    options.voters = std::move(voters);
    options.kraft_version = kraft_version;
    options.local_endpoints = voter_of(id).endpoints;
  }
  TestNode(const TestNode&) = delete;
  TestNode& operator=(const TestNode&) = delete;

  void start() {
    options.log_view = &log;
    options.random = &random;
    auto created = RaftNode::create(options, stored, log.position());
    REQUIRE(created);
    node.emplace(std::move(*created));
  }
  /// The messages that leave.
  std::vector<AddressedMessage> step(const RaftInput& input) {
    if (!node) start();
    const Ready ready = node->step(input, now);
    const char* broken = node->check_invariants();
    INFO((broken == nullptr ? "" : broken));
    REQUIRE(broken == nullptr);
    std::vector<AddressedMessage> messages;
    const auto also = [&](std::vector<AddressedMessage> more) {
      messages.insert(messages.end(), more.begin(), more.end());
    };
    if (ready.persist) {
      stored = *ready.persist;
      also(step(StatePersisted{stored}));
    }
    if (ready.truncate) {
      log.epochs.resize(static_cast<std::size_t>(*ready.truncate - log.first));
      also(step(LogTruncated{log.position()}));
    }
    for (const RaftControlRecord& record : ready.append) appended.push_back(record);
    if (!ready.append.empty()) also(append(ready.append.size(), node->epoch()));
    messages.insert(messages.end(), ready.messages.begin(), ready.messages.end());
    last = ready;
    return messages;
  }
  Ready last;

  std::vector<AddressedMessage> append(std::size_t count, LeaderEpoch epoch) {
    log.epochs.insert(log.epochs.end(), count, epoch);
    std::vector<AddressedMessage> messages = step(LogAppended{log.position()});
    if (!syncs) return messages;
    for (AddressedMessage& message : step(LogSynced{log.position().end}))
      messages.push_back(std::move(message));
    return messages;
  }
  std::vector<AddressedMessage> wait(std::chrono::milliseconds time) {
    now += time;
    return step(Tick{});
  }
  std::vector<AddressedMessage> receive(int peer, RaftMessage message, std::uint64_t correlation = 1) {
    return step(MessageReceived{{BrokerId(peer), correlation, std::move(message)}});
  }
  /// The answer of `peer` to the request among `sent` that went to it.
  std::vector<AddressedMessage> answer(const std::vector<AddressedMessage>& sent, int peer,
                                       RaftMessage message) {
    for (const AddressedMessage& request : sent) {
      const bool is_request =
          std::visit([](const auto& specific) { return !requires { specific.error; }; }, request.message);
      if (is_request && request.peer == BrokerId(peer))
        return receive(peer, std::move(message), request.correlation);
    }
    FAIL("nothing was sent to " << peer);
    return {};
  }
  VoteResponse vote(bool granted) const {
    VoteResponse response;
    response.epoch = node->epoch();
    response.granted = granted;
    return response;
  }
  /// Elects it by the vote of `voter`.
  std::vector<AddressedMessage> lead(int voter) {
    if (!node) start();
    (void)step(Tick{});
    const auto pre_votes = wait(std::chrono::milliseconds(2001));
    const auto votes = answer(pre_votes, voter, vote(true));
    auto sent = answer(votes, voter, vote(true));
    REQUIRE(node->role() == RaftRole::kLeader);
    return sent;
  }
  FetchRequest fetch_of(int replica, std::int64_t end, int last_epoch) const {
    FetchRequest request;
    request.replica = key_of(replica);
    request.epoch = node->epoch();
    request.position = {Offset(end), LeaderEpoch(last_epoch)};
    request.high_watermark = node->high_watermark();
    request.max_wait = std::chrono::milliseconds(500);
    return request;
  }
};

template <class Message>
const Message* find_message(const std::vector<AddressedMessage>& messages, int peer) {
  for (const AddressedMessage& message : messages)
    if (message.peer == BrokerId(peer))
      if (const auto* found = std::get_if<Message>(&message.message)) return found;
  return nullptr;
}

}  // namespace barnabas::kraft
