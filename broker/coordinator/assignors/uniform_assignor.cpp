#include <algorithm>
#include <utility>

#include "base/check.hpp"
#include "broker/coordinator/assignors/assignor.hpp"

namespace barnabas::broker {
namespace {

constexpr std::size_t kNobody = SIZE_MAX;

/// An assignment on its way: who owns what, and how much.
class Books {
 public:
  explicit Books(const AssignorInput& input) : input_(input), result_(input.members.size()) {
    sizes_.resize(input.members.size());
    for (std::size_t i = 0; i < input.members.size(); ++i) {
      for (const TopicId topic : input.members[i].topics) {
        auto& known = topics_[topic];
        if (known.owners.empty())
          known.owners.assign(static_cast<std::size_t>(input.partition_counts.at(topic)), kNobody);
        known.subscribers.push_back(i);
      }
    }
    // What a member still subscribes to it keeps, for the time being.
    for (std::size_t i = 0; i < input.members.size(); ++i) {
      for (const auto& [topic, partitions] : *input.members[i].current) {
        const auto known = topics_.find(topic);
        if (known == topics_.end() || !std::ranges::binary_search(known->second.subscribers, i)) continue;
        for (const std::int32_t partition : partitions) {
          const auto index = static_cast<std::size_t>(partition);
          if (index < known->second.owners.size() && known->second.owners[index] == kNobody)
            give(topic, partition, i);
        }
      }
    }
  }

  struct Topic {
    std::vector<std::size_t> owners;       // by partition
    std::vector<std::size_t> subscribers;  // ascending
  };
  [[nodiscard]] const std::map<TopicId, Topic>& topics() const { return topics_; }
  [[nodiscard]] std::size_t size_of(std::size_t member) const { return sizes_[member]; }
  [[nodiscard]] const Assignment& owned_by(std::size_t member) const { return result_[member]; }

  void give(TopicId topic, std::int32_t partition, std::size_t member) {
    topics_.at(topic).owners[static_cast<std::size_t>(partition)] = member;
    result_[member][topic].insert(partition);
    ++sizes_[member];
  }
  void take(TopicId topic, std::int32_t partition) {
    std::size_t& owner = topics_.at(topic).owners[static_cast<std::size_t>(partition)];
    const auto owned = result_[owner].find(topic);
    owned->second.erase(partition);
    if (owned->second.empty()) result_[owner].erase(owned);
    --sizes_[owner];
    owner = kNobody;
  }
  [[nodiscard]] Assignments finish() { return std::move(result_); }

 private:
  const AssignorInput& input_;
  std::map<TopicId, Topic> topics_;
  Assignments result_;
  std::vector<std::size_t> sizes_;
};

using TopicPartitionId = std::pair<TopicId, std::int32_t>;

std::vector<TopicPartitionId> unowned(const Books& books) {
  std::vector<TopicPartitionId> found;
  for (const auto& [topic, known] : books.topics()) {
    for (std::size_t partition = 0; partition < known.owners.size(); ++partition) {
      if (known.owners[partition] == kNobody) found.emplace_back(topic, static_cast<std::int32_t>(partition));
    }
  }
  return found;
}

/// Everybody gets the same number, some one more: what is above its member's number moves to those below.
Assignments assign_equals(const AssignorInput& input) {
  Books books(input);
  std::size_t total = 0;
  for (const auto& [topic, known] : books.topics()) total += known.owners.size();
  const std::size_t members = input.members.size();
  const std::size_t least = total / members;
  std::size_t with_one_more = total % members;
  std::vector<std::size_t> quota(members, least);
  // Who has more than the least already is the one to have one more.
  for (std::size_t i = 0; i < members && with_one_more > 0; ++i) {
    if (books.size_of(i) <= least) continue;
    ++quota[i];
    --with_one_more;
  }
  for (std::size_t i = 0; i < members && with_one_more > 0; ++i) {
    if (quota[i] > least) continue;
    ++quota[i];
    --with_one_more;
  }
  for (std::size_t i = 0; i < members; ++i) {
    while (books.size_of(i) > quota[i]) {
      const auto& [topic, partitions] = *books.owned_by(i).rbegin();
      books.take(topic, *partitions.rbegin());
    }
  }
  std::size_t to = 0;
  for (const auto& [topic, partition] : unowned(books)) {
    while (books.size_of(to) == quota[to]) ++to;
    books.give(topic, partition, to);
  }
  return books.finish();
}

/// Members by their number of partitions.
class ByLoad {
 public:
  explicit ByLoad(const Books& books) : books_(books) {}
  void add(std::size_t member) { members_.emplace(books_.size_of(member), member); }
  void remove(std::size_t member) { members_.erase({books_.size_of(member), member}); }
  [[nodiscard]] bool empty() const { return members_.empty(); }
  [[nodiscard]] std::size_t least() const { return members_.begin()->second; }
  [[nodiscard]] std::size_t most() const { return members_.rbegin()->second; }

