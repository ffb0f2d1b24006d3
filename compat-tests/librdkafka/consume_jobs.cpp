// The jobs that read.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <set>
#include <thread>

#include "jobs.hpp"

namespace rdkafka_jobs {
namespace {

constexpr auto kPatience = std::chrono::seconds(60);

class Deadline {
 public:
  void check(const std::string& what) const {
    require(std::chrono::steady_clock::now() < end_, "it took too long: " + what);
  }

 private:
  std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kPatience;
};

// Commits what was processed before partitions go, so that their next owner starts behind it.
class CommitOnRevoke : public RdKafka::RebalanceCb {
 public:
  void rebalance_cb(RdKafka::KafkaConsumer* consumer, RdKafka::ErrorCode error,
                    std::vector<RdKafka::TopicPartition*>& partitions) override {
    const bool assigned = error == RdKafka::ERR__ASSIGN_PARTITIONS;
    if (!assigned && !consumer->assignment_lost()) consumer->commitSync();
    if (consumer->rebalance_protocol() == "COOPERATIVE") {
      const std::unique_ptr<RdKafka::Error> problem(assigned ? consumer->incremental_assign(partitions)
                                                             : consumer->incremental_unassign(partitions));
      if (problem) problem_ = problem->str();
    } else if (assigned) {
      consumer->assign(partitions);
    } else {
      consumer->unassign();
    }
    if (assigned && !partitions.empty()) ++assignments_;
  }

  int assignments() const { return assignments_; }
  const std::string& problem() const { return problem_; }

 private:
  int assignments_ = 0;
  std::string problem_;
};

// What the members of a group did together. Thread-safe.
class Ledger {
 public:
  void processed(int member, int64_t number) {
    const std::lock_guard lock(mutex_);
    ++times_[number];
    ++by_member_[member];
  }
  int64_t distinct() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int64_t>(times_.size());
  }
  int64_t of_member(int member) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_member_.find(member);
    return found == by_member_.end() ? 0 : found->second;
  }
  void failed(const std::string& what) {
    const std::lock_guard lock(mutex_);
    if (problem_.empty()) problem_ = what;
  }
  std::string problem() const {
    const std::lock_guard lock(mutex_);
    return problem_;
  }
  void require_each_once(int64_t count) const {
    const std::lock_guard lock(mutex_);
    for (int64_t number = 0; number < count; ++number) {
      const auto found = times_.find(number);
      const int times = found == times_.end() ? 0 : found->second;
      require(times == 1,
              "record " + std::to_string(number) + " was read " + std::to_string(times) + " times");
    }
  }

 private:
  mutable std::mutex mutex_;
  std::map<int64_t, int> times_;
  std::map<int, int64_t> by_member_;
  std::string problem_;
};

Settings group_settings(const std::string& group, const std::string& assignor) {
  return {{"group.id", group},
          {"partition.assignment.strategy", assignor},
          {"auto.offset.reset", "earliest"},
          {"enable.auto.commit", "false"},
          {"session.timeout.ms", "10000"},
          {"heartbeat.interval.ms", "200"}};
}

