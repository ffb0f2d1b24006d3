#include "broker/drivers/log_upkeep.hpp"

#include "broker/drivers/log_cleaner.hpp"
#include "broker/drivers/log_maintenance.hpp"
#include "broker/drivers/log_scrub.hpp"
#include "broker/drivers/segment_source.hpp"
#include "broker/replica/log_directory_mover.hpp"

namespace barnabas::broker {

LogUpkeep::LogUpkeep(const LogUpkeepDependencies& to, const OwnSettings& own)
    : maintenance_(std::make_unique<LogMaintenance>(to.clock, to.config, to.replicas)),
      cleaner_(std::make_unique<LogCleaner>(to.files, to.clock, to.random, to.config, to.replicas)) {
  const auto settings = to.config.settings();
  segment_source_ = std::make_unique<PeerSegmentSource>(to.peers, to.clock, to.random, to.cache,
                                                        settings->inter_broker_listener_name);
  LogScrub::Options scrub;
  scrub.bytes_per_second = own.log_scrub_bytes_per_second;
  scrub.interval = std::chrono::milliseconds(own.log_scrub_interval_ms);
  scrub_ = std::make_unique<LogScrub>(to.clock, to.replicas, to.metrics, scrub, segment_source_.get());
  LogDirectoryMoverOptions mover;
  mover.threads = settings->num_replica_alter_log_dirs_threads;
  mover.max_bytes_per_second = [&config = to.config] {
    return config.settings()->replica_alter_log_dirs_io_max_bytes_per_second;
  };
  mover_ = std::make_unique<LogDirectoryMover>(to.clock, to.replicas, to.metrics, std::move(mover));
}

LogUpkeep::~LogUpkeep() = default;

void LogUpkeep::start() {
  maintenance_->start();
  cleaner_->start();
  scrub_->start();
  mover_->start();
}

void LogUpkeep::stop() {
  scrub_->stop();
  mover_->stop();
  cleaner_->stop();
  maintenance_->stop();
}

}  // namespace barnabas::broker
