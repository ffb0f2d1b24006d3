#include "simulation/coordinators/cluster_crowd.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace barnabas::simulation {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

namespace {
constexpr const char* kHost = "crowd";
constexpr milliseconds kBetweenLooks{500};
constexpr milliseconds kMoment{5};
constexpr int kMoments = 100;
constexpr milliseconds kLongestAbsence{5000};
constexpr milliseconds kLongestPause{9000};  // longer than the sessions of groups and than most transactions
}  // namespace

ClusterCrowd::ClusterCrowd(ClientSurroundings surroundings, CrowdOptions options)
    : surroundings_(std::move(surroundings)),
      options_(std::move(options)),
      reactor_(surroundings_.world.node(kHost)),
      groups_(surroundings_.checks),
      transactions_(surroundings_.checks) {
  for (const GroupOptions& group : options_.groups)
    for (int number = 0; number < group.members; ++number) {
      seats_.push_back(std::make_unique<Seat>());
      seats_.back()->group = group;
      seats_.back()->number = number;
      seats_.back()->is_of_version_2 = surroundings_.world.random().below(3) != 0;
    }
}

ClusterCrowd::~ClusterCrowd() {
  for (const auto& seat : seats_)
    for (std::size_t at = 0; at < seat->workers.size(); ++at) end(*seat, at);
}

void ClusterCrowd::start() {
  for (const auto& seat : seats_) sit_down(*seat);
  if (seats_.empty()) return;
  look_after();
  if (options_.interval.count() > 0) arrange_next();
}

void ClusterCrowd::after(nanoseconds delay, std::function<void()> call) {
  reactor_.schedule_at(surroundings_.world.clock().monotonic() + delay, std::move(call));
}

milliseconds ClusterCrowd::up_to(milliseconds most) {
  return milliseconds(1 + surroundings_.world.random().below(static_cast<std::uint64_t>(most.count())));
}

std::string ClusterCrowd::host_of(const Seat& seat, std::size_t at) const {
  return fmt::format("{}-{}{}", seat.group.name, seat.number, at == 0 ? "" : "-too");
}

std::vector<std::string> ClusterCrowd::hosts() const {
  std::vector<std::string> hosts;
  for (const auto& seat : seats_)
    for (std::size_t at = 0; at < seat->workers.size(); ++at) hosts.push_back(host_of(*seat, at));
  return hosts;
}

void ClusterCrowd::sit_down(Seat& seat) {
  const std::string host = host_of(seat, seat.current);
  MembershipOptions membership{seat.group.name, seat.group.copies ? options_.input : options_.output,
                               seat.group.protocol, std::nullopt};
  if (seat.group.is_static) membership.instance = fmt::format("instance-{}", seat.number);
  const CoordinatorChecks checks{groups_, transactions_};
  surroundings_.world.node(host);
  if (std::exchange(seat.is_known[seat.current], true)) surroundings_.world.restart_node(host);
  auto& worker = seat.workers[seat.current];
  if (seat.group.copies) {
    CopierOptions copier{fmt::format("{}-{}", seat.group.name, seat.number), options_.output,
                         seat.is_of_version_2, options_.transaction_timeout_ms};
    worker = std::make_unique<ClusterCopier>(surroundings_, host, checks, std::move(membership),
                                             std::move(copier));
  } else {
    worker = std::make_unique<GroupReader>(surroundings_, host, checks, std::move(membership));
  }
  surroundings_.note(host + " begins");
  worker->start();
}

void ClusterCrowd::end(Seat& seat, std::size_t at) {
  if (seat.workers[at] == nullptr) return;
  surroundings_.world.crash_node(host_of(seat, at));
  seat.workers[at].reset();
  seat.is_paused[at] = false;
}

void ClusterCrowd::pause(Seat& seat, std::size_t at) {
  surroundings_.note(host_of(seat, at) + " stands still");
  surroundings_.world.pause_node(host_of(seat, at));
  seat.is_paused[at] = true;
}

void ClusterCrowd::resume(Seat& seat, std::size_t at) {
  if (!std::exchange(seat.is_paused[at], false)) return;
  surroundings_.note(host_of(seat, at) + " goes on");
  surroundings_.world.resume_node(host_of(seat, at));
}

/// Whoever has found out that it is fenced makes room, and empty seats are taken.
void ClusterCrowd::look_after() {
  for (const auto& seat : seats_) {
    for (std::size_t at = 0; at < seat->workers.size(); ++at)
      if (seat->workers[at] != nullptr && seat->workers[at]->is_over()) end(*seat, at);
    const bool is_taken = seat->workers[seat->current] != nullptr;
    if (!is_taken && (is_calm_ || surroundings_.world.random().below(6) == 0)) sit_down(*seat);
  }
  after(kBetweenLooks, [this] { look_after(); });
}

