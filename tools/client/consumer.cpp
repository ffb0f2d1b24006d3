#include "tools/client/consumer.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <re2/re2.h>

#include "protocol/error_table.hpp"
#include "tools/client/consumer_state.hpp"
#include "tools/client/interruption.hpp"
#include "tools/client/tool_log.hpp"

namespace barnabas::tools {
namespace {

constexpr std::chrono::milliseconds kMaxBackoff{1000};
constexpr std::chrono::milliseconds kMaxWait{1000};
constexpr const char* kCoordinatorLog = "org.apache.kafka.clients.consumer.internals.ConsumerCoordinator";

}  // namespace

Consumer::Consumer(std::vector<Address> bootstrap, ConsumerConfig config)
    : config_(std::move(config)), cluster_(std::move(bootstrap), config_.client) {
  next_commit_ = deadline_after(config_.auto_commit_interval);
}

Consumer::~Consumer() = default;

void Consumer::subscribe(std::vector<std::string> topics) {
  topics_ = std::move(topics);
  member_ = GroupMember::make(cluster_, config_,
                              {.topics = [this] { return wanted_topics(); },
                               .partition_counts = [this](const auto& all) { return partition_counts(all); },
                               .topic_name = [this](const Uuid& topic) { return topic_name(topic); },
                               .revoked = [this](const auto& partitions) { revoke(partitions); },
                               .lost = [this](const auto& partitions) { give_up(partitions); },
                               .assigned = [this](const auto& partitions) { take_assignment(partitions); }});
}

Result<void> Consumer::subscribe_pattern(const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  pattern_ = std::make_unique<re2::RE2>(pattern, options);
  if (!pattern_->ok()) return fail(ErrorCode::kInvalidRegularExpression, pattern_->error());
  subscribe({});
  return {};
}

void Consumer::assign(const std::map<TopicPartition, StartAt>& partitions) {
  using Search = Assigned::Search;
  for (const auto& [id, start] : partitions) {
    Assigned& assigned = partitions_[id];
    assigned.id = id;
    assigned.position = assigned.fetch_position = start.offset;
    assigned.search = start.kind == StartAt::Kind::kOffset      ? Search::kFound
                      : start.kind == StartAt::Kind::kBeginning ? Search::kBeginning
                                                                : Search::kEnd;
    if (topics_.empty() || topics_.back() != id.topic) topics_.push_back(id.topic);
  }
}

void Consumer::on_rebalance(OnPartitions assigned, OnPartitions revoked) {
  on_assigned_ = std::move(assigned);
  on_revoked_ = std::move(revoked);
}

void Consumer::metadata_are_stale() {
  refresh_at_ = std::min(refresh_at_, deadline_after(config_.client.retry_backoff));
}

/// Asks for the topics when it is time to; a member joins again when they changed.
Result<void> Consumer::refresh_topics() {
  if (now() < refresh_at_) return {};
  refresh_backoff_ = std::clamp(2 * refresh_backoff_, config_.client.retry_backoff, kMaxBackoff);
  refresh_at_ = deadline_after(refresh_backoff_);
  TopicQuery query{std::nullopt, config_.allow_auto_creation};
  if (!pattern_) query.names = topics_;
  Result<std::vector<TopicView>> topics = ask_topics(cluster_, query);
  if (!topics) {
    // Brokers that cannot be reached are waited for.
    if (protocol::error_info(topics.error().code).retriable) return {};
    return std::unexpected(topics.error());
  }
  const std::map<std::string, TopicView> before = std::move(views_);
  views_.clear();
  bool is_complete = true;
  for (TopicView& topic : *topics) {
    if (topic.error == ErrorCode::kTopicAuthorizationFailed) {
      return fail(topic.error, fmt::format("Not authorized to access topics: [{}]", topic.name));
    }
    if (topic.error == ErrorCode::kInvalidTopicException) {
      return fail(topic.error, fmt::format("Invalid topics: [{}]", topic.name));
    }
    is_complete &= topic.error == ErrorCode::kNone;
    if (topic.error != ErrorCode::kNone) continue;
    if (pattern_ && (!re2::RE2::FullMatch(topic.name, *pattern_) ||
                     (topic.is_internal && config_.exclude_internal_topics))) {
      continue;
    }
    names_[topic.id] = topic.name;
    std::string name = topic.name;
    views_.emplace(std::move(name), std::move(topic));
  }
  if (is_complete) {
    refresh_at_ = deadline_after(config_.metadata_max_age);
    refresh_backoff_ = std::chrono::milliseconds(0);
  }
  const bool is_same = std::ranges::equal(before, views_, [](const auto& one, const auto& other) {
    return one.first == other.first && one.second.partitions.size() == other.second.partitions.size();
  });
  if (member_ && !is_same) member_->subscription_changed();
  return {};
}

std::vector<std::string> Consumer::wanted_topics() const {
  if (!pattern_) return topics_;
  std::vector<std::string> matching;
  for (const auto& [name, view] : views_) matching.push_back(name);
  return matching;
}

Result<PartitionCounts> Consumer::partition_counts(const std::vector<std::string>& topics) {
  PartitionCounts counts;
  for (const TopicView& topic : TRY(ask_topics(cluster_, {topics, config_.allow_auto_creation}))) {
    if (topic.error == ErrorCode::kNone) {
      counts[topic.name] = static_cast<std::int32_t>(topic.partitions.size());
    }
  }
  return counts;
}

std::string Consumer::topic_name(const Uuid& topic) {
  const auto found = names_.find(topic);
  if (found != names_.end()) return found->second;
  metadata_are_stale();
  return {};
}

void Consumer::take_assignment(const std::vector<TopicPartition>& more) {
  for (const TopicPartition& id : more) partitions_[id].id = id;
  if (on_assigned_) on_assigned_(more);
}

void Consumer::revoke(const std::vector<TopicPartition>& partitions) {
  if (config_.auto_commit) commit_by_itself();
  give_up(partitions);
}

void Consumer::give_up(const std::vector<TopicPartition>& partitions) {
  if (on_revoked_) on_revoked_(partitions);
  for (const TopicPartition& id : partitions) partitions_.erase(id);
}

Result<void> Consumer::step() {
  TRY(refresh_topics());
  // A member that knows no topics yet would be given none.
  if (member_ && !(pattern_ && views_.empty() && !member_->is_stable())) TRY(member_->step());
  TRY(find_positions());
  TRY(send_fetches());
  commit_if_due();
  return {};
}

Result<std::size_t> Consumer::poll(Deadline until, const Visit& visit) {
  stopped_ = false;
  for (;;) {
    TRY(step());
    const std::size_t visited = TRY(take_answers(visit));
    if (visited > 0 || now() >= until || interrupted()) return visited;
    wait(until);
  }
}

void Consumer::wait(Deadline until) {
  Deadline next = std::min(until, deadline_after(kMaxWait));
  next = std::min(next, refresh_at_);
  std::vector<pollfd> waiting;
  if (member_) {
    next = std::min(next, member_->next_event());
    if (member_->descriptor() >= 0) waiting.push_back({member_->descriptor(), POLLIN, 0});
  }
  for (const auto& [id, assigned] : partitions_) {
    if (assigned.not_before > now()) next = std::min(next, assigned.not_before);
  }
  for (const auto& [broker, link] : links_) {
    if (!link->asked.empty()) waiting.push_back({link->connection.descriptor(), POLLIN, 0});
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now());
  ::poll(waiting.data(), waiting.size(), static_cast<int>(std::max<std::int64_t>(left.count(), 1)));
}

Offsets Consumer::positions() const {
  Offsets offsets;
  for (const auto& [id, assigned] : partitions_) {
    if (assigned.search == Assigned::Search::kFound) offsets[id] = {assigned.position, assigned.last_epoch};
  }
  return offsets;
}

Result<void> Consumer::commit() {
  return member_ ? member_->commit(positions()) : Result<void>();
}

void Consumer::commit_if_due() {
  if (!config_.auto_commit || !member_ || !member_->is_stable() || now() < next_commit_) return;
  next_commit_ = deadline_after(config_.auto_commit_interval);
  commit_by_itself();
}

void Consumer::commit_by_itself() {
  const auto committed = commit();
  if (!committed)
    tool_warn(kCoordinatorLog, "[{}] {}", config_.client.asker, exception_line(committed.error()));
}

void Consumer::close() {
  if (!member_) return;
  if (member_->is_stable()) {
    std::vector<TopicPartition> all;
    for (const auto& [id, assigned] : partitions_) all.push_back(id);
    if (!all.empty() || !config_.is_new_protocol) revoke(all);
  }
  member_->leave();
}

}  // namespace barnabas::tools
