// DirectoryLogManager: the LogManager over log directories; its parts are in log_manager.cpp and, what moves
// logs between directories, log_manager_moves.cpp.
//
// Thread safety: as LogManager says. One mutex guards the maps of logs; it is held over the renames of a
// log's directory, so that no two calls give a directory away.
// Invariant: a partition has a future log only beside a current one in another directory.
#pragma once

#include <map>
#include <mutex>

#include "log/checkpoint_file.hpp"
#include "log/directory_swap.hpp"
#include "log/log_loading.hpp"
#include "log/log_manager.hpp"
#include "log/partition_files.hpp"
#include "log/partition_log_impl.hpp"

namespace barnabas::log {

class DirectoryLogManager final : public LogManager {
 public:
  DirectoryLogManager(FileSystem& files, const Clock& clock, Random& random, LogManagerOptions options);

  Result<void> load();

  [[nodiscard]] const std::vector<std::string>& directories() const override { return options_.directories; }
  [[nodiscard]] DirectoryId directory_id(const std::string& directory) const override;
  [[nodiscard]] bool is_online(const std::string& directory) const override;
  [[nodiscard]] std::int64_t previous_broker_epoch() const override { return previous_broker_epoch_; }
  [[nodiscard]] std::shared_ptr<PartitionLog> find(const TopicPartition& tp) const override;
  [[nodiscard]] std::vector<std::shared_ptr<PartitionLog>> all() const override;
  Result<std::shared_ptr<PartitionLog>> create(const TopicPartition& tp, TopicId topic_id,
                                               const LogConfig& config) override;
  Result<void> prefer_directory(const TopicPartition& tp, const std::string& directory) override;
  Result<void> remove(const TopicPartition& tp) override { return take_away(tp, DirectoryState::kDelete); }
  Result<void> mark_stray(const TopicPartition& tp) override { return take_away(tp, DirectoryState::kStray); }
  void delete_expired(std::int64_t now_ms) override;
  Result<std::shared_ptr<PartitionLog>> create_future(const TopicPartition& tp,
                                                      const std::string& directory) override;
  [[nodiscard]] std::shared_ptr<PartitionLog> find_future(const TopicPartition& tp) const override;
  [[nodiscard]] std::vector<TopicPartition> moving() const override;
  Result<std::shared_ptr<PartitionLog>> replace_with_future(const TopicPartition& tp) override;
  Result<void> remove_future(const TopicPartition& tp) override;
  void drop_offline_futures() override;
  [[nodiscard]] Offset checkpointed_high_watermark(const TopicPartition& tp) const override;
  Result<void> checkpoint_recovery_points() override;
  Result<void> checkpoint_log_start_offsets() override;
  Result<void> checkpoint_high_watermarks() override;
  Result<void> checkpoint_cleaned_offsets() override;
  Result<void> shutdown(std::int64_t broker_epoch) override;

 private:
  struct Hosted {
    std::shared_ptr<PartitionLogImpl> log;
    std::size_t directory = 0;
  };
  struct Doomed {
    std::string path;
    std::size_t directory = 0;
    std::int64_t due_ms = 0;
  };
  Result<void> lock_and_check(std::size_t directory);
  [[nodiscard]] Result<void> check_meta_properties(std::size_t directory, const MetaProperties& meta) const;
  Result<void> take_in(std::size_t directory, LoadedDirectory loaded);
  Result<void> load_future(OpenLogOptions options, std::size_t directory);
  Result<void> give_up(const TopicPartition& tp, const Hosted& hosted, DirectoryState state);
  Result<void> take_away(const TopicPartition& tp, DirectoryState state);
  Result<std::shared_ptr<PartitionLogImpl>> swap(const DirectorySwap& names, PartitionLogImpl& old,
                                                 Hosted& future);
  [[nodiscard]] Result<void> check_online(const TopicPartition& tp) const;
  Result<void> drop_future(const TopicPartition& tp);
  [[nodiscard]] Result<std::size_t> index_of(const std::string& directory) const;
  [[nodiscard]] Result<std::size_t> directory_for(const TopicPartition& tp);
  Result<std::shared_ptr<PartitionLogImpl>> create_in(std::size_t directory, const TopicPartition& tp,
                                                      TopicId topic_id, const LogConfig& config);
  [[nodiscard]] bool is_online(std::size_t directory) const { return directories_[directory]->is_online(); }
  [[nodiscard]] bool all_online() const;
  std::optional<Error> close_all(const std::vector<Hosted>& hosted, std::vector<bool>& is_whole) const;
  void tell_metrics(MetricsPage& page) const;
  template <class OffsetOf>
  Result<void> checkpoint(std::string_view file, OffsetOf offset_of);
  [[nodiscard]] LogConfig config_for(const TopicPartition& tp) const {
    return options_.config_for ? options_.config_for(tp) : options_.default_config;
  }

  FileSystem& files_;
  const Clock& clock_;
  Random& random_;
  LogManagerOptions options_;
  LogDirectories directories_;  // in the order of options_.directories, as are the two that follow
  std::vector<std::unique_ptr<DirectoryLock>> locks_;
  std::vector<DirectoryId> directory_ids_;
  std::int64_t previous_broker_epoch_ = -1;
  OffsetCheckpoint high_watermarks_;  // as found at open
  std::shared_ptr<const void> collecting_ = std::make_shared<int>();

  std::mutex checkpoint_mutex_;  // one writer of checkpoint files
  mutable std::mutex mutex_;     // of what follows
  std::map<TopicPartition, Hosted> logs_;
  std::map<TopicPartition, Hosted> futures_;
  /// Of logs, by directory; nothing after any of them went or moved: a topic of thousands of partitions is
  /// not to count them for each.
  std::optional<std::vector<std::size_t>> counts_;
  std::map<TopicPartition, std::size_t> preferred_;  // directories of logs that are not there yet
  std::vector<Doomed> doomed_;
};

}  // namespace barnabas::log