void ClusterCrowd::arrange_next() {
  after(up_to(2 * options_.interval), [this] {
    if (is_calm_) return;
    disturb_when_busy(*seats_[surroundings_.world.random().below(seats_.size())], kMoments);
    arrange_next();
  });
}

void ClusterCrowd::disturb_when_busy(Seat& seat, int moments) {
  if (is_calm_) return;
  const auto& worker = seat.workers[seat.current];
  if (worker == nullptr || worker->is_busy() || moments == 0) return disturb(seat);
  after(kMoment, [this, &seat, moments] { disturb_when_busy(seat, moments - 1); });
}

void ClusterCrowd::disturb(Seat& seat) {
  const std::size_t at = seat.current;
  if (seat.workers[at] == nullptr || seat.is_paused[at]) return;
  switch (surroundings_.world.random().below(4)) {
    case 0:
      surroundings_.note(host_of(seat, at) + " crashes");
      return end(seat, at);
    case 1: {
      surroundings_.note(host_of(seat, at) + " leaves");
      GroupWorker* leaving = seat.workers[at].get();
      return leaving->leave([this, &seat, at, leaving] {
        reactor_.post([this, &seat, at, leaving] {
          if (seat.workers[at].get() == leaving) end(seat, at);
        });
      });
    }
    case 2:
      pause(seat, at);
      return after(up_to(kLongestPause), [this, &seat, at] { resume(seat, at); });
    default:
      return make_zombie(seat);
  }
}

void ClusterCrowd::make_zombie(Seat& seat) {
  const std::size_t zombie = seat.current;
  const std::size_t successor = 1 - zombie;
  end(seat, successor);
  pause(seat, zombie);
  seat.current = successor;
  sit_down(seat);
  after(up_to(kLongestPause), [this, &seat, zombie] { resume(seat, zombie); });
  // A member of a group that is not static is nobody's predecessor: it is not fenced.
  after(kLongestPause + kLongestAbsence, [this, &seat, zombie] {
    if (seat.current != zombie) end(seat, zombie);
  });
}

void ClusterCrowd::calm() {
  is_calm_ = true;
  for (const auto& seat : seats_) {
    end(*seat, 1 - seat->current);
    resume(*seat, seat->current);
  }
}

std::string ClusterCrowd::unsettled() const {
  for (const GroupOptions& group : options_.groups)
    if (std::string what = unsettled(group.name, group.copies ? options_.input : options_.output);
        !what.empty())
      return what;
  if (std::string what = transactions_.unsettled(); !what.empty()) return what;
  return groups_.unsettled();
}

std::string ClusterCrowd::unsettled(const std::string& group, const std::string& topic) const {
  const auto found = surroundings_.topics.find(topic);
  if (found == surroundings_.topics.end()) return topic + " is not created";
  std::set<std::int32_t> epochs;
  std::multiset<TopicPartition> owned;
  for (const auto& seat : seats_) {
    if (seat->group.name != group) continue;
    const auto& worker = seat->workers[seat->current];
    if (worker == nullptr) return fmt::format("a seat of {} is empty", group);
    epochs.insert(worker->member().epoch());
    for (const auto& [partition, tenure] : worker->member().owned()) owned.insert(partition);
  }
  if (epochs.size() != 1) return fmt::format("the members of {} are in {} epochs", group, epochs.size());
  for (std::int32_t at = 0; at < found->second.partitions; ++at) {
    const TopicPartition partition{topic, PartitionIndex(at)};
    if (owned.count(partition) != 1)
      return fmt::format("{} of group {} belongs to {} members", to_string(partition), group,
                         owned.count(partition));
    const Offset end = surroundings_.checks.committed_end(partition);
    const Offset committed = groups_.committed({group, partition}).value_or(Offset(0));
    if (committed != end)
      return fmt::format("group {} is at {} of {} in {}", group, committed.value(), end.value(),
                         to_string(partition));
  }
  return {};
}

void ClusterCrowd::finish() {
  groups_.finish();
  if (options_.groups.empty()) return;
  for (std::int32_t at = 0; at < surroundings_.topics.at(options_.input).partitions; ++at)
    transactions_.finish(PartitionIndex(at),
                         surroundings_.checks.history({options_.input, PartitionIndex(at)}));
}

}  // namespace barnabas::simulation
