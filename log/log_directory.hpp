// LogDirectory: whether the disk of one of log.dirs can still be trusted.
//
// Made by the LogManager, shared with the logs in it: whoever of them is refused a call by the disk (a full
// one apart, which has lost nothing) takes the directory offline, and with it every log in it, until the next
// start. That is Kafka's rule too: what one file has lost may be lost of the others.
//
// Thread safety: thread-safe. The listener runs once, in the thread whose call failed and under whatever that
// thread holds, so it only passes the news on.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"

namespace barnabas::log {

class LogDirectory {
 public:
  using Listener = std::function<void(const std::string& path, const Error& why)>;

  LogDirectory(std::string path, Listener on_failure)
      : path_(std::move(path)), on_failure_(std::move(on_failure)) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool is_online() const { return !failed_; }
  /// Told in one line, the first time.
  void fail(const Error& why);
  /// The same for an error by which the disk refused a call; others say nothing of the directory.
  void note(const Error& error);

 private:
  std::string path_;
  Listener on_failure_;  // may be null
  std::atomic<bool> failed_ = false;
};

}  // namespace barnabas::log
