// GroupWorker: a process of a simulated cluster's users: it is a member of a group and reads, under
// read_committed, the partitions that it has, each from where the group stands.
//
// Owned by the ClusterCrowd, which ends it by crashing its host and then destroying it; so it must not be
// destroyed within one of its own events. Not thread-safe. It does one thing after the other: it takes a
// piece of a partition, works on it, and goes on.
#pragma once

#include "protocol/messages/api_fetch.hpp"
#include "simulation/coordinators/group_member.hpp"
#include "simulation/coordinators/transaction_checks.hpp"
#include "simulation/nodes/written_record.hpp"

namespace barnabas::simulation {

struct CoordinatorChecks {
  GroupChecks& groups;
  TransactionChecks& transactions;
};

class GroupWorker : public CoordinatedClient {
 public:
  GroupWorker(ClientSurroundings surroundings, std::string host, CoordinatorChecks checks,
              MembershipOptions options);

  virtual void start();
  void leave(std::function<void()> done) { member_->leave(std::move(done)); }
  /// Fenced: it does nothing any more.
  [[nodiscard]] virtual bool is_over() const { return member_->is_over(); }
  /// What befalls it now befalls it in the middle of something.
  [[nodiscard]] virtual bool is_busy() const { return true; }
  [[nodiscard]] const GroupMember& member() const { return *member_; }

 protected:
  /// What was read of a partition; the records are those that count.
  struct Taken {
    TopicPartition partition;
    std::uint64_t tenure = 0;
    Offset from;
    Offset next;
    LeaderEpoch epoch;  // of the leader that it was read from
    std::vector<std::pair<Offset, WrittenRecord>> records;
  };

  /// Ends with a call of go_on(), now or later.
  virtual void process(Taken taken) = 0;
  void go_on();
  /// The partition was not given up since.
  [[nodiscard]] bool still_owns(const Taken& taken) const;
  /// Where the group stands is asked for anew.
  void forget_position(const TopicPartition& partition) { positions_.erase(partition); }
  [[nodiscard]] CoordinatorChecks& coordinator_checks() { return checks_; }
  void on_metadata() override {}

 private:
  /// As clients do (KIP-320), it does not ask a leader older than the one that its position is from.
  struct Position {
    std::uint64_t tenure = 0;
    Offset offset;
    LeaderEpoch epoch = kNoLeaderEpoch;
  };
  using FetchAnswer = Result<broker::PeerAnswer<protocol::FetchResponse>>;

  void look_for_metadata();
  void take_next();
  void ask_where(const TopicPartition& partition);
  void fetch(const TopicPartition& partition);
  void on_fetched(const TopicPartition& partition, Position from, const FetchAnswer& answer);
  void take(Taken& taken, const protocol::FetchResponse::PartitionData& data);
  void pause_a_little();

  CoordinatorChecks checks_;
  std::unique_ptr<GroupMember> member_;
  std::map<TopicPartition, Position> positions_;
};

}  // namespace barnabas::simulation
