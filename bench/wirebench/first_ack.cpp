// The mode first-ack: how long a broker takes from its start to its first acknowledged record.
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error_code.hpp"
#include "bench/wirebench/connection.hpp"
#include "bench/wirebench/figures.hpp"
#include "bench/wirebench/modes.hpp"
#include "bench/wirebench/requests.hpp"

namespace barnabas::wirebench {
namespace {

/// A process of our own; stopped with SIGTERM when this goes.
class Child {
 public:
  explicit Child(std::vector<std::string> command) {
    if (command.empty()) throw std::invalid_argument("first-ack needs a command behind --");
    std::vector<char*> arguments;
    for (std::string& argument : command) arguments.push_back(argument.data());
    arguments.push_back(nullptr);
    if (posix_spawnp(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ) != 0) {
      throw std::runtime_error("cannot start " + command[0]);
    }
  }
  ~Child() { stop(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] long pid() const { return pid_; }
  /// SIGTERM, and waits for the end.
  void stop() {
    if (ended_) return;
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
    ended_ = true;
  }
  void expect_running() {
    if (ended_ || waitpid(pid_, nullptr, WNOHANG) != pid_) return;
    ended_ = true;
    throw std::runtime_error("the command has ended");
  }

 private:
  pid_t pid_ = 0;
  bool ended_ = false;
};

/// Calls attempt() until it does not throw; the wait between is short beside what is measured.
template <class Attempt>
void repeat_until_done(Child& child, MonotonicClock::time_point begin, double patience_seconds,
                       Attempt attempt) {
  for (;;) {
    try {
      attempt();
      return;
    } catch (const std::runtime_error&) {
      child.expect_running();
      if (seconds_since(begin) > patience_seconds) throw;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

void create_topic(const Options& options) {
  Connection connection(options.address);
  const Bytes body = create_topic_body(options.topic, options.partitions, options.replicas, options.settings);
  const int code = created_topic_error(connection.call(kCreateTopicsKey, body));
  if (code != 0 && code != static_cast<int>(ErrorCode::kTopicAlreadyExists)) {
    throw std::runtime_error(fmt::format("create error {}", code));
  }
}

}  // namespace

int run_first_ack(const Options& options) {
  const std::vector<std::string> topics = topics_of(options);
  const auto begin = MonotonicClock::now();
  Child child(options.command);
  const double patience = options.patience_seconds;
  repeat_until_done(child, begin, patience, [&] { Connection connection(options.address); });
  const double connected = seconds_since(begin);
  if (options.count == 1) repeat_until_done(child, begin, patience, [&] { create_topic(options); });
  const double created = seconds_since(begin);
  const Bytes batch = record_batch(1, options.size, "none");
  for (const std::string& topic : topics) {
    const Bytes produce = produce_body(topic, options.partitions - 1, options.acks, batch);
    repeat_until_done(child, begin, patience, [&] {
      Connection connection(options.address);
      check_produced(connection.call(kProduceKey, produce));
    });
  }
  const double acknowledged = seconds_since(begin);
  std::this_thread::sleep_for(std::chrono::duration<double>(options.idle_seconds));
  child.expect_running();
  const ProcessUsage usage = usage_of(child.pid());
  const auto told_to_stop = MonotonicClock::now();
  child.stop();
  fmt::print(
      "mode=first-ack connected_ms={:.1f} created_ms={:.1f} acknowledged_ms={:.1f} idle_seconds={:.1f} "
      "cpu_s={:.2f} rss_mb={:.1f} stopped_ms={:.1f}\n",
      connected * 1e3, created * 1e3, acknowledged * 1e3, options.idle_seconds, usage.cpu_seconds,
      static_cast<double>(usage.resident_kb) / 1024, seconds_since(told_to_stop) * 1e3);
  return 0;
}

}  // namespace barnabas::wirebench
