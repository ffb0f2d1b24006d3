// GroupMember: a client's membership in a consumer group, by the classic or by the consumer protocol.
//
// Owned by the GroupWorker, whose connections it uses and who outlives it. Not thread-safe. What it has at
// the moment is in owned(), by its own view: until it knows better, also when the group has long gone on
// without it. Each time it gets a partition that tenure has a number of its own. The checks are told what it
// is assigned. Source: KIP-345, KIP-394, KIP-848.
#pragma once

#include <memory>
#include <optional>
#include <set>

#include "simulation/coordinators/coordinated_client.hpp"
#include "simulation/coordinators/group_checks.hpp"

namespace barnabas::simulation {

enum class GroupProtocol : std::uint8_t { kClassic, kConsumer };

struct MembershipOptions {
  std::string group;
  std::string topic;
  GroupProtocol protocol = GroupProtocol::kClassic;
  std::optional<std::string> instance;  // of a static member
};

class GroupMember {
 public:
  GroupMember(CoordinatedClient& client, GroupChecks& checks, MembershipOptions options)
      : client_(client), checks_(checks), options_(std::move(options)) {}
  virtual ~GroupMember() = default;
  GroupMember(const GroupMember&) = delete;
  GroupMember& operator=(const GroupMember&) = delete;

  virtual void start() = 0;
  /// Tells the group, and is not started again.
  virtual void leave(std::function<void()> done) = 0;

  [[nodiscard]] const std::map<TopicPartition, std::uint64_t>& owned() const { return owned_; }
  /// 0 for a partition that it does not have.
  [[nodiscard]] std::uint64_t tenure(const TopicPartition& partition) const;
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] std::int32_t epoch() const { return epoch_; }
  [[nodiscard]] const MembershipOptions& options() const { return options_; }
  /// Another has taken its place as the static member.
  [[nodiscard]] bool is_over() const { return is_over_; }

 protected:
  [[nodiscard]] CoordinatorOf coordinator() const { return {CoordinatorKind::kGroup, options_.group}; }
  [[nodiscard]] CoordinatedClient& client() { return client_; }
  /// By what is known, 0 while the topic is not there.
  [[nodiscard]] std::int32_t partitions() const;
  void joined(std::string id, std::int32_t epoch);
  void known_as(std::string id) { id_ = std::move(id); }
  /// Has these, and no others, in its epoch.
  void own(const std::set<TopicPartition>& partitions);
  void lose_all() { owned_.clear(); }
  void end();

 private:
  CoordinatedClient& client_;
  GroupChecks& checks_;
  MembershipOptions options_;
  std::map<TopicPartition, std::uint64_t> owned_;
  std::uint64_t tenures_ = 0;
  std::string id_;
  std::int32_t epoch_ = -1;
  bool is_over_ = false;
};

[[nodiscard]] std::unique_ptr<GroupMember> make_group_member(CoordinatedClient& client, GroupChecks& checks,
                                                             MembershipOptions options);

}  // namespace barnabas::simulation
