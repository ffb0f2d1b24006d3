// Subscriptions by patterns: when they are looked at anew, and what they match.
#include <utility>

#include "base/logging.hpp"
#include "broker/coordinator/consumer_group_records.hpp"
#include "broker/coordinator/consumer_groups.hpp"
#include "broker/coordinator/group_component.hpp"
#include "broker/coordinator/topic_pattern.hpp"

namespace barnabas::broker {
namespace {

constexpr std::int64_t kMinPatternRefreshMs = 10000;

}  // namespace

Result<ConsumerGroups::PatternChange> ConsumerGroups::compare_patterns(const ConsumerGroup& group,
                                                                       Outcome& outcome,
                                                                       const Step& step) const {
  const ConsumerMember& before = outcome.before;
  const ConsumerMember& after = outcome.after;
  PatternChange change = PatternChange::kNone;
  bool required = false;
  if (before.pattern != after.pattern) {
    change = PatternChange::kChanged;
    if (before.has_pattern() && group.subscribers_of(*before.pattern) == 1)
      add_pattern_tombstone(outcome.records, group.id(), *before.pattern);
    if (after.has_pattern()) {
      if (group.subscribers_of(*after.pattern) == 0) {
        (void)TRY(TopicPattern::make(*after.pattern));
        required = true;
      } else if (group.resolved(*after.pattern) != nullptr) {
        change = PatternChange::kChangedAndResolved;
      }
    } else if (before.has_pattern()) {
      change = PatternChange::kChangedAndResolved;
    }
  }
  if (!required && group.patterns().empty()) return change;
  const Counts patterns = group.patterns_with(&before, &after);
  if (!patterns_need_refresh(group, patterns, required, step.now.wall_ms)) return change;
  for (const auto& [pattern, count] : patterns) outcome.refresh_patterns.insert(pattern);
  return change;
}

bool ConsumerGroups::patterns_need_refresh(const ConsumerGroup& group, const Counts& patterns, bool required,
                                           std::int64_t wall_ms) const {
  const bool resolved_before = !group.resolved().empty();
  const ResolvedPattern last = resolved_before ? group.resolved().begin()->second : ResolvedPattern{};
  // Topics that come one after the other need not be looked at one after the other.
  if (resolved_before && wall_ms <= last.timestamp_ms + kMinPatternRefreshMs) return false;
  return required || patterns.size() != group.resolved().size() || last.version < new_topics_version_ ||
         (resolved_before && wall_ms > last.timestamp_ms + options_.pattern_refresh_interval_ms);
}

void ConsumerGroups::resolve_patterns(const std::string& id,
                                      const std::set<std::string, std::less<>>& patterns,
                                      const HeartbeatContext& context, Step& step) {
  ConsumerGroup* group = find_mutable(id);
  if (group == nullptr) return;
  const kraft::MetadataImagePtr image = surroundings_.image();
  std::map<std::string, ResolvedPattern, std::less<>> now;
  bool bump = false;
  for (const std::string& pattern : patterns) {
    if (group->subscribers_of(pattern) == 0) continue;
    ResolvedPattern resolved{{}, image->offset.value(), step.now.wall_ms};
    if (const auto compiled = TopicPattern::make(pattern)) {
      for (const auto& [name, topic] : image->topics->by_name) {
        if (compiled->matches(name) && (!context.may_describe || context.may_describe(name)))
          resolved.topics.insert(name);
      }
    }
    const ResolvedPattern* before = group->resolved(pattern);
    if (before == nullptr ? !resolved.topics.empty() : before->topics != resolved.topics) bump = true;
    add_resolved_pattern(step.records, id, pattern, resolved);
    now[pattern] = std::move(resolved);
  }
  const std::int64_t hash = hash_of(group->subscriptions_with(now));
  if (!bump && hash == group->metadata_hash()) return;
  const std::int32_t epoch = group->epoch() + 1;
  add_group_epoch(step.records, id, epoch, hash);
  log_info(kGroupComponent, "Consumer group {} is at epoch {}: its patterns match other topics", id, epoch);
  group->refreshed(step.now.wall_ms, epoch);
}

}  // namespace barnabas::broker
