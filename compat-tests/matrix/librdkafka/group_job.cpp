// A member of a group: says what it holds and reads, commits before partitions are taken away and when it is
// told to.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>

#include "client.hpp"
#include "jobs.hpp"
#include "lines.hpp"

namespace rdkafka_matrix {
namespace {

using namespace rdkafka_jobs;

// Lines of standard input, as they come; its end is the command "leave".
class Commands {
 public:
  // The next command, or an empty string if nothing was said.
  std::string next() {
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    if (::poll(&waiting, 1, 0) > 0) {
      char part[256];
      const ssize_t count = ::read(STDIN_FILENO, part, sizeof part);
      if (count <= 0) return "leave";
      text_.append(part, static_cast<std::size_t>(count));
    }
    const std::size_t end = text_.find('\n');
    if (end == std::string::npos) return "";
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }

 private:
  std::string text_;
};

class Member : public RdKafka::RebalanceCb {
 public:
  explicit Member(std::string topic) : topic_(std::move(topic)) {}

  void rebalance_cb(RdKafka::KafkaConsumer* consumer, RdKafka::ErrorCode error,
                    std::vector<RdKafka::TopicPartition*>& partitions) override {
    if (error != RdKafka::ERR__ASSIGN_PARTITIONS) {
      if (!consumer->assignment_lost()) commit(*consumer);
      processed_.clear();
      consumer->unassign();
      return;
    }
    consumer->assign(partitions);
    std::vector<std::int64_t> held;
    for (const RdKafka::TopicPartition* partition : partitions) held.push_back(partition->partition());
    std::ranges::sort(held);
    say({{"assigned", boost::json::array(held.begin(), held.end())}});
  }

  void processed(RdKafka::Message& message) {
    say(message);
    processed_[message.partition()] = message.offset() + 1;
  }

  void commit(RdKafka::KafkaConsumer& consumer) {
    Partitions offsets;
    for (const auto& [partition, offset] : processed_) offsets.add(topic_, partition, offset);
    if (!offsets.list.empty()) require_ok(consumer.commitSync(offsets.list), "commit");
  }

 private:
  std::string topic_;
  std::map<std::int32_t, std::int64_t> processed_;
};

}  // namespace

void be_member(const std::string& bootstrap, const std::string& topic, const std::string& group) {
  Member member(topic);
  const auto conf = make_conf({bootstrap, topic}, {{"group.id", group},
                                                   {"auto.offset.reset", "earliest"},
                                                   {"enable.auto.commit", "false"},
                                                   {"session.timeout.ms", "10000"},
                                                   {"heartbeat.interval.ms", "300"}});
  std::string error;
  conf->set("rebalance_cb", &member, error);
  const auto consumer = make_consumer(*conf);
  require_ok(consumer->subscribe({topic}), "subscribe");
  Commands commands;
  for (std::string command; command != "leave"; command = commands.next()) {
    if (command == "commit") {
      member.commit(*consumer);
      say({{"committed", true}});
    }
    const std::unique_ptr<RdKafka::Message> message(consumer->consume(50));
    if (message->err() != RdKafka::ERR__TIMED_OUT) member.processed(*message);
  }
  consumer->close();  // Gives the partitions back, which commits.
}

}  // namespace rdkafka_matrix
