// ClusterAdmin: changes the topics of a simulated cluster, one operation after the other.
//
// Owned by the Cluster. Not thread-safe. It asks any broker, which forwards to the controller, and asks again
// until it knows the outcome; an operation that must have an effect (a topic that was created, or deleted) is
// remembered in the TopicBook.
#pragma once

#include <functional>

#include "simulation/nodes/cluster_client.hpp"

namespace barnabas::simulation {

/// A topic that is there from the beginning and stays.
struct LastingTopic {
  std::string name;
  std::int32_t partitions = 1;
  bool is_output = false;
};

struct AdminOptions {
  std::vector<LastingTopic> lasting;
  /// Topics that brokers create, with their partitions: replicas and leaders of these are changed too.
  std::map<std::string, std::int32_t> internal;
  std::size_t most_topics = 3;
  std::int32_t most_partitions = 4;
  std::int16_t replication_factor = 3;
  std::int16_t min_insync_replicas = 2;
  std::chrono::milliseconds interval{3000};  // on average between two operations; 0: only the first topics
};

class ClusterAdmin final : public ClusterClient {
 public:
  ClusterAdmin(ClientSurroundings surroundings, AdminOptions options);

  void start();
  /// The operation under way is the last.
  void stop() { stopped_ = true; }
  [[nodiscard]] bool is_idle() const { return !busy_; }
  [[nodiscard]] std::size_t operations() const { return operations_; }
  [[nodiscard]] const std::string& state() const { return doing_; }

 private:
  void on_metadata() override {}
  void arrange_next();
  void do_something();
  void create_topic();
  void create_lasting(std::size_t at);
  void create(const SimulatedTopic& topic);
  void delete_topic(const std::string& name);
  void reassign(const TopicPartition& partition);
  void elect_preferred(const TopicPartition& partition);
  void alter_config(const std::string& topic);
  void add_partitions(const std::string& topic);
  /// Until `done(response)` says that the outcome is known.
  template <class Response, class Request>
  void ask(Request request, std::function<bool(const Response&)> done);
  void begin(std::string what);
  void end();
  [[nodiscard]] std::vector<std::string> live_topics() const;
  [[nodiscard]] TopicPartition any_partition(const std::string& topic);
  [[nodiscard]] bool is_lasting(const std::string& topic) const;

  AdminOptions options_;
  bool stopped_ = false;
  bool busy_ = false;
  int created_ = 0;
  std::size_t operations_ = 0;
  std::string doing_;
};

}  // namespace barnabas::simulation