// One member: reads until told to leave, slowly enough that the others find something to do.
void be_member(const Target& target, const Settings& settings, int member, Ledger& ledger,
               const std::atomic<bool>& leave) try {
  CommitOnRevoke rebalance;
  const auto conf = make_conf(target, settings);
  std::string error;
  conf->set("rebalance_cb", &rebalance, error);
  const auto consumer = make_consumer(*conf);
  require_ok(consumer->subscribe({target.topic}), "subscribe");
  int64_t read = 0;
  while (!leave) {
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
    if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
    ledger.processed(member, checked_number(target, *message));
    if (++read % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  require_ok(consumer->close(), "close");
  require(rebalance.problem().empty(), "rebalance: " + rebalance.problem());
} catch (const std::exception& error) {
  ledger.failed("member " + std::to_string(member) + ": " + error.what());
}

template <typename Condition>
void wait_until(const Ledger& ledger, const std::string& what, const Condition& condition) {
  const Deadline deadline;
  while (!condition()) {
    require(ledger.problem().empty(), ledger.problem());
    deadline.check(what);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

void require_committed_to_the_end(const Target& target, int64_t count, const std::string& group) {
  const auto conf = make_conf(target, {{"group.id", group}});
  const auto consumer = make_consumer(*conf);
  Partitions partitions;
  for (int32_t p = 0; p < target.partitions; ++p)
    partitions.add(target.topic, p, RdKafka::Topic::OFFSET_INVALID);
  require_ok(consumer->committed(partitions.list, 30'000), "committed");
  for (const RdKafka::TopicPartition* part : partitions.list) {
    const int64_t end = (count - part->partition() + target.partitions - 1) / target.partitions;
    require(part->offset() == end, "partition " + std::to_string(part->partition()) + " is committed at " +
                                       std::to_string(part->offset()) + ", not " + std::to_string(end));
  }
  consumer->close();
}

}  // namespace

void read_in_group(const Target& target, int64_t count, const std::string& group,
                   const std::string& assignor) {
  Ledger ledger;
  const Settings settings = group_settings(group, assignor);
  std::atomic<bool> leave[3] = {false, false, false};
  std::vector<std::thread> members;
  const auto join = [&](int member) {
    members.emplace_back(be_member, std::cref(target), std::cref(settings), member, std::ref(ledger),
                         std::cref(leave[member]));
  };
  std::string problem;
  try {
    join(0);
    wait_until(ledger, "the first member reads", [&] { return ledger.of_member(0) >= 20; });
    join(1);
    join(2);
    wait_until(ledger, "the others read too",
               [&] { return ledger.of_member(1) >= 20 && ledger.of_member(2) >= 20; });
    leave[0] = true;
    wait_until(ledger, "every record is read", [&] { return ledger.distinct() == count; });
  } catch (const std::exception& error) {
    problem = error.what();
  }
  for (std::atomic<bool>& flag : leave) flag = true;
  for (std::thread& member : members) member.join();
  require(problem.empty(), problem);
  require(ledger.problem().empty(), ledger.problem());
  ledger.require_each_once(count);
  require_committed_to_the_end(target, count, group);
}

void seek_by_time(const Target& target, int64_t count) {
  const int64_t middle = count / 2;
  const auto conf = make_conf(target, {{"group.id", "nobody"}, {"enable.partition.eof", "true"}});
  const auto consumer = make_consumer(*conf);
  Partitions partitions;
  for (int32_t p = 0; p < target.partitions; ++p)
    partitions.add(target.topic, p, Record{middle}.timestamp_ms());
  require_ok(consumer->offsetsForTimes(partitions.list, 30'000), "offsetsForTimes");
  require_ok(consumer->assign(partitions.list), "assign");
  std::set<int64_t> seen;
  const Deadline deadline;
  for (int32_t ends = 0; ends < target.partitions;) {
    deadline.check("reading to the end");
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
    if (message->err() == RdKafka::ERR__PARTITION_EOF) ++ends;
    if (message->err() == RdKafka::ERR__PARTITION_EOF || message->err() == RdKafka::ERR__TIMED_OUT) continue;
    require(seen.insert(checked_number(target, *message)).second, "a record came twice");
  }
  require(static_cast<int64_t>(seen.size()) == count - middle && *seen.begin() == middle,
          std::to_string(seen.size()) + " records from " + std::to_string(seen.empty() ? -1 : *seen.begin()));

  for (int32_t p = 0; p < target.partitions; ++p) {
    const std::unique_ptr<RdKafka::TopicPartition> start(RdKafka::TopicPartition::create(target.topic, p, 0));
    require_ok(consumer->seek(*start, 10'000), "seek");
  }
  std::set<int64_t> firsts;
  while (static_cast<int32_t>(firsts.size()) < target.partitions) {
    deadline.check("reading after a seek");
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
    if (message->err() == RdKafka::ERR__PARTITION_EOF || message->err() == RdKafka::ERR__TIMED_OUT) continue;
    const int64_t number = checked_number(target, *message);
    if (message->offset() == 0) firsts.insert(number);
  }
  require_ok(consumer->close(), "close");
}

void read_some(const Target& target, int64_t wanted, const std::string& group) {
  const auto conf = make_conf(target, group_settings(group, "range"));
  const auto consumer = make_consumer(*conf);
  require_ok(consumer->subscribe({target.topic}), "subscribe");
  const Deadline deadline;
  for (int64_t read = 0; read < wanted;) {
    deadline.check("reading " + std::to_string(wanted) + " records, has " + std::to_string(read));
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(100));
    if (message->err() == RdKafka::ERR__TIMED_OUT) continue;
    std::printf("%lld\n", static_cast<long long>(checked_number(target, *message)));
    ++read;
  }
  require_ok(consumer->commitSync(), "commit");
  require_ok(consumer->close(), "close");
}

}  // namespace rdkafka_jobs