 private:
  const Books& books_;
  std::set<std::pair<std::size_t, std::size_t>> members_;
};

/// Topics whose subscribers have the most to carry first: they have the least choice.
std::vector<TopicId> by_pressure(const Books& books) {
  std::vector<TopicId> order;
  for (const auto& [topic, known] : books.topics()) order.push_back(topic);
  std::ranges::sort(order, [&](TopicId a, TopicId b) {
    const Books::Topic& x = books.topics().at(a);
    const Books::Topic& y = books.topics().at(b);
    // x.partitions / x.subscribers > y.partitions / y.subscribers, in whole numbers.
    const std::size_t left = x.owners.size() * y.subscribers.size();
    const std::size_t right = y.owners.size() * x.subscribers.size();
    if (left != right) return left > right;
    if (x.subscribers.size() != y.subscribers.size()) return x.subscribers.size() < y.subscribers.size();
    return a < b;
  });
  return order;
}

void hand_out(TopicId topic, Books& books) {
  const Books::Topic& known = books.topics().at(topic);
  ByLoad subscribers(books);
  for (const std::size_t member : known.subscribers) subscribers.add(member);
  for (std::size_t i = 0; i < known.owners.size(); ++i) {
    if (known.owners[i] != kNobody) continue;
    const std::size_t to = subscribers.least();
    subscribers.remove(to);
    books.give(topic, static_cast<std::int32_t>(i), to);
    subscribers.add(to);
  }
}

/// Moves partitions of one topic from who has the most to who has the least; whether any moved.
bool balance(TopicId topic, Books& books) {
  const Books::Topic& known = books.topics().at(topic);
  if (known.subscribers.size() < 2) return false;
  ByLoad takers(books);
  ByLoad givers(books);
  const auto can_give = [&](std::size_t member) { return books.owned_by(member).contains(topic); };
  for (const std::size_t member : known.subscribers) {
    takers.add(member);
    if (can_give(member)) givers.add(member);
  }
  bool moved = false;
  while (!givers.empty()) {
    const std::size_t from = givers.most();
    const std::size_t to = takers.least();
    if (books.size_of(from) <= books.size_of(to) + 1) break;
    takers.remove(from);
    takers.remove(to);
    givers.remove(from);
    givers.remove(to);
    const std::int32_t partition = *books.owned_by(from).at(topic).rbegin();
    books.take(topic, partition);
    books.give(topic, partition, to);
    takers.add(from);
    takers.add(to);
    if (can_give(from)) givers.add(from);
    givers.add(to);
    moved = true;
  }
  return moved;
}

/// One topic's balance may disturb another's where subscriptions overlap; each round is closer, and the limit
/// is for those that would take very many.
constexpr int kMaxRounds = 16;

Assignments assign_by_subscription(const AssignorInput& input) {
  Books books(input);
  const std::vector<TopicId> order = by_pressure(books);
  for (const TopicId topic : order) hand_out(topic, books);
  for (int round = 0; round < kMaxRounds; ++round) {
    bool moved = false;
    for (const TopicId topic : order) moved |= balance(topic, books);
    if (!moved) break;
  }
  return books.finish();
}

}  // namespace

Assignments assign_uniform(const AssignorInput& input) {
  if (input.members.empty()) return {};
  return input.homogeneous ? assign_equals(input) : assign_by_subscription(input);
}

}  // namespace barnabas::broker
