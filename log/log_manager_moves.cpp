// Moves between log directories: future logs, and how they take the place of current ones.
#include <algorithm>

#include "base/logging.hpp"
#include "log/log_manager_impl.hpp"

namespace barnabas::log {

/// A move goes on where its partition is in another directory. Without any current log the swap had begun:
/// the future one was whole.
Result<void> DirectoryLogManager::load_future(OpenLogOptions options, std::size_t directory) {
  const std::string& parent = options_.directories[directory];
  const TopicPartition tp = options.topic_partition;
  auto current = logs_.find(tp);
  bool is_second = futures_.contains(tp);
  if (is_second || (current != logs_.end() && current->second.directory == directory)) {
    log_warn("log.LogManager", "{} moves nothing any more and is removed", options.directory);
    doomed_.push_back({options.directory, directory, clock_.wall_ms()});
    return {};
  }
  if (current == logs_.end() && !all_online()) {
    log_warn("log.LogManager", "{} waits until the directory that it moves from can be read again",
             options.directory);
    return {};
  }
  if (current == logs_.end()) {
    std::string path = parent + "/" + to_string(tp);
    log_warn("log.LogManager", "{} takes the place of a log whose move to it was interrupted at its end",
             options.directory);
    TRY(files_.rename(options.directory, path));
    TRY(files_.sync_directory(parent));
    options.directory = path;
  }
  auto log = std::make_shared<PartitionLogImpl>(files_, clock_, options, directories_[directory]);
  TRY(log->open(options));
  (current == logs_.end() ? logs_ : futures_)[tp] = {std::move(log), directory};
  return {};
}

Result<std::shared_ptr<PartitionLog>> DirectoryLogManager::create_future(const TopicPartition& tp,
                                                                         const std::string& directory) {
  std::lock_guard lock(mutex_);
  auto current = logs_.find(tp);
  if (current == logs_.end()) return fail(ErrorCode::kUnknownTopicOrPartition, "no log of " + to_string(tp));
  std::size_t index = TRY(index_of(directory));
  TRY(check_online(tp));
  if (!is_online(index)) return fail(ErrorCode::kKafkaStorageError, directory + " is offline");
  if (index == current->second.directory)
    return fail(ErrorCode::kInvalidRequest, to_string(tp) + " is in " + directory + " already");
  if (auto known = futures_.find(tp); known != futures_.end()) {
    if (known->second.directory == index) return known->second.log;
    TRY(drop_future(tp));
  }
  const PartitionLogImpl& source = *current->second.log;
  std::string name = renamed_directory(tp, Uuid::random(random_), DirectoryState::kFuture);
  Offset start = source.log_start_offset();
  OpenLogOptions options{directory + "/" + name,
                         tp,
                         source.topic_id(),
                         source.config(),
                         start,
                         start,
                         kNoOffset,
                         true,
                         false,
                         nullptr,
                         CorruptionCounters::of(options_.metrics)};
  auto log = std::make_shared<PartitionLogImpl>(files_, clock_, options, directories_[index]);
  if (auto opened = log->open(options); !opened) {
    directories_[index]->note(opened.error());
    return std::unexpected(std::move(opened).error());
  }
  futures_[tp] = {log, index};
  counts_.reset();
  return log;
}

std::shared_ptr<PartitionLog> DirectoryLogManager::find_future(const TopicPartition& tp) const {
  std::lock_guard lock(mutex_);
  auto found = futures_.find(tp);
  return found == futures_.end() ? nullptr : found->second.log;
}

std::vector<TopicPartition> DirectoryLogManager::moving() const {
  std::lock_guard lock(mutex_);
  std::vector<TopicPartition> result;
  result.reserve(futures_.size());
  for (const auto& [tp, hosted] : futures_) result.push_back(tp);
  return result;
}

/// The future log by the live name, opened. After an error both logs are what they were, or the old one is
/// offline and the next start finds one of the two, which are the same.
Result<std::shared_ptr<PartitionLogImpl>> DirectoryLogManager::swap(const DirectorySwap& names,
                                                                    PartitionLogImpl& old, Hosted& future) {
  PartitionLogImpl& copy = *future.log;
  OpenLogOptions options{names.live,
                         copy.topic_partition(),
                         old.topic_id(),
                         old.config(),
                         copy.log_end_offset(),
                         std::max(old.log_start_offset(), copy.log_start_offset()),
                         old.cleaned_to(),
                         true,
                         false,
                         nullptr,
                         CorruptionCounters::of(options_.metrics)};
  auto open_as = [&](const std::string& directory) -> Result<std::shared_ptr<PartitionLogImpl>> {
    options.directory = directory;
    auto log = std::make_shared<PartitionLogImpl>(files_, clock_, options, directories_[future.directory]);
    TRY(log->open(options));
    return log;
  };
  TRY(copy.close());  // A copy that cannot be made durable stays closed until it is given up.
  const auto no_sync = old.hold_syncs();
  old.mark_removed();
  auto made = names.make();
  auto opened = made ? open_as(names.live) : std::unexpected(std::move(made).error());
  if (opened) return opened;
  if (auto undone = names.undo(); !undone) {
    old.mark_lost(undone.error());
    return opened;
  }
  old.mark_restored();
  if (auto again = open_as(names.future)) future.log = *again;
  return opened;
}

Result<std::shared_ptr<PartitionLog>> DirectoryLogManager::replace_with_future(const TopicPartition& tp) {
  std::lock_guard lock(mutex_);
  auto current = logs_.find(tp);
  auto future = futures_.find(tp);
  if (current == logs_.end() || future == futures_.end())
    return fail(ErrorCode::kUnknownTopicOrPartition, "no future log of " + to_string(tp));
  TRY(check_online(tp));
  const Hosted old = current->second;
  Hosted& copy = future->second;
  if (copy.log->log_end_offset() != old.log->log_end_offset())
    return fail(ErrorCode::kInvalidRequest, "the future log of " + to_string(tp) + " has not caught up");
  const std::string& parent = options_.directories[old.directory];
  const DirectorySwap names{
      files_, old.log->directory(),
      parent + "/" + renamed_directory(tp, Uuid::random(random_), DirectoryState::kDelete),
      copy.log->directory(), options_.directories[copy.directory] + "/" + to_string(tp)};
  auto log = TRY(swap(names, *old.log, copy));
  log->set_high_watermark(old.log->high_watermark());
  doomed_.push_back(
      {names.deleted, old.directory, clock_.wall_ms() + old.log->config().file_delete_delay_ms});
  current->second = {log, copy.directory};
  futures_.erase(future);
  counts_.reset();
  return log;
}

/// While a log is offline its move neither begins nor ends, nor is it given up: the copy may be all there is.
/// Requires mutex_.
Result<void> DirectoryLogManager::check_online(const TopicPartition& tp) const {
  auto current = logs_.find(tp);
  if (current == logs_.end() || !current->second.log->is_offline()) return {};
  return fail(ErrorCode::kKafkaStorageError,
              current->second.log->directory() + " is offline: check the disk and restart");
}

/// Requires mutex_.
Result<void> DirectoryLogManager::drop_future(const TopicPartition& tp) {
  auto found = futures_.find(tp);
  if (found == futures_.end()) return {};
  TRY(give_up(tp, found->second, DirectoryState::kDelete));
  futures_.erase(found);
  counts_.reset();
  return {};
}

void DirectoryLogManager::drop_offline_futures() {
  std::lock_guard lock(mutex_);
  counts_.reset();
  std::erase_if(futures_, [this](const auto& entry) {
    const auto& [tp, future] = entry;
    if (is_online(future.directory)) return false;
    log_warn("kafka.log.LogManager", "{} is not moved any more: {} is offline", to_string(tp),
             options_.directories[future.directory]);
    future.log->mark_removed();
    return true;
  });
}

Result<void> DirectoryLogManager::remove_future(const TopicPartition& tp) {
  std::lock_guard lock(mutex_);
  TRY(check_online(tp));
  return drop_future(tp);
}

}  // namespace barnabas::log
